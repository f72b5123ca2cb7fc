//! Savepoints: somebody asks for one all the while, also while the daemon is killed; when all is over, the
//! pipeline goes back to one of them and goes on from there.
//!
//! What was put out between a savepoint and going back to it stays where it is, and counts no longer. What is
//! left must be as if it had never been: each record that was acknowledged before the savepoint was asked for is
//! counted once, none of those that came later is, and those that come after going back are again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::http::Connection;
use super::output::Outputs;
use super::records::{Fate, Ledger, Record, Sent};
use super::rules;

/// How long somebody waits between two: each keeps what it holds for ever.
const ASK_AGAIN: Duration = Duration::from_millis(700);

/// A savepoint that was answered to be durable.
#[derive(Debug, Clone)]
pub struct Saved {
    pub name: String,
    pub id: u64,
    /// What was acknowledged when it was asked for: all of it is in there.
    acknowledged: Vec<Record>,
    /// What had been sent when the answer came: nothing else is in there.
    sent: Sent,
}

/// What a program that went back left behind: the batches since the last one that the savepoint knew of. Those
/// that weren't complete then are run again as they were.
#[derive(Debug, Clone, Copy)]
pub struct Gone {
    pub after: u64,
    pub through: u64,
}

impl Gone {
    pub fn holds(&self, time: u64) -> bool {
        self.after < time && time <= self.through
    }
}

/// Somebody who asks for savepoints as long as this is there.
pub struct Saving {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    made: Arc<Mutex<Vec<Saved>>>,
}

impl Saving {
    /// Names begin with `stem`, which nobody else's may.
    pub fn start(stem: &str, address: SocketAddr, ledger: &Arc<Ledger>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let made: Arc<Mutex<Vec<Saved>>> = Arc::default();
        let (is_over, all) = (Arc::clone(&stop), Arc::clone(&made));
        let (stem, ledger) = (stem.to_owned(), Arc::clone(ledger));
        let thread = std::thread::spawn(move || {
            // Nobody knows of one that wasn't answered whether it was made: so its name isn't used again.
            for number in 0.. {
                std::thread::sleep(ASK_AGAIN);
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                let saved = ask(format!("{stem}-{number}"), address, &ledger);
                all.lock().unwrap().extend(saved);
            }
        });
        Self {
            stop,
            thread: Some(thread),
            made,
        }
    }

    /// Ends it; what was made.
    pub fn stop(mut self) -> Vec<Saved> {
        self.stop.store(true, Ordering::Release);
        self.thread.take().map(JoinHandle::join);
        std::mem::take(&mut *self.made.lock().unwrap())
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Asks for one; `None` when it isn't said to be made, as when the daemon is killed, ends, or recovers.
fn ask(name: String, address: SocketAddr, ledger: &Ledger) -> Option<Saved> {
    let acknowledged = ledger.of_fate(Fate::Acknowledged);
    let path = format!("/api/v1/checkpoint?name={name}");
    let asked = Connection::open(address).and_then(|mut connection| connection.post(&path, ""));
    let answer = asked.ok().filter(|answer| answer.status == 200)?;
    let info: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(info["name"], name, "{info}");
    Some(Saved {
        name,
        id: info["id"].as_u64().unwrap(),
        acknowledged,
        sent: ledger.sent(),
    })
}

impl Saved {
    /// Checks what is left of the outputs, `counts`, once the program has gone back here when `before` had been
    /// sent; `put_aside` became letters in batches that are left.
    pub fn check(
        &self,
        counts: &Outputs,
        gone: Gone,
        put_aside: &BTreeSet<Record>,
        before: &Sent,
        ledger: &Ledger,
    ) -> Result<(), String> {
        rules::each_counts_its_records(counts, ledger)?;
        let word = |record: &Record| record.word(ledger.run);
        let mut seen = BTreeSet::new();
        for (time, counts) in &counts.batches {
            for record in counts.records.keys() {
                if !seen.insert(*record) {
                    return Err(format!(
                        "`{}` was counted before {}, and at {time} again",
                        word(record),
                        self.name
                    ));
                }
                let is_of_before = before.holds(*record);
                if *time > gone.through && is_of_before && !self.sent.holds(*record) {
                    return Err(format!(
                        "`{}`, counted at {time}, came after {} and before going back to it",
                        word(record),
                        self.name
                    ));
                }
            }
        }
        let is_held = |record: &&Record| seen.contains(record) || put_aside.contains(record);
        if let Some(lost) = self.acknowledged.iter().find(|record| !is_held(record)) {
            return Err(format!(
                "`{}` was acknowledged before {} was asked for, and is lost",
                word(lost),
                self.name
            ));
        }
        let acknowledged = ledger.of_fate(Fate::Acknowledged);
        let mut new = acknowledged.iter().filter(|record| !before.holds(**record));
        match new.find(|record| !is_held(record)) {
            None => Ok(()),
            Some(lost) => Err(format!(
                "`{}` came after going back to {}, and is lost",
                word(lost),
                self.name
            )),
        }
    }
}
