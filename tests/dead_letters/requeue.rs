//! Records of letters are put back where they came from, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::StreamingContext;
use tidemill::dead_letters::DeadLetter;
use tidemill::rdd::{BoxError, ErrorPolicy};

use crate::support::{Collected, Feed, SECOND, clock_at, eventually, feed, run_to};
use crate::{letters, lines_of, with_letters};

/// A program that takes integers, and once it is mended anything; what it yielded.
pub(crate) fn mendable(
    builder: tidemill::Builder,
    is_mended: bool,
    seen: &Collected<String>,
) -> (StreamingContext, Feed) {
    let context = builder.build().unwrap();
    let (lines, feed) = lines_of(&context);
    let (queued, queue) = context.queue_stream::<str>();
    queue.push_vec(vec!["from the queue".to_owned()]);
    let numbers = lines
        .union(&queued)
        .try_flat_map::<str, String>(|line, out| {
            line.split(' ').for_each(|word| out.emit(word));
            Ok(())
        })
        .try_map(move |word| match word.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) if is_mended => Ok(format!("mended {word}")),
            Err(error) => Err(error.to_string()),
        })
        .uid("numbers")
        .on_error(ErrorPolicy::DeadLetters);
    seen.collect(&numbers);
    context.start().unwrap();
    (context, feed)
}

/// Whether what says that letters were put back is in the log only, or in a checkpoint as well.
#[test]
fn letters_are_put_back_once_however_often_it_is_asked_for_and_whatever_is_killed() {
    for (url, checkpoint_every) in [("memory:requeue-log", 1000), ("memory:requeue-state", 1)] {
        let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
        let start = |is_mended, seen: &Collected<String>| {
            let builder = with_letters(url, &clock, folder.path());
            let builder = builder.checkpoint_interval(SECOND * checkpoint_every);
            mendable(builder, is_mended, seen)
        };
        let (context, feed) = start(false, &Collected::new());
        assert_eq!(context.requeue_dead_letters(None).unwrap(), []);
        feed.send(&clock, &["1", "x y", "z"]);
        run_to(&context, &clock, 101);
        assert_eq!(letters(folder.path())[&101].len(), 6);
        // Its last checkpoint holds the batch: the mended program doesn't run it again.
        context.stop(true).unwrap();
        drop((context, feed));

        // A batch that is run again yields the same again.
        let seen = Collected::new();
        let (context, feed) = start(true, &seen);
        let time = tidemill::Time::from_millis(101_000);
        let done = context.requeue_dead_letters(Some(time)).unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        // Two letters came of one line; what the queue gave can't be taken back by it.
        assert_eq!((done[0].batch_time, done[0].records), (time, 2));
        assert!(done[0].already.is_empty());
        let (why, left) = done[0].left.iter().next().unwrap();
        assert!(why.contains("`queue` isn't an input"), "{why}");
        assert_eq!(*left, 3);
        let again = context.requeue_dead_letters(None).unwrap();
        assert_eq!((again[0].records, again[0].already.len()), (0, 1));
        // Killed before they are in a batch.
        drop((context, feed));

        let (context, feed) = start(true, &seen);
        run_to(&context, &clock, 103);
        run_to(&context, &clock, 104);
        let again = context.requeue_dead_letters(None).unwrap();
        assert_eq!((again[0].records, again[0].already.len()), (0, 1));
        run_to(&context, &clock, 105);
        context.stop(true).unwrap();
        drop((context, feed));
        let all = seen.filled().concat();
        for word in ["mended x", "mended y", "mended z"] {
            let times = all.iter().filter(|seen| *seen == word).count();
            assert_eq!(times, 1, "{word} in {all:?}");
        }
        let (context, _feed) = start(true, &seen);
        let again = context.requeue_dead_letters(None).unwrap();
        assert_eq!((again[0].records, again[0].already.len()), (0, 1));
        context.stop(false).unwrap();
    }
}

/// A record that waited in the savepoint is in a batch again; one that came since is not.
#[test]
fn letters_of_a_life_that_was_left_are_put_back_unless_their_records_come_again() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let builder = || with_letters("memory:requeue-back", &clock, folder.path());
    let seen = Collected::new();
    let (context, feed) = mendable(builder(), false, &seen);
    feed.send(&clock, &["before"]);
    run_to(&context, &clock, 101);
    feed.send(&clock, &["waits"]);
    context
        .create_savepoint("here", Duration::from_secs(60))
        .unwrap();
    run_to(&context, &clock, 102);
    feed.send(&clock, &["since"]);
    run_to(&context, &clock, 103);
    let words = |second| -> Vec<String> {
        let all = &letters(folder.path())[&second];
        all.iter()
            .filter_map(|letter| letter.source_text.clone())
            .collect()
    };
    assert_eq!(words(102), ["waits"]);
    assert_eq!(words(103), ["since"]);
    context.stop(true).unwrap();
    drop((context, feed));

    let back = || builder().from_savepoint("here");
    let (context, feed) = mendable(back(), true, &seen);
    let records = |context: &StreamingContext| -> Vec<u64> {
        let done = context.requeue_dead_letters(None).unwrap();
        let left = &done
            .iter()
            .find(|batch| batch.batch_time.as_millis() == 102_000);
        let (why, count) = left.unwrap().left.iter().next().unwrap();
        assert!(why.contains("savepoint") && *count == 1, "{why}");
        done.iter().map(|batch| batch.records).collect()
    };
    assert_eq!(records(&context), [1, 0, 1]);
    // Killed and started again from the log, then from a checkpoint.
    drop((context, feed));
    let (context, feed) = mendable(back(), true, &seen);
    assert_eq!(records(&context), [0, 0, 0]);
    run_to(&context, &clock, 106);
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, _feed) = mendable(back(), true, &seen);
    assert_eq!(records(&context), [0, 0, 0]);
    run_to(&context, &clock, 108);
    context.stop(true).unwrap();
    let all = seen.filled().concat();
    for word in ["mended before", "mended waits", "mended since"] {
        let times = all.iter().filter(|seen| *seen == word).count();
        assert_eq!(times, 1, "{word} in {all:?}");
    }
}

