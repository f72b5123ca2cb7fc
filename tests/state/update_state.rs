//! The tables of the original's BasicOperationsSuite that are about `update_state_by_key`.

use tidemill::Time;
use tidemill::rdd::{Partitioner, Partitioning};

use crate::support::pairs;
use crate::table::{Words, check};

/// A running sum.
fn sum(new: &[u64], held: Option<&u64>) -> Option<u64> {
    Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
}

#[test]
fn sums_run_on_for_every_key_by_every_overload() {
    let table: [(&str, Vec<(String, u64)>); 6] = [
        ("a", pairs(&[("a", 1)])),
        ("a b", pairs(&[("a", 2), ("b", 1)])),
        ("a b c", pairs(&[("a", 3), ("b", 2), ("c", 1)])),
        ("a b", pairs(&[("a", 4), ("b", 3), ("c", 1)])),
        ("a", pairs(&[("a", 5), ("b", 3), ("c", 1)])),
        ("", pairs(&[("a", 5), ("b", 3), ("c", 1)])),
    ];
    let table: Vec<(&str, &[_], &[_])> = table
        .iter()
        .map(|row| (row.0, &row.1[..], &row.1[..]))
        .collect();
    check(&table, |words: &Words| {
        (
            words.update_state_by_key(sum),
            words.update_state_by_key_with(sum, 3, Vec::new()),
        )
    });
    check(&table, |words: &Words| {
        (
            words.update_state_by_key_with_time(
                |_, _, new, held: Option<&u64>| sum(new, held),
                2,
                Vec::new(),
            ),
            words.update_state_by_key_partitions(
                |_, _| |_: &String, new: &[u64], held: Option<&u64>| sum(new, held),
                2,
                Vec::new(),
            ),
        )
    });
}

#[test]
fn it_begins_with_an_initial_state() {
    check(
        &[
            ("a", &pairs(&[("a", 2), ("c", 2)])[..], &[][..] as &[u64]),
            ("a b", &pairs(&[("a", 3), ("b", 1), ("c", 2)]), &[]),
            ("c", &pairs(&[("a", 3), ("b", 1), ("c", 3)]), &[]),
        ],
        |words: &Words| {
            let initial = pairs(&[("a", 1), ("c", 2)]);
            let sums = words.update_state_by_key_with(sum, 2, initial);
            (sums, words.map(|_| 0).filter(|_| false))
        },
    );
}

#[test]
fn keys_live_as_long_as_the_function_gives_them() {
    // A key is dropped in the third batch in a row that hasn't got it.
    type Counted = (u64, u64);
    let held = |keys: &[(&str, Counted)]| -> Vec<(String, Counted)> {
        keys.iter()
            .map(|(key, state)| ((*key).to_owned(), *state))
            .collect()
    };
    check(
        &[
            (
                "a b",
                &held(&[("a", (1, 0)), ("b", (1, 0))])[..],
                &[][..] as &[u64],
            ),
            ("a", &held(&[("a", (2, 0)), ("b", (1, 1))]), &[]),
            ("a", &held(&[("a", (3, 0)), ("b", (1, 2))]), &[]),
            ("", &held(&[("a", (3, 1))]), &[]),
            ("b", &held(&[("a", (3, 2)), ("b", (1, 0))]), &[]),
            ("", &held(&[("b", (1, 1))]), &[]),
        ],
        |words: &Words| {
            let counted = words.update_state_by_key(|new: &[u64], held: Option<&Counted>| {
                let (total, quiet) = held.copied().unwrap_or_default();
                let quiet = if new.is_empty() { quiet + 1 } else { 0 };
                (quiet < 3).then(|| (total + new.len() as u64, quiet))
            });
            (counted, words.map(|_| 0).filter(|_| false))
        },
    );
}

#[test]
fn values_come_in_their_order_and_with_their_time() {
    let held = |keys: &[(&str, &[u64])]| -> Vec<(String, Vec<u64>)> {
        keys.iter()
            .map(|(key, state)| ((*key).to_owned(), state.to_vec()))
            .collect()
    };
    check(
        &[
            (
                "a b a c a",
                &held(&[("a", &[0, 2, 4]), ("b", &[1]), ("c", &[3])])[..],
                &pairs(&[("a", 101), ("b", 101), ("c", 101)])[..],
            ),
            (
                "c a",
                &held(&[("a", &[0, 2, 4, 1]), ("b", &[1]), ("c", &[3, 0])]),
                &pairs(&[("a", 102), ("b", 101), ("c", 102)]),
            ),
        ],
        |words: &Words| {
            let placed = words.repartition(1).map_partitions(|pairs| {
                let numbered = pairs.into_iter().enumerate();
                numbered
                    .map(|(n, (word, _))| (word, n as u64))
                    .collect::<Vec<_>>()
            });
            let orders = placed.update_state_by_key(|new: &[u64], held: Option<&Vec<u64>>| {
                Some([held.map_or(&[][..], Vec::as_slice), new].concat())
            });
            let times = words.update_state_by_key_with_time(
                |time: Time, key: &String, new: &[u64], held: Option<&u64>| {
                    assert!(["a", "b", "c"].contains(&key.as_str()));
                    if new.is_empty() {
                        held.copied()
                    } else {
                        Some(time.as_millis() / 1000)
                    }
                },
                2,
                Vec::new(),
            );
            (orders, times)
        },
    );
}

/// Vowels here, the rest there.
struct Vowels;

impl Partitioner<String> for Vowels {
    fn partitions(&self) -> usize {
        2
    }

    fn partition(&self, key: &String) -> usize {
        usize::from("aeiou".contains(key.as_str()))
    }
}

#[test]
fn a_partitioner_says_which_keys_share_a_function() {
    check(
        &[
            (
                "a b c e d",
                &pairs(&[("a", 1), ("b", 0), ("c", 0), ("d", 0), ("e", 1)])[..],
                &[2, 3][..],
            ),
            (
                "",
                &pairs(&[("a", 1), ("b", 0), ("c", 0), ("d", 0), ("e", 1)]),
                &[2, 3],
            ),
        ],
        |words: &Words| {
            let owners = words.update_state_by_key_partitions(
                |_, partition| move |_: &String, _: &[u64], _: Option<&u64>| Some(partition as u64),
                Partitioning::by(Vowels),
                Vec::new(),
            );
            let sizes = owners.glom().map(Vec::len);
            (owners, sizes)
        },
    );
}
