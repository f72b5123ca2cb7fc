//! A batch that takes effect on one state and fails at the next: no checkpoint may hold half of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidemill::{DStream, StreamingContext};

use crate::support::{Collected, Feed, builder, clock_at, eventually, feed, pairs, run_to};

static FAILS: AtomicBool = AtomicBool::new(false);

/// A count whose own code panics when it is told to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Fragile(u64);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!FAILS.load(Ordering::SeqCst), "told to panic");
        Self(self.0)
    }
}

fn sum(new: &[u64], held: Option<&u64>) -> Option<u64> {
    Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
}

fn program(context: &StreamingContext, seen: &Collected<(String, u64)>) -> Feed {
    let (feed, fed) = feed();
    let lines = context.receiver_stream_with("lines", fed, Default::default());
    let words: DStream<(String, u64)> = lines.map(|line| (line.to_owned(), 1));
    seen.collect(&words.update_state_by_key(sum).uid("whole"));
    words
        .update_state_by_key(|new, held: Option<&Fragile>| {
            Some(Fragile(
                held.map_or(0, |held| held.0) + new.iter().sum::<u64>(),
            ))
        })
        .uid("fragile")
        .for_each_rdd(|rdd, _| rdd.count().map(drop));
    feed
}

#[test]
fn no_checkpoint_holds_half_a_batch() {
    let clock = clock_at(100);
    let url = "memory:half-done";
    let seen = Collected::new();
    let start = || {
        let context = builder(url, &clock)
            .stop_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let feed = program(&context, &seen);
        context.start().unwrap();
        (context, feed)
    };
    let (context, feed) = start();
    feed.send(&clock, &["a"]);
    run_to(&context, &clock, 101);
    context.checkpoint_now(Duration::from_secs(30)).unwrap();
    FAILS.store(true, Ordering::SeqCst);
    feed.send(&clock, &["a"]);
    clock.advance(Duration::from_secs(1));
    eventually("the batch fails", || {
        (!context.progress().failing().is_empty()).then_some(())
    });
    // The last checkpoint is given up: it would hold the batch in one state and not in the other.
    assert!(context.stop(true).is_err());
    drop((context, feed));
    FAILS.store(false, Ordering::SeqCst);
    let (context, _feed) = start();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(102), pairs(&[("a", 2)]));
    assert_eq!(seen.at(103), pairs(&[("a", 2)]));
}
