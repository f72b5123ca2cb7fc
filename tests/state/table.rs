//! A table: what comes in each batch, and what a program yields for it.

use std::sync::atomic::{AtomicU64, Ordering};

use tidemill::rdd::Data;
use tidemill::{DStream, StreamingContext};

use crate::support::{Collected, Feed, builder, clock_at, feed, run_to};

/// Keys come one a word.
pub type Words = DStream<(String, u64)>;

static LOCATION: AtomicU64 = AtomicU64::new(0);

/// Runs `program` over `batches`, each a line of words, and returns what it yields for each. In front of
/// the batch `restart` the program is stopped and started again.
pub fn run<T: Data + Ord, R: Data + Ord>(
    batches: &[&str],
    restart: Option<usize>,
    program: impl Fn(&Words) -> (DStream<T>, DStream<R>),
) -> (Vec<Vec<T>>, Vec<Vec<R>>) {
    let url = format!(
        "memory:state-table-{}",
        LOCATION.fetch_add(1, Ordering::SeqCst)
    );
    let clock = clock_at(100);
    let (one, other) = (Collected::new(), Collected::new());
    let start = || -> (StreamingContext, Feed) {
        let context = builder(&url, &clock).build().unwrap();
        let (feed, fed) = feed();
        let words = context
            .receiver_stream_with("words", fed, Default::default())
            .flat_map::<(String, u64)>(|line, out| {
                let words = line.split_whitespace();
                words.for_each(|word| out.emit_owned((word.to_owned(), 1)));
            });
        let (first, second) = program(&words);
        one.collect(&first);
        other.collect(&second);
        context.start().unwrap();
        (context, feed)
    };
    let (mut context, mut feed) = start();
    for (number, batch) in batches.iter().enumerate() {
        if restart == Some(number) {
            drop((context, feed));
            (context, feed) = start();
        }
        if !batch.is_empty() {
            feed.send(&clock, &[batch]);
        }
        run_to(&context, &clock, 101 + number as u64);
    }
    context.stop(false).unwrap();
    let seconds = 101..101 + batches.len() as u64;
    (
        seconds.clone().map(|second| one.at(second)).collect(),
        seconds.map(|second| other.at(second)).collect(),
    )
}

/// Holds a program against its table, without a restart and with one in front of each batch.
pub fn check<T, R>(
    table: &[(&str, &[T], &[R])],
    program: impl Fn(&Words) -> (DStream<T>, DStream<R>),
) where
    T: Data + Ord + std::fmt::Debug,
    R: Data + Ord + std::fmt::Debug,
{
    let batches: Vec<&str> = table.iter().map(|row| row.0).collect();
    for restart in std::iter::once(None).chain((1..table.len()).map(Some)) {
        let (one, other) = run(&batches, restart, &program);
        for (number, row) in table.iter().enumerate() {
            assert_eq!(one[number], row.1, "batch {number}, restart {restart:?}");
            assert_eq!(other[number], row.2, "batch {number}, restart {restart:?}");
        }
    }
}
