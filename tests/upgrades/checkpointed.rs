//! `checkpoint` added to a stream and removed from it.

use std::collections::BTreeMap;

use tidemill::clock::ManualClock;
use tidemill::{Change, DStream, StreamingContext};

use crate::support::{Collected, Feed, SECOND, builder, clock_at, pairs, run_to};
use crate::{add, counts};

type Counts = DStream<(String, u64)>;

/// A window of three seconds behind `between`.
fn program(
    url: &str,
    clock: &ManualClock,
    between: impl Fn(Counts) -> Counts,
) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder(url, clock).build().unwrap();
    let (feed, counts) = counts(&context, "lines");
    let seen = Collected::new();
    let window = between(counts).window(SECOND * 3, SECOND).uid("window");
    seen.collect(&window.reduce_by_key(|a, b| a + b));
    (context, feed, seen)
}

fn saved(stream: Counts) -> Counts {
    stream.checkpoint(SECOND).uid("saved")
}

#[test]
fn what_can_be_made_of_the_inputs_again_needs_no_permission() {
    let (url, clock) = ("memory:upgrade-checkpointed", clock_at(100));
    let mut second = 100;
    // Added and removed again: the windows are whole all the time.
    for (is_saved, change) in [
        (false, None),
        (true, Some(Change::New)),
        (false, Some(Change::Drop)),
        (false, None),
    ] {
        let (context, feed, seen) = match is_saved {
            true => program(url, &clock, saved),
            false => program(url, &clock, |counts| counts),
        };
        let plan = context.upgrade_plan().unwrap();
        assert!(plan.as_ref().is_none_or(|plan| plan.is_possible()));
        let planned = plan.and_then(|plan| plan.operator("saved").cloned());
        assert_eq!(planned.as_ref().map(|plan| plan.change), change);
        if change == Some(Change::Drop) {
            let notes = &planned.unwrap().notes;
            assert!(notes[0].contains("computed again"), "{notes:?}");
        }
        context.start().unwrap();
        for _ in 0..2 {
            second += 1;
            feed.send(&clock, &["a"]);
            run_to(&context, &clock, second);
            assert_eq!(seen.at(second), pairs(&[("a", (second - 100).min(3))]));
        }
        drop((context, feed));
    }
}

#[test]
fn over_a_state_what_was_before_cannot_be_made_again() {
    let (url, clock) = ("memory:upgrade-checkpointed-state", clock_at(100));
    let totals = |counts: Counts| counts.update_state_by_key(add).uid("totals");
    let first = || {
        let context = builder(url, &clock).build().unwrap();
        let (feed, counts) = counts(&context, "lines");
        let seen = Collected::new();
        seen.collect(&totals(counts));
        (context, feed, seen)
    };
    let (context, feed, _) = first();
    context.start().unwrap();
    for second in [101, 102] {
        feed.send(&clock, &["a"]);
        run_to(&context, &clock, second);
    }
    context.stop(true).unwrap();
    drop((context, feed));
    // The window fills up, through another restart as well.
    let mut since: BTreeMap<u64, u64> = BTreeMap::new();
    for seconds in [[104, 105], [106, 107]] {
        let context = builder(url, &clock).build().unwrap();
        let (feed, counts) = counts(&context, "lines");
        let totals = totals(counts);
        let (all, windows) = (Collected::new(), Collected::new());
        all.collect(&totals);
        let window = saved(totals).window(SECOND * 3, SECOND);
        windows.collect(&window.reduce_by_key(|a, b| a + b));
        context.start().unwrap();
        for second in seconds {
            feed.send(&clock, &["a"]);
            run_to(&context, &clock, second);
        }
        since.extend(all.seconds().iter().map(|at| (*at, all.at(*at)[0].1)));
        for second in windows.seconds() {
            let sum: u64 = since
                .range(second - 2..=second)
                .map(|(_, total)| total)
                .sum();
            assert_eq!(windows.at(second), pairs(&[("a", sum)]), "at {second}");
        }
        assert_eq!(windows.seconds().last(), Some(&seconds[1]));
        drop((context, feed));
    }
    // Without it the window is refused; with neither, the total goes on.
    let (context, _feed, _) = program(url, &clock, totals);
    let error = context.start().unwrap_err().to_string();
    assert!(error.contains("can't be rebuilt"), "{error}");
    let (context, _feed, seen) = first();
    context.start().unwrap();
    run_to(&context, &clock, 108);
    assert_eq!(seen.at(108), pairs(&[("a", 6)]));
    context.stop(false).unwrap();
}
