//! What is planned for a savepoint, or for a life that went on under other names, is what a start does.

use std::time::Duration;

use tidemill::clock::ManualClock;
use tidemill::{Builder, StreamingContext};

use crate::support::{Collected, Feed, builder, clock_at, pairs, run_to};
use crate::{add, counts};

/// An input, renames, whether the savepoint is gone back to, and what is wrong.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    bool,
    Option<&'static str>,
);

const LIMIT: Duration = Duration::from_secs(60);

fn totals(builder: Builder, input: &str) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder.build().unwrap();
    let (feed, counts) = counts(&context, input);
    let seen = Collected::new();
    seen.collect(&counts.update_state_by_key(add).uid("totals"));
    (context, feed, seen)
}

/// A savepoint of `a: 1` from a program with the input `lines`; since then `posts` took its place, and what came
/// there last waits.
fn a_life_after_a_savepoint(url: &str) -> ManualClock {
    let clock = clock_at(100);
    let (context, feed, _) = totals(builder(url, &clock), "lines");
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    run_to(&context, &clock, 101);
    context.create_savepoint("before", LIMIT).unwrap();
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, feed, _) = totals(
        builder(url, &clock).rename_operator("lines", "posts"),
        "posts",
    );
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    run_to(&context, &clock, 103);
    context.stop(true).unwrap();
    drop((context, feed));
    let (context, feed, _) = totals(builder(url, &clock), "posts");
    context.start().unwrap();
    feed.send(&clock, &["never"]);
    drop((context, feed));
    clock
}

/// What a look says, without a change.
fn refusals(context: &StreamingContext) -> Vec<String> {
    let rehearsal = context.rehearse(0).unwrap();
    let refusals = rehearsal.plan.refusals.iter();
    refusals.map(ToString::to_string).collect()
}

#[test]
fn a_plan_for_a_savepoint_knows_what_came_since() {
    let url = "memory:upgrade-since";
    let clock = a_life_after_a_savepoint(url);
    let cases: [Case; 5] = [
        // The savepoint knows nothing of `posts`, and the life since has data that waits there.
        ("lines", &[], true, Some("`posts`: 1 received records wait")),
        (
            "others",
            &[("lines", "others")],
            true,
            Some("`posts`: 1 received records wait"),
        ),
        (
            "lines",
            &[],
            false,
            Some("`posts`: 1 received records wait"),
        ),
        // The newest checkpoint may be from before the rename or after it: the log is under both names.
        ("posts", &[("lines", "posts")], false, None),
        ("lines", &[("posts", "lines")], true, None),
    ];
    for (input, renames, is_back, wrong) in cases {
        let program = || {
            let mut builder = builder(url, &clock);
            for (old, new) in renames {
                builder = builder.rename_operator(old, new);
            }
            if is_back {
                builder = builder.from_savepoint("before");
            }
            totals(builder, input)
        };
        let (context, _feed, _) = program();
        let told = refusals(&context);
        drop(context);
        let (context, _feed, seen) = program();
        let started = context.start();
        let case = format!("{input}, {renames:?}, back: {is_back}");
        match wrong {
            Some(wrong) => {
                let error = started.unwrap_err().to_string();
                assert!(error.contains(wrong), "{case}: {error}");
                assert!(
                    told.len() == 1 && told[0].contains(wrong),
                    "{case}: {told:?}"
                );
                assert!(error.contains(&told[0]), "{case}: {error}");
            }
            None => {
                started.unwrap();
                assert!(told.is_empty(), "{case}: {told:?}");
                if is_back {
                    run_to(&context, &clock, 110);
                    assert_eq!(seen.at(110), pairs(&[("a", 1), ("never", 1)]), "{case}");
                }
                // Nothing more is cut: what waits does so for the next case.
            }
        }
        drop(context);
    }
    // That life is gone on with, and so says the plan.
    let again = || {
        let builder = builder(url, &clock).rename_operator("posts", "lines");
        totals(builder.from_savepoint("before"), "lines")
    };
    let (context, _feed, _) = again();
    let rehearsal = context.rehearse(0).unwrap();
    assert!(rehearsal.plan.is_possible());
    assert!(rehearsal.plan.operator("totals").is_some());
    let gone_on_with = rehearsal.plan.checkpoint;
    drop(context);
    let (context, feed, seen) = again();
    let planned = context.upgrade_plan().unwrap().unwrap();
    assert_eq!(planned.checkpoint, gone_on_with);
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    run_to(&context, &clock, 112);
    assert_eq!(seen.at(112), pairs(&[("a", 2), ("never", 1)]));
    context.stop(true).unwrap();
}
