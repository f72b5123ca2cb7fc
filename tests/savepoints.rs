//! Going back to a savepoint: what is as it was then, what of the life since is kept, and that it is done once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::time::Duration;

use support::{Collected, builder, clock_at, pairs, run_to, totals, wait_for_checkpoint};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn state_and_waiting_data_are_as_they_were_and_what_was_never_processed_is_kept() {
    for store in ["memory", "file", "sled"] {
        let folder = tempfile::tempdir().unwrap();
        let url = match store {
            "memory" => "memory:savepoint".to_owned(),
            store => format!("{store}:{}", folder.path().join("checkpoint").display()),
        };
        let clock = clock_at(100);
        // Small segments, so that the logs don't reach back to the savepoint for long.
        let small = || builder(&url, &clock).segment_bytes(1024);
        let (context, feed, seen) = totals(small());
        context.start().unwrap();
        feed.send(&clock, &["a", "a"]);
        run_to(&context, &clock, 101);
        assert_eq!(seen.at(101), pairs(&[("a", 2)]));
        // In the savepoint, but in no batch yet.
        feed.send(&clock, &["waits"]);
        let made = context.create_savepoint("here", LIMIT).unwrap();
        assert_eq!(made.name.as_deref(), Some("here"));
        for name in ["here", "", "no/name"] {
            assert!(context.create_savepoint(name, LIMIT).is_err(), "{name}");
        }
        for second in 102..112 {
            let long = "b".repeat(500);
            feed.send(&clock, &["a", &long]);
            run_to(&context, &clock, second);
        }
        let long = "b".repeat(500);
        let later = pairs(&[("a", 12), (&long, 10), ("waits", 1)]);
        assert_eq!(seen.at(111), later);
        wait_for_checkpoint(&context, 111);
        // Acknowledged, and in no batch when the old life ends.
        feed.send(&clock, &["never"]);
        context.stop(false).unwrap();
        drop((context, feed));

        let wrong = totals(small().from_savepoint("nowhere"))
            .0
            .start()
            .unwrap_err();
        assert!(wrong.to_string().contains("there are here"), "{wrong}");

        let (context, feed, seen) = totals(small().from_savepoint("here"));
        context.start().unwrap();
        run_to(&context, &clock, 113);
        let back = pairs(&[("a", 2), ("never", 1), ("waits", 1)]);
        assert_eq!(seen.at(113), back, "{store}");
        assert!(
            seen.seconds().iter().all(|second| *second > 111),
            "{:?}: no time comes twice",
            seen.seconds()
        );
        context.stop(false).unwrap();
        drop((context, feed));

        // With the same settings it goes on.
        let (context, feed, seen) = totals(small().from_savepoint("here"));
        context.start().unwrap();
        feed.send(&clock, &["a"]);
        run_to(&context, &clock, 115);
        assert_eq!(seen.at(115), pairs(&[("a", 3), ("never", 1), ("waits", 1)]));
        context.stop(true).unwrap();
        drop((context, feed));

        // Once without it, and with it again: back once more.
        let (context, feed, _) = totals(small());
        context.start().unwrap();
        run_to(&context, &clock, 117);
        context.stop(true).unwrap();
        drop((context, feed));
        let (context, feed, seen) = totals(small().from_savepoint("here"));
        context.start().unwrap();
        run_to(&context, &clock, 119);
        assert_eq!(seen.at(119), pairs(&[("a", 2), ("waits", 1)]), "{store}");
        for second in 120..123 {
            run_to(&context, &clock, second);
        }
        context.forget_savepoint("here").unwrap();
        assert!(context.forget_savepoint("here").is_err());
        context.stop(true).unwrap();
        drop((context, feed));
        // Forgotten, and named by settings that nobody changed: it goes on.
        let (context, _feed, seen) = totals(small().from_savepoint("here"));
        context.start().unwrap();
        run_to(&context, &clock, 124);
        assert_eq!(seen.at(124), pairs(&[("a", 2), ("waits", 1)]));
        context.stop(true).unwrap();
    }
}

#[test]
fn a_changed_program_goes_back_as_planned() {
    let (url, clock) = ("memory:savepoint-changed", clock_at(100));
    let (context, feed, _) = totals(builder(url, &clock));
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    run_to(&context, &clock, 101);
    context.create_savepoint("before", LIMIT).unwrap();
    context.stop(true).unwrap();
    drop((context, feed));
    let changed = || {
        let context = builder(url, &clock)
            .from_savepoint("before")
            .rename_operator("totals", "sums")
            .build()
            .unwrap();
        let (feed, fed) = support::feed();
        let lines = context.receiver_stream_with("lines", fed, Default::default());
        let sums = lines
            .count_by_value()
            .update_state_by_key(|new: &[u64], sum: Option<&i64>| {
                Some(sum.copied().unwrap_or_default() - new.len() as i64)
            })
            .uid("sums")
            .state_version(2)
            .migrate_state(1, |old: u64| old as i64 * 100);
        let seen = Collected::new();
        seen.collect(&sums);
        (context, feed, seen)
    };
    for (last, expected) in [(104, 99), (108, 98)] {
        let (context, feed, seen) = changed();
        context.start().unwrap();
        feed.send(&clock, &["a"]);
        run_to(&context, &clock, last);
        assert_eq!(seen.at(last), [("a".to_owned(), expected)]);
        context.stop(true).unwrap();
    }
}