#[test]
fn letters_find_a_source_and_an_operator_that_were_renamed_since() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let start = |source: &str, operator: &str, is_mended: bool| {
        let context = with_letters("memory:requeue-renamed", &clock, folder.path())
            .rename_operator("lines", "posts")
            .rename_operator("numbers", "parsed")
            .build()
            .unwrap();
        let (feed, fed) = feed();
        let lines = context.receiver_stream_with(source, fed, Default::default());
        let parse = move |word: &str| match word.parse::<i64>() {
            Err(_) if is_mended => Ok(word.to_owned()),
            parsed => parsed.map(|n| n.to_string()),
        };
        let numbers = lines.try_map(parse).uid(operator);
        let seen = Collected::new();
        seen.collect(&numbers.on_error(ErrorPolicy::DeadLetters));
        context.start().unwrap();
        (context, feed, seen)
    };
    let (context, feed, _) = start("lines", "numbers", false);
    feed.send(&clock, &["1", "x", "y"]);
    run_to(&context, &clock, 101);
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, feed, _) = start("posts", "parsed", true);
    let done = context.requeue_dead_letters(None).unwrap();
    assert_eq!((done[0].records, done[0].left.len()), (2, 0), "{done:?}");
    // Killed before they are in a batch, and asked for again.
    drop((context, feed));
    let (context, _feed, seen) = start("posts", "parsed", true);
    let again = context.requeue_dead_letters(None).unwrap();
    assert_eq!((again[0].records, again[0].already.len()), (0, 1));
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), ["x", "y"]);
    context.stop(true).unwrap();
}

#[test]
fn records_that_are_no_text_are_put_back_as_they_were() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let context = with_letters("memory:requeue-bytes", &clock, folder.path())
        .build()
        .unwrap();
    let (numbers, fed) = Numbers::new();
    let stream = context.receiver_stream_with("numbers", fed, Default::default());
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let halves = stream
        .try_map(move |(name, n): &(String, u64)| match n % 2 {
            0 => Ok((name.clone(), n / 2)),
            _ if mended.load(Ordering::SeqCst) => Ok((name.clone(), *n)),
            _ => Err("odd"),
        })
        .on_error(ErrorPolicy::DeadLetters);
    let seen = Collected::new();
    seen.collect(&halves);
    context.start().unwrap();
    numbers.send(("a".to_owned(), 4)).unwrap();
    numbers.send(("b".to_owned(), 7)).unwrap();
    eventually("the numbers come", || {
        clock.advance(SECOND);
        let count: usize = letters(folder.path()).values().map(Vec::len).sum();
        (count == 1).then_some(())
    });
    let found: Vec<DeadLetter> = letters(folder.path()).into_values().flatten().collect();
    assert_eq!(found[0].record, serde_json::json!(["b", 7]));
    assert_eq!(found[0].source_text, None);
    // An array of two: "b" and 7.
    assert_eq!(found[0].source_bytes.as_deref(), Some("92a16207"));
    is_mended.store(true, Ordering::SeqCst);
    assert_eq!(context.requeue_dead_letters(None).unwrap()[0].records, 1);
    eventually("it's put back", || {
        clock.advance(SECOND);
        seen.filled()
            .concat()
            .contains(&("b".to_owned(), 7))
            .then_some(())
    });
    context.stop(false).unwrap();
}

/// A receiver of pairs.
struct Numbers(tokio::sync::mpsc::UnboundedReceiver<(String, u64)>);

impl Numbers {
    fn new() -> (tokio::sync::mpsc::UnboundedSender<(String, u64)>, Self) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (sender, Self(receiver))
    }
}

impl tidemill::receiver::Receiver for Numbers {
    type Record = (String, u64);

    async fn on_start(
        &mut self,
        store: tidemill::receiver::Store<(String, u64)>,
    ) -> Result<(), BoxError> {
        while let Some(pair) = self.0.recv().await {
            store.store(&pair).await?;
        }
        store.stopped().await;
        Ok(())
    }
}
