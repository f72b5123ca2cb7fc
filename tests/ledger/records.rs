//! The ledger: which records were sent, and what the daemon said of each.
//!
//! A record is a line: its own word, which no other line has, and a few common words that follow from its
//! number. So the words of any set of records can be counted here, too, and compared.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::http::Answer;

/// A record: the number of a client's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    pub client: u32,
    pub number: u32,
}

impl Record {
    /// Its own word.
    pub fn word(self, run: u64) -> String {
        format!("r{run}-{}-{}", self.client, self.number)
    }

    /// The record whose own word this is.
    pub fn of_word(run: u64, word: &str) -> Option<Self> {
        let (client, number) = word
            .strip_prefix(&format!("r{run}-"))
            .and_then(|rest| rest.split_once('-'))?;
        let record = Self {
            client: client.parse().ok()?,
            number: number.parse().ok()?,
        };
        (record.word(run) == word).then_some(record)
    }

    /// The words that it shares with others.
    pub fn common_words(self) -> impl Iterator<Item = &'static str> {
        let words = [("the", 1), ("tide", 2), ("mill", 3), ("gate", 7)];
        let number = self.number;
        words
            .into_iter()
            .filter(move |(_, every)| number.is_multiple_of(*every))
            .map(|(word, _)| word)
    }

    /// Its line.
    pub fn line(self, run: u64) -> String {
        let mut line = self.word(run);
        for word in self.common_words() {
            line.push(' ');
            line.push_str(word);
        }
        line.push('\n');
        line
    }
}

/// What is known of a record that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// No answer: it may be in the stream or not.
    InDoubt,
    /// It must be in the stream.
    Acknowledged,
    /// It must not be.
    Refused,
}

/// Every record that was ever sent.
#[derive(Debug)]
pub struct Ledger {
    pub run: u64,
    clients: Mutex<Vec<Vec<Fate>>>,
    /// Answers that break the contract by themselves.
    wrong: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn new(run: u64) -> Self {
        Self {
            run,
            clients: Mutex::default(),
            wrong: Mutex::default(),
        }
    }

    /// Makes room for more clients; returns the first's number.
    pub fn add_clients(&self, count: u32) -> u32 {
        let mut clients = self.clients();
        let first = clients.len() as u32;
        clients.extend((0..count).map(|_| Vec::new()));
        first
    }

    /// Notes new records of a client as sent, before the first byte leaves; returns them as a body.
    pub fn send(&self, client: u32, count: u32) -> (Range<u32>, String) {
        let mut clients = self.clients();
        let fates = &mut clients[client as usize];
        let first = fates.len() as u32;
        fates.resize(fates.len() + count as usize, Fate::InDoubt);
        let numbers = first..first + count;
        let lines = numbers
            .clone()
            .map(|number| Record { client, number }.line(self.run));
        (numbers, lines.collect())
    }

    /// Notes what the daemon answered.
    pub fn settle(&self, client: u32, numbers: Range<u32>, answer: &Answer) {
        let fate = match answer.status {
            200 if answer.body.replace(' ', "") == format!("{{\"records\":{}}}", numbers.len()) => {
                Fate::Acknowledged
            }
            // The source isn't declared yet, or is held back: nothing was taken.
            404 | 429 => Fate::Refused,
            // It is stopping: some may have been taken.
            503 => Fate::InDoubt,
            _ => {
                let count = numbers.len();
                let wrong = format!("{count} lines were answered with {answer:?}");
                self.wrong
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(wrong);
                Fate::InDoubt
            }
        };
        let fates = &mut self.clients()[client as usize];
        fates[numbers.start as usize..numbers.end as usize].fill(fate);
    }

    /// What has been sent so far.
    pub fn sent(&self) -> Sent {
        Sent(self.clients().iter().map(Vec::len).collect())
    }

    pub fn fate(&self, record: Record) -> Option<Fate> {
        let clients = self.clients();
        clients
            .get(record.client as usize)?
            .get(record.number as usize)
            .copied()
    }

    /// All records of one fate.
    pub fn of_fate(&self, fate: Fate) -> Vec<Record> {
        let clients = self.clients();
        let numbered = clients.iter().zip(0..);
        let of_client = |(fates, client): (&Vec<Fate>, u32)| {
            let all = fates.clone().into_iter().zip(0..);
            all.filter(move |(found, _)| *found == fate)
                .map(move |(_, number)| Record { client, number })
                .collect::<Vec<_>>()
        };
        numbered.flat_map(of_client).collect()
    }

    /// How many records have each fate, for people.
    pub fn summary(&self) -> String {
        let count = |fate| self.of_fate(fate).len();
        format!(
            "{} acknowledged, {} in doubt, {} refused",
            count(Fate::Acknowledged),
            count(Fate::InDoubt),
            count(Fate::Refused)
        )
    }

    pub fn wrong_answers(&self) -> Vec<String> {
        self.wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn clients(&self) -> MutexGuard<'_, Vec<Vec<Fate>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What had been sent at some moment: how many records of each client.
#[derive(Debug, Clone)]
pub struct Sent(Vec<usize>);

impl Sent {
    pub fn holds(&self, record: Record) -> bool {
        let of_client = self.0.get(record.client as usize);
        of_client.is_some_and(|sent| (record.number as usize) < *sent)
    }
}

/// How often each common word occurs in these records.
pub fn count_common(records: impl IntoIterator<Item = Record>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in records.into_iter().flat_map(Record::common_words) {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}
