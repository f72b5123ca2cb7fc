//! Operators renamed, given up and migrated.

use serde::{Deserialize, Serialize};
use tidemill::clock::ManualClock;
use tidemill::{Builder, Change, DStream, Error, StreamingContext, UpgradePlan};

use crate::support::{Collected, Feed, builder, clock_at, pairs, run_to};
use crate::{add, counts};

/// A program of one running total.
fn totals(
    builder: Builder,
    input: &str,
    uid: &str,
) -> (StreamingContext, Feed, Collected<(String, u64)>) {
    let context = builder.build().unwrap();
    let (feed, counts) = counts(&context, input);
    let seen = Collected::new();
    seen.collect(&counts.update_state_by_key(add).uid(uid));
    (context, feed, seen)
}

/// Runs `totals` at 100 and 101 and leaves `a: 2` behind, and `b` received in no batch.
fn first_life(url: &str) -> ManualClock {
    let clock = clock_at(100);
    let (context, feed, seen) = totals(builder(url, &clock), "lines", "totals");
    context.start().unwrap();
    feed.send(&clock, &["a", "a"]);
    run_to(&context, &clock, 101);
    assert_eq!(seen.at(101), pairs(&[("a", 2)]));
    feed.send(&clock, &["b"]);
    context.stop(false).unwrap();
    clock
}

fn refusal(context: &StreamingContext) -> String {
    let error = context.start().unwrap_err();
    assert!(matches!(error, Error::Incompatible { .. }), "{error}");
    error.to_string()
}

fn plan(context: &StreamingContext) -> UpgradePlan {
    context.upgrade_plan().unwrap().unwrap()
}

#[test]
fn renamed_operators_and_inputs_take_state_and_waiting_data_with_them() {
    let url = "memory:upgrade-rename";
    let clock = first_life(url);
    let renamed = || {
        builder(url, &clock)
            .rename_operator("totals", "sums")
            .rename_operator("lines", "posts")
    };
    let (context, _feed, _) = totals(builder(url, &clock), "lines", "sums");
    let message = refusal(&context);
    for part in [
        "`totals`",
        "1 entries",
        "if it is `sums` now",
        "drop = [\"totals\"]",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let (context, _feed, seen) = totals(renamed(), "posts", "sums");
    let planned = plan(&context);
    assert!(planned.is_possible());
    let sums = planned.operator("sums").unwrap();
    assert_eq!(
        (sums.change, sums.state.unwrap().entries),
        (Change::Keep, 1)
    );
    assert_eq!(sums.renamed_from.as_ref().unwrap().as_str(), "totals");
    context.start().unwrap();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), pairs(&[("a", 2), ("b", 1)]));
    context.stop(true).unwrap();
    drop(context);
    // The renames stay, and change nothing more.
    let (context, feed, seen) = totals(renamed(), "posts", "sums");
    assert_eq!(plan(&context).operator("sums").unwrap().renamed_from, None);
    context.start().unwrap();
    feed.send(&clock, &["b"]);
    run_to(&context, &clock, 105);
    assert_eq!(seen.at(105), pairs(&[("a", 2), ("b", 2)]));
    context.stop(true).unwrap();
}

#[test]
fn a_rename_that_cannot_be_meant_is_refused() {
    let url = "memory:upgrade-rename-wrong";
    let clock = first_life(url);
    for (new, uid, part) in [
        ("sums", "others", "which the program doesn't declare"),
        ("lines", "totals", "still declares"),
    ] {
        let builder = builder(url, &clock).rename_operator("totals", new);
        let (context, _feed, _) = totals(builder, "lines", uid);
        let message = refusal(&context);
        assert!(message.contains(part), "{part}: {message}");
    }
    let onto_another = builder(url, &clock).rename_operator("totals", "lines.count_by_value");
    let (context, _feed, _) = totals(onto_another, "lines", "others");
    assert!(refusal(&context).contains("holds something under that name, too"));
    // What the checkpoint doesn't know isn't renamed.
    let harmless = builder(url, &clock).rename_operator("never", "was");
    let (context, _feed, seen) = totals(harmless, "lines", "totals");
    context.start().unwrap();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), pairs(&[("a", 2), ("b", 1)]));
    context.stop(false).unwrap();
}

