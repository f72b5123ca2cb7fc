//! Windows whose types, length or slide changed.

use serde::{Deserialize, Serialize};
use tidemill::clock::ManualClock;
use tidemill::{Change, DStream, StreamingContext};

use crate::counts;
use crate::support::{Collected, Feed, SECOND, builder, clock_at, pairs, run_to};

type Counts = DStream<(String, u64)>;

fn program(
    url: &str,
    clock: &ManualClock,
    window: impl Fn(&Counts) -> Counts,
) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder(url, clock).build().unwrap();
    let (feed, counts) = counts(&context, "lines");
    let seen = Collected::new();
    seen.collect(&window(&counts));
    (context, feed, seen)
}

/// Runs a program over batches at 101 to 105 of which each holds its number's last digit and `a`, and is killed.
fn first_life(url: &str, window: impl Fn(&Counts) -> Counts) -> ManualClock {
    let clock = clock_at(100);
    let (context, feed, _) = program(url, &clock, window);
    context.start().unwrap();
    for second in 101..=105 {
        feed.send(&clock, &["a", &(second % 10).to_string()]);
        run_to(&context, &clock, second);
    }
    context.stop(false).unwrap();
    clock
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Total {
    sum: u64,
}

/// The key gets a prefix and the value becomes a struct.
fn migrated(counts: &Counts, inverse: bool, merges: bool) -> Counts {
    let totals = counts.map(|(key, n)| (format!("key {key}"), Total { sum: *n }));
    let add = |a: &Total, b: &Total| Total { sum: a.sum + b.sum };
    let subtract = |a: &Total, b: &Total| Total { sum: a.sum - b.sum };
    let (length, slide) = (SECOND * 3, SECOND);
    let window = match inverse {
        true => {
            let keep = |(_, total): &(String, Total)| total.sum > 0;
            totals.reduce_by_key_and_window_inverse(add, subtract, length, slide, keep)
        }
        false => totals.reduce_by_key_and_window(add, length, slide),
    };
    window
        .uid("window")
        .state_version(2)
        .migrate_state(1, |sum: u64| Total { sum })
        .migrate_keys(1, move |key: String| match merges {
            true => "key".to_owned(),
            false => format!("key {key}"),
        })
        .map_values(|total| total.sum)
}

fn sums(counts: &Counts, inverse: bool, length: u32, slide: u32) -> Counts {
    let (length, slide) = (SECOND * length, SECOND * slide);
    match inverse {
        true => counts.reduce_by_key_and_window_inverse(
            |a, b| a + b,
            |a, b| a - b,
            length,
            slide,
            |(_, n)| *n > 0,
        ),
        false => counts.reduce_by_key_and_window(|a, b| a + b, length, slide),
    }
    .uid("window")
}

#[test]
fn types_of_a_window_are_migrated_with_what_it_holds() {
    for inverse in [false, true] {
        let url = format!("memory:upgrade-window-types-{inverse}");
        let clock = first_life(&url, |counts| sums(counts, inverse, 3, 1));
        let (context, _feed, _) = program(&url, &clock, |counts| migrated(counts, inverse, true));
        let error = context.start().unwrap_err().to_string();
        assert!(error.contains("states would be lost"), "{error}");
        drop(context);
        // Twice: from what the first program wrote, and from what the second one did.
        for (second, change) in [(106, Change::Migrate), (107, Change::Keep)] {
            let (context, feed, seen) =
                program(&url, &clock, |counts| migrated(counts, inverse, false));
            let plan = context.upgrade_plan().unwrap().unwrap();
            assert_eq!(plan.operator("window").unwrap().change, change);
            context.start().unwrap();
            feed.send(&clock, &["a"]);
            run_to(&context, &clock, second);
            let expected = match second {
                106 => pairs(&[("key 4", 1), ("key 5", 1), ("key a", 3)]),
                _ => pairs(&[("key 5", 1), ("key a", 3)]),
            };
            assert_eq!(seen.at(second), expected, "inverse: {inverse}");
            drop((context, feed));
        }
        // There is no way back.
        let (context, _feed, _) = program(&url, &clock, |counts| sums(counts, inverse, 3, 1));
        let error = context.start().unwrap_err().to_string();
        assert!(error.contains("there is no way back"), "{error}");
    }
}

#[test]
fn a_window_goes_on_with_another_length_or_slide_where_its_parts_can_be_put_together() {
    // The old shape, the new one, when its next window ends, and what is in it: `None` when it's refused.
    let digits = |digits: &str| {
        let digits = digits.chars().map(|digit| (digit.to_string(), 1));
        Some(digits.collect::<Vec<_>>())
    };
    for (number, (before, after, second, expected, note)) in [
        (
            (4, 1),
            (2, 1),
            106,
            digits("5"),
            "what is older than that leaves",
        ),
        ((2, 1), (4, 1), 106, digits("45"), "less than 2000 ms after"),
        (
            (4, 1),
            (4, 2),
            106,
            digits("345"),
            "its slide was 1000 ms and is 2000 ms",
        ),
        (
            (5, 1),
            (4, 4),
            108,
            digits("5"),
            "are put together to those of 4000 ms",
        ),
        (
            (4, 2),
            (6, 2),
            106,
            digits("345"),
            "its length was 4000 ms and is 6000 ms",
        ),
        (
            (4, 2),
            (3, 1),
            106,
            None,
            "put together and not taken apart",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        for inverse in [false, true] {
            let url = format!("memory:upgrade-window-shape-{number}-{inverse}");
            let clock = first_life(&url, |counts| sums(counts, inverse, before.0, before.1));
            let (context, _feed, seen) = program(&url, &clock, |counts| {
                sums(counts, inverse, after.0, after.1)
            });
            let plan = context.upgrade_plan().unwrap().unwrap();
            let window = plan.operator("window").unwrap();
            let notes = window.notes.join("; ");
            assert!(notes.contains(note), "{before:?} to {after:?}: {notes}");
            let Some(expected) = &expected else {
                assert_eq!(window.change, Change::Refuse);
                assert!(context.start().is_err());
                continue;
            };
            assert_eq!(window.change, Change::Keep);
            context.start().unwrap();
            run_to(&context, &clock, second);
            let found = seen.at(second).into_iter();
            let found: Vec<_> = found.filter(|(key, _)| key != "a").collect();
            assert_eq!(
                found, *expected,
                "{before:?} to {after:?}, inverse: {inverse}"
            );
            context.stop(false).unwrap();
        }
    }
}
