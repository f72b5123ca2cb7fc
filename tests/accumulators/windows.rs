//! Additions by functions of windows, and by what is computed again because it was kept and let go.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tidemill::rdd::StorageLevel;
use tidemill::{DStream, LongAccumulator, StreamingContext};

use crate::support::SECOND;
use crate::support::cases::cases;
use crate::support::model::{Batches, Moment, Plan, batches, check_built, plans};

/// What functions of the program fail at, the first time.
type Failing = Arc<Mutex<HashSet<String>>>;

fn first_time(failing: Option<&Failing>, what: String) {
    if let Some(failing) = failing {
        assert!(!failing.lock().unwrap().insert(what), "the first time");
    }
}

fn by_word(lines: &DStream<str>) -> DStream<(String, u64)> {
    lines.flat_map::<(String, u64)>(|line, out| {
        let words = line.split_whitespace();
        words.for_each(|word| out.emit_owned((word.to_owned(), 1)));
    })
}

/// Calls of the functions of both windows over a run: to combine, to take away, to keep.
fn calls(
    batches: &Batches,
    plan: &Plan,
    length: usize,
    fails: bool,
) -> Result<[i64; 3], TestCaseError> {
    let failing = fails.then(Failing::default);
    let handles: Mutex<Option<[LongAccumulator; 3]>> = Mutex::default();
    let window = SECOND * length as u32;
    let program = |context: &StreamingContext, lines: &DStream<str>| {
        let all = ["combined", "taken away", "kept"].map(|name| context.long_accumulator(name));
        *handles.lock().unwrap() = Some(all.clone());
        let combine = |name: &'static str| {
            let (to, fails) = (all[0].clone(), failing.clone());
            move |a: &u64, b: &u64| {
                to.add(1);
                first_time(fails.as_ref(), format!("{name}: {a} and {b}"));
                a + b
            }
        };
        let (to, fails) = (all[1].clone(), failing.clone());
        let take_away = move |a: &u64, b: &u64| {
            to.add(1);
            first_time(fails.as_ref(), format!("{a} without {b}"));
            a - b
        };
        let (to, fails) = (all[2].clone(), failing.clone());
        let keep = move |(word, count): &(String, u64)| {
            to.add(1);
            first_time(fails.as_ref(), format!("keep {word} {count}"));
            *count > 0
        };
        let words = by_word(lines);
        // One key: which of several has its turn when follows their hashes, which differ from run to run.
        let all = words.map(|(_, one)| ("all words".to_owned(), *one));
        let there = all.reduce_by_key_and_window(combine("suffixes"), window, SECOND);
        let back = words.reduce_by_key_and_window_inverse(
            combine("inverse"),
            take_away,
            window,
            SECOND,
            keep,
        );
        there.union(&back)
    };
    let model = |n: usize| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let first = (n + 1).saturating_sub(length);
        for line in batches[first..=n].iter().flatten() {
            let words = line.split_whitespace();
            words.for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
        }
        let all = counts.values().sum::<u64>();
        let all = (all > 0).then(|| ("all words".to_owned(), all));
        Some(all.into_iter().chain(counts).collect())
    };
    check_built(batches, plan, |builder| builder, program, model)?;
    let calls = handles.lock().unwrap().clone().unwrap();
    Ok(calls.map(|calls| calls.value()))
}

/// Nothing of an empty pane is in a checkpoint; a key's turn that came with it isn't taken again.
#[test]
fn a_restart_behind_empty_batches_repeats_no_turn() {
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
    let batches = vec![
        lines(&["b b a"]),
        lines(&[" a é", "é b", " c"]),
        Vec::new(),
        Vec::new(),
        lines(&["", "b a"]),
    ];
    let plan = |kills: &[(usize, Moment)]| Plan {
        kills: kills.to_vec(),
        checkpoint_every: 1,
        on_disk: true,
        state_memory: None,
    };
    let expected = calls(&batches, &plan(&[]), 4, false).unwrap();
    for number in 1..5 {
        let killed = plan(&[(number, Moment::Before)]);
        let counted = calls(&batches, &killed, 4, false).unwrap();
        assert_eq!(counted, expected, "killed before batch {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(10)))]

    /// However often the program dies, each call that took effect counts once: a run without any of it counts
    /// the same, and so does one whose functions fail.
    #[test]
    fn functions_of_windows_count_each_batch_once(batches in batches(), plan in plans(), length in 1usize..5) {
        let smooth = Plan { kills: Vec::new(), ..plan.clone() };
        let expected = calls(&batches, &smooth, length, false)?;
        prop_assert_eq!(calls(&batches, &plan, length, false)?, expected, "with kills");
        prop_assert_eq!(calls(&batches, &smooth, length, true)?, expected, "with failures");
        prop_assert_eq!(calls(&batches, &plan, length, true)?, expected, "with both");
    }

    /// Kept partitions are let go, computed again by the windows of later batches, and by restarts.
    #[test]
    fn what_is_computed_again_counts_once(
        batches in batches(), plan in plans(), room in prop_oneof![Just(0u64), Just(200), Just(u64::MAX)],
        level in prop_oneof![Just(StorageLevel::MEMORY_ONLY), Just(StorageLevel::MEMORY_AND_DISK), Just(StorageLevel::NONE)],
    ) {
        let scratch = tempfile::tempdir().unwrap();
        let counted: Mutex<Option<LongAccumulator>> = Mutex::default();
        let program = |context: &StreamingContext, lines: &DStream<str>| {
            let total = context.long_accumulator("lines");
            *counted.lock().unwrap() = Some(total.clone());
            let kept = lines.map(move |line| {
                total.add(1);
                line.len() as u64
            }).persist_with(level);
            // Read by two windows and by an output that sees only its beginning.
            kept.for_each_rdd(|rdd, _| rdd.take(1).map(drop));
            kept.window(SECOND * 2, SECOND).for_each_rdd(|rdd, _| rdd.count().map(drop));
            kept.window(SECOND * 3, SECOND)
        };
        check_built(&batches, &plan,
            |builder| builder.scratch(scratch.path()).cached_memory(room),
            program,
            |n| Some(batches[n.saturating_sub(2)..=n].iter().flatten().map(|line| line.len() as u64).collect()))?;
        let lines: usize = batches.iter().map(Vec::len).sum();
        prop_assert_eq!(counted.lock().unwrap().clone().unwrap().value(), lines as i64);
    }
}
