//! The tables of the original's MapWithStateSuite.

use tidemill::Time;
use tidemill::state::{State, StateSpec};

use crate::support::{SECOND, pairs};
use crate::table::{Words, check};

/// A key's running count, as most of the tables have it.
fn count(_key: &String, value: Option<&u64>, state: &mut State<'_, u64>) -> u64 {
    let sum = value.copied().unwrap_or_default() + state.get_option().copied().unwrap_or_default();
    state.update(sum);
    sum
}

#[test]
fn counts_run_on_for_touched_keys_and_snapshots_hold_all() {
    check(
        &[
            ("", &[], &[][..]),
            ("a", &[1], &pairs(&[("a", 1)])),
            ("a b", &[1, 2], &pairs(&[("a", 2), ("b", 1)])),
            ("a b c", &[1, 2, 3], &pairs(&[("a", 3), ("b", 2), ("c", 1)])),
            ("a b", &[3, 4], &pairs(&[("a", 4), ("b", 3), ("c", 1)])),
            ("a", &[5], &pairs(&[("a", 5), ("b", 3), ("c", 1)])),
            ("", &[], &pairs(&[("a", 5), ("b", 3), ("c", 1)])),
        ],
        |words: &Words| {
            let counts = words.map_with_state(StateSpec::function(count));
            (counts.clone().into(), counts.state_snapshots())
        },
    );
}

#[test]
fn a_key_that_comes_twice_sees_what_it_left() {
    check(
        &[
            ("a a a b", &[1, 1, 2, 3], &pairs(&[("a", 3), ("b", 1)])),
            ("b a b", &[2, 3, 4], &pairs(&[("a", 4), ("b", 3)])),
        ],
        |words: &Words| {
            let counts = words.map_with_state(StateSpec::function(count).num_partitions(1));
            (counts.clone().into(), counts.state_snapshots())
        },
    );
}

#[test]
fn it_begins_with_an_initial_state() {
    check(
        &[
            ("", &[], &pairs(&[("a", 5), ("b", 10), ("c", 20)])),
            ("a", &[6], &pairs(&[("a", 6), ("b", 10), ("c", 20)])),
            (
                "a d",
                &[1, 7],
                &pairs(&[("a", 7), ("b", 10), ("c", 20), ("d", 1)]),
            ),
        ],
        |words: &Words| {
            let initial = pairs(&[("a", 5), ("b", 10), ("c", 20)]);
            let counts = words.map_with_state(
                StateSpec::function(count)
                    .initial_state(initial)
                    .num_partitions(3),
            );
            (counts.clone().into(), counts.state_snapshots())
        },
    );
}

#[test]
fn a_function_may_yield_nothing_and_knows_its_time() {
    check(
        &[
            ("a", &[("a".to_owned(), 101)], &pairs(&[("a", 101)])),
            ("a", &[], &pairs(&[("a", 101)])),
            (
                "b a",
                &[("b".to_owned(), 103)],
                &pairs(&[("a", 101), ("b", 103)]),
            ),
        ],
        |words: &Words| {
            let first = words.map_with_state(StateSpec::function_with_time(
                |time: Time, key: &String, _: Option<&u64>, state: &mut State<'_, u64>| {
                    if state.exists() {
                        return None;
                    }
                    state.update(time.as_millis() / 1000);
                    Some((key.clone(), *state.get()))
                },
            ));
            (first.clone().into(), first.state_snapshots())
        },
    );
}

#[test]
fn keys_are_removed_and_come_again() {
    let strings =
        |keys: &[&str]| -> Vec<String> { keys.iter().map(|key| (*key).to_owned()).collect() };
    check(
        &[
            ("", &strings(&[]), &strings(&[])),
            ("a", &strings(&[]), &strings(&["a"])),
            ("a b", &strings(&["a"]), &strings(&["b"])),
            ("a b c", &strings(&["b"]), &strings(&["a", "c"])),
            ("a b c", &strings(&["a", "c"]), &strings(&["b"])),
            ("a b", &strings(&["b"]), &strings(&["a"])),
            ("a", &strings(&["a"]), &strings(&[])),
            ("a a", &strings(&["a"]), &strings(&[])),
            ("a a a", &strings(&["a"]), &strings(&["a"])),
            ("", &strings(&[]), &strings(&["a"])),
        ],
        |words: &Words| {
            let turned = words.map_with_state(StateSpec::function_with_time(
                |_, key: &String, _: Option<&u64>, state: &mut State<'_, bool>| {
                    if state.exists() {
                        state.remove();
                        return Some(key.clone());
                    }
                    state.update(true);
                    None
                },
            ));
            let held = turned.state_snapshots().map(|(key, _)| key.clone());
            (turned.into(), held)
        },
    );
}