#[test]
fn state_is_given_up_by_name_only_and_kept_where_it_can_be() {
    let url = "memory:upgrade-drop";
    let clock = first_life(url);
    let (context, _feed, _) = totals(builder(url, &clock).drop_state("totals"), "lines", "totals");
    let kept = plan(&context);
    assert_eq!(kept.operator("totals").unwrap().change, Change::Keep);
    let (context, _feed, seen) =
        totals(builder(url, &clock).drop_state("totals"), "lines", "others");
    let dropped = plan(&context);
    assert_eq!(dropped.operator("totals").unwrap().change, Change::Drop);
    assert_eq!(dropped.operator("others").unwrap().change, Change::New);
    context.start().unwrap();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), pairs(&[("b", 1)]));
    context.stop(true).unwrap();
}

#[test]
fn data_that_only_the_log_knows_of_keeps_its_input_from_being_removed() {
    let (url, clock) = ("memory:upgrade-log-only", clock_at(100));
    let (context, feed, _) = totals(builder(url, &clock), "lines", "totals");
    context.start().unwrap();
    // Acknowledged after the last checkpoint.
    feed.send(&clock, &["a"]);
    context.stop(false).unwrap();
    drop((context, feed));
    let (context, _feed, _) = totals(builder(url, &clock), "posts", "totals");
    let message = refusal(&context);
    assert!(message.contains("`lines`: 1 received records"), "{message}");
    drop(context);
    let (context, _feed, seen) = totals(builder(url, &clock), "lines", "totals");
    context.start().unwrap();
    run_to(&context, &clock, 102);
    assert_eq!(seen.last().unwrap(), pairs(&[("a", 1)]));
    context.stop(false).unwrap();
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Total {
    sum: u64,
    batches: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Signed {
    sum: i64,
    #[serde(default)]
    note: String,
}

fn add_total(new: &[u64], total: Option<&Total>) -> Option<Total> {
    let (sum, batches) = total.map_or((0, 0), |total| (total.sum, total.batches));
    Some(Total {
        sum: sum + new.iter().sum::<u64>(),
        batches: batches + 1,
    })
}

/// What is said of the stream of totals.
type Shape = dyn Fn(DStream<(String, Total)>) -> DStream<(String, Total)>;

#[test]
fn a_changed_type_needs_a_migration_and_then_goes_on() {
    let url = "memory:upgrade-migrate";
    let clock = first_life(url);
    let declare = |shape: &Shape| {
        let context = builder(url, &clock).build().unwrap();
        let (feed, counts) = counts(&context, "lines");
        let stream = counts.update_state_by_key(add_total).uid("totals");
        let seen = Collected::new();
        seen.collect(&shape(stream));
        (context, feed, seen)
    };
    // Without a version it is tried, and refused with what to do.
    let (context, _feed, _) = declare(&|stream| stream);
    let error = context.start().unwrap_err().to_string();
    for part in [
        "`totals`",
        "`u64`",
        "Total`",
        ".migrate_state",
        ".state_version",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    // With a version and no step: refused by the plan.
    let (context, _feed, _) = declare(&|stream| stream.state_version(2));
    let message = refusal(&context);
    assert!(
        message.contains("no migration is registered from 1 to 2"),
        "{message}"
    );
    let migrated = |stream: DStream<(String, Total)>| {
        stream
            .state_version(2)
            .migrate_state(1, |sum: u64| Total { sum, batches: 7 })
    };
    let (context, _feed, seen) = declare(&migrated);
    assert_eq!(
        plan(&context).operator("totals").unwrap().change,
        Change::Migrate
    );
    context.start().unwrap();
    run_to(&context, &clock, 102);
    let total = |sum, batches| Total { sum, batches };
    assert_eq!(seen.at(102)[0], ("a".to_owned(), total(2, 8)));
    context.stop(true).unwrap();
    drop(context);
    // The checkpoint is in the new form: the old program can't go back, and the chain goes on from there.
    let (context, _feed, _) = totals(builder(url, &clock), "lines", "totals");
    assert!(refusal(&context).contains("there is no way back"));
    drop(context);
    let context = builder(url, &clock).build().unwrap();
    let (_feed, counts) = counts(&context, "lines");
    let signed = counts
        .update_state_by_key(|new: &[u64], total: Option<&Signed>| {
            let sum = total.map_or(0, |total| total.sum) - new.len() as i64;
            Some(Signed {
                sum,
                note: String::new(),
            })
        })
        .uid("totals")
        .state_version(3)
        .migrate_state(1, |sum: u64| Total { sum, batches: 0 })
        .migrate_state(2, |total: Total| Signed {
            sum: total.sum as i64,
            note: String::new(),
        });
    let seen = Collected::new();
    seen.collect(&signed);
    context.start().unwrap();
    run_to(&context, &clock, 106);
    assert_eq!(seen.last().unwrap()[0].1.sum, 2);
    context.stop(true).unwrap();
}

#[test]
fn keys_are_migrated_and_never_merged() {
    for merge in [false, true] {
        let url = format!("memory:upgrade-keys-{merge}");
        let clock = clock_at(100);
        let (context, feed, _) = totals(builder(&url, &clock), "lines", "totals");
        context.start().unwrap();
        feed.send(&clock, &["3", "4", "4"]);
        run_to(&context, &clock, 101);
        context.stop(true).unwrap();
        drop(context);
        let context = builder(&url, &clock).build().unwrap();
        let (_feed, counts) = counts(&context, "lines");
        let by_number = counts.map(|(key, count)| (key.parse::<u64>().unwrap(), *count));
        let seen = Collected::new();
        seen.collect(
            &by_number
                .update_state_by_key(add)
                .uid("totals")
                .state_version(2)
                .migrate_keys(1, move |old: String| {
                    if merge {
                        0
                    } else {
                        old.parse::<u64>().unwrap()
                    }
                }),
        );
        if merge {
            let error = context.start().unwrap_err().to_string();
            assert!(error.contains("1 of 2 states would be lost"), "{error}");
            continue;
        }
        context.start().unwrap();
        run_to(&context, &clock, 103);
        assert_eq!(seen.at(103), [(3, 1), (4, 2)]);
        context.stop(true).unwrap();
    }
}

#[test]
fn migrations_that_do_not_fit_are_mistakes_with_their_line() {
    let clock = clock_at(100);
    let context = builder("memory:upgrade-mistakes", &clock).build().unwrap();
    let (_feed, counts) = counts(&context, "lines");
    counts
        .clone()
        .state_version(2)
        .update_state_by_key(add)
        .state_version(2)
        .migrate_state(1, |old: u8| i64::from(old))
        .migrate_state(1, |old: u8| u64::from(old))
        .migrate_state(2, |old: u64| old)
        .print();
    let Err(Error::Mistakes(mistakes)) = context.start() else {
        panic!("it started")
    };
    let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for part in [
        "state_version makes sense only directly on an operator that keeps state",
        "gives `i64`, and the program holds `u64`",
        "there are two migrations from version 1",
        "migrate_state from version 2, but the state's version is 2",
        "operators.rs",
    ] {
        assert!(all.contains(part), "{part} isn't in:\n{all}");
    }
}

#[test]
fn a_migration_that_panics_fails_the_start_and_leaves_the_checkpoint() {
    let url = "memory:upgrade-panic";
    let clock = first_life(url);
    let context = builder(url, &clock).build().unwrap();
    let (_feed, stream) = counts(&context, "lines");
    stream
        .update_state_by_key(add_total)
        .uid("totals")
        .state_version(2)
        .migrate_state(1, |_: u64| -> Total { panic!("not this one") })
        .map_values(|total| total.sum)
        .print();
    let error = context.start().unwrap_err().to_string();
    assert!(
        error.contains("not this one") && error.contains("totals"),
        "{error}"
    );
    drop(context);
    let (context, _feed, seen) = totals(builder(url, &clock), "lines", "totals");
    context.start().unwrap();
    run_to(&context, &clock, 103);
    assert_eq!(seen.at(103), pairs(&[("a", 2), ("b", 1)]));
    context.stop(false).unwrap();
}