#[test]
fn keys_time_out_when_nothing_touched_them() {
    // A key is gone in the first batch that is more than two seconds after the last that touched it.
    type Row<'a> = (&'a str, Vec<(String, u64, bool)>, Vec<(String, u64)>);
    let row = |key: &str, n: u64, leaves: bool| (key.to_owned(), n, leaves);
    let table: [Row<'_>; 9] = [
        (
            "a b c",
            vec![row("a", 1, false), row("b", 1, false), row("c", 1, false)],
            pairs(&[("a", 1), ("b", 1), ("c", 1)]),
        ),
        (
            "a b",
            vec![row("a", 2, false), row("b", 2, false)],
            pairs(&[("a", 2), ("b", 2), ("c", 1)]),
        ),
        (
            "a",
            vec![row("a", 3, false)],
            pairs(&[("a", 3), ("b", 2), ("c", 1)]),
        ),
        ("", vec![row("c", 1, true)], pairs(&[("a", 3), ("b", 2)])),
        // It comes in the batch in which it would go: it stays.
        ("b", vec![row("b", 3, false)], pairs(&[("a", 3), ("b", 3)])),
        (
            "c",
            vec![row("a", 3, true), row("c", 1, false)],
            pairs(&[("b", 3), ("c", 1)]),
        ),
        ("", vec![], pairs(&[("b", 3), ("c", 1)])),
        ("", vec![row("b", 3, true)], pairs(&[("c", 1)])),
        ("", vec![row("c", 1, true)], pairs(&[])),
    ];
    let table: Vec<(&str, &[_], &[_])> = table
        .iter()
        .map(|row| (row.0, &row.1[..], &row.2[..]))
        .collect();
    check(&table, |words: &Words| {
        let counts = words.map_with_state(
            StateSpec::function(
                |key: &String, value: Option<&u64>, state: &mut State<'_, u64>| {
                    if state.is_timing_out() {
                        assert_eq!(value, None);
                        return (key.clone(), *state.get(), true);
                    }
                    let now = state.get_option().copied().unwrap_or_default() + 1;
                    state.update(now);
                    (key.clone(), now, false)
                },
            )
            .timeout(SECOND * 2),
        );
        (counts.clone().into(), counts.state_snapshots())
    });
}

#[test]
fn to_be_touched_is_to_stay_even_without_an_update() {
    check(
        &[
            ("a", &pairs(&[("a", 1)])[..], &pairs(&[("a", 1)])),
            ("a", &pairs(&[("a", 1)]), &pairs(&[("a", 1)])),
            ("a", &pairs(&[("a", 1)]), &pairs(&[("a", 1)])),
            ("a", &pairs(&[("a", 1)]), &pairs(&[("a", 1)])),
            ("", &[], &pairs(&[("a", 1)])),
            ("", &pairs(&[("a", 0)]), &[]),
        ],
        |words: &Words| {
            let seen = words.map_with_state(
                StateSpec::function(
                    |key: &String, value: Option<&u64>, state: &mut State<'_, u64>| {
                        if !state.exists() {
                            state.update(1);
                        }
                        (key.clone(), value.copied().unwrap_or_default())
                    },
                )
                .timeout(SECOND),
            );
            (seen.clone().into(), seen.state_snapshots())
        },
    );
}

#[test]
fn an_initial_state_times_out_as_if_the_first_batch_had_touched_it() {
    check(
        &[
            ("", &[], &pairs(&[("a", 7), ("b", 8)])),
            ("b", &pairs(&[("b", 8)])[..], &pairs(&[("a", 7), ("b", 8)])),
            ("", &pairs(&[("a", 7)]), &pairs(&[("b", 8)])),
            ("", &pairs(&[("b", 8)]), &[]),
        ],
        |words: &Words| {
            let seen = words.map_with_state(
                StateSpec::function(
                    |key: &String, _: Option<&u64>, state: &mut State<'_, u64>| {
                        (key.clone(), *state.get())
                    },
                )
                .initial_state(pairs(&[("a", 7), ("b", 8)]))
                .timeout(SECOND),
            );
            (seen.clone().into(), seen.state_snapshots())
        },
    );
}
