//! Graphs that can't run: refused at the start, all mistakes at once, each with streams and line.

use std::collections::BTreeSet;
use std::time::Duration;

use super::support::SECOND;
use tidemill::rdd::{Partitioner, Partitioning};
use tidemill::state::{State, StateSpec};
use tidemill::{DStream, StreamingContext};

fn context() -> StreamingContext {
    StreamingContext::builder("mistakes", SECOND)
        .build()
        .unwrap()
}

/// What the start says of a program.
fn refusal(program: impl FnOnce(&StreamingContext, &DStream<(u32, u32)>)) -> String {
    let context = context();
    let (numbers, _queue) = context.queue_stream::<(u32, u32)>();
    let numbers = numbers.map(|pair| *pair).uid("numbers");
    program(&context, &numbers);
    context.start().unwrap_err().to_string()
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} in: {text}");
    }
}

#[test]
fn streams_of_different_slides_do_not_go_together() {
    let line = line!() + 3;
    let text = refusal(|_, numbers| {
        let slow = numbers.window(SECOND * 4, SECOND * 2).uid("slow");
        numbers.join(&slow).print();
        numbers.union(&slow).print();
        numbers.transform_with(&slow, |a, b, _| a.union(b)).print();
    });
    says(
        &text,
        &[
            "`numbers`, which slides by 1s",
            "`slow`, which slides by 2s",
            &format!("mistakes.rs:{line}:"),
            &format!("mistakes.rs:{}:", line + 1),
            &format!("mistakes.rs:{}:", line + 2),
            "numbers.join",
            "numbers.union",
            "numbers.transform_with",
        ],
    );
}

#[test]
fn streams_of_different_contexts_do_not_go_together() {
    let other = StreamingContext::builder("elsewhere", SECOND)
        .build()
        .unwrap();
    let (theirs, _queue) = other.queue_stream::<(u32, u32)>();
    let text = refusal(|context, numbers| {
        numbers.cogroup(&theirs).for_each_rdd(|_, _| ());
        context.union(std::slice::from_ref(&theirs)).print();
    });
    assert_eq!(
        text.matches("a stream of another context (`elsewhere`)")
            .count(),
        2,
        "{text}"
    );
}

struct Nowhere;

impl Partitioner<u32> for Nowhere {
    fn partitions(&self) -> usize {
        0
    }
    fn partition(&self, _: &u32) -> usize {
        0
    }
}

#[test]
fn no_partitions_are_refused_wherever_they_can_be_asked_for() {
    let text = refusal(|_, numbers| {
        numbers.repartition(0).print();
        numbers.group_by_key_with(0).for_each_rdd(|_, _| ());
        numbers.reduce_by_key_with(|a, _| *a, 0).print();
        numbers
            .combine_by_key_with(|v| *v, |a, b| *a += b, |a, b| *a += b, 0)
            .print();
        numbers.count_by_value_with(0).for_each_rdd(|_, _| ());
        numbers.cogroup_with(numbers, 0).for_each_rdd(|_, _| ());
        numbers.join_with(numbers, 0).for_each_rdd(|_, _| ());
        numbers
            .left_outer_join_with(numbers, 0)
            .for_each_rdd(|_, _| ());
        numbers
            .right_outer_join_with(numbers, 0)
            .for_each_rdd(|_, _| ());
        numbers
            .full_outer_join_with(numbers, Partitioning::by(Nowhere))
            .for_each_rdd(|_, _| ());
        let sum = |a: &u32, b: &u32| a + b;
        numbers
            .group_by_key_and_window_with(SECOND, SECOND, 0)
            .for_each_rdd(|_, _| ());
        numbers
            .count_by_value_and_window_with(SECOND, SECOND, 0)
            .for_each_rdd(|_, _| ());
        numbers
            .reduce_by_key_and_window_with(sum, SECOND, SECOND, 0)
            .print();
        numbers
            .reduce_by_key_and_window_inverse_with(sum, |a, b| a - b, SECOND, SECOND, |_| true, 0)
            .print();
    });
    let refused = text
        .lines()
        .filter(|line| line.contains("0 partitions were asked for; expected at least 1"));
    let lines: BTreeSet<&str> = refused
        .filter(|line| line.contains("`numbers"))
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(lines.len(), 14, "{text}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("operators/mistakes.rs:")),
        "{text}"
    );
}

#[test]
fn nothing_can_be_put_together_of_no_streams() {
    let text = refusal(|context, _| {
        context.union::<str>(&[]).print();
        context
            .transform(Vec::<DStream<str>>::new(), |rdds, _| rdds[0].clone())
            .print();
    });
    says(
        &text,
        &[
            "union needs at least one stream",
            "transform needs at least one stream",
        ],
    );
}

/// A way to declare a window of a length and a slide.
type Window = fn(&DStream<(u32, u32)>, Duration, Duration);

/// Every window there is.
const WINDOWS: [(&str, Window); 10] = [
    ("window", |s, length, slide| s.window(length, slide).print()),
    ("count_by_window", |s, length, slide| {
        s.count_by_window(length, slide).print();
    }),
    ("count_by_value_and_window", |s, length, slide| {
        s.count_by_value_and_window(length, slide)
            .for_each_rdd(|_, _| ());
    }),
    ("reduce_by_window", |s, length, slide| {
        s.reduce_by_window(|a, _| *a, length, slide).print();
    }),
    ("reduce_by_window_inverse", |s, length, slide| {
        s.reduce_by_window_inverse(|a, _| *a, |a, _| *a, length, slide)
            .print();
    }),
    ("group_by_key_and_window", |s, length, slide| {
        s.group_by_key_and_window(length, slide)
            .for_each_rdd(|_, _| ());
    }),
    ("reduce_by_key_and_window", |s, length, slide| {
        s.reduce_by_key_and_window(|a, _| *a, length, slide).print();
    }),
    ("reduce_by_key_and_window_with", |s, length, slide| {
        s.reduce_by_key_and_window_with(|a, _| *a, length, slide, 2)
            .print();
    }),
    ("reduce_by_key_and_window_inverse", |s, length, slide| {
        s.reduce_by_key_and_window_inverse(|a, _| *a, |a, _| *a, length, slide, |_| true)
            .print();
    }),
    (
        "reduce_by_key_and_window_inverse_with",
        |s, length, slide| {
            s.reduce_by_key_and_window_inverse_with(
                |a, _| *a,
                |a, _| *a,
                length,
                slide,
                |_| true,
                2,
            )
            .print();
        },
    ),
];

#[test]
fn every_window_names_the_length_or_slide_that_is_no_multiple() {
    let ms = Duration::from_millis;
    for (name, declare) in WINDOWS {
        for (length, slide, wrong) in [
            (SECOND * 3, ms(1500), "slide is 1.5s"),
            (SECOND * 3, Duration::ZERO, "slide is 0ns"),
            (ms(2500), SECOND, "length is 2.5s"),
            (Duration::ZERO, SECOND, "length is 0ns"),
        ] {
            let text = refusal(|_, numbers| declare(numbers, length, slide));
            let told = text.lines().find(|line| line.contains(wrong));
            let told = told.unwrap_or_else(|| panic!("{name}, {wrong}: {text}"));
            says(
                told,
                &[
                    "operators/mistakes.rs:",
                    "`numbers",
                    "positive multiple of the slide of the stream that it reads, 1s",
                ],
            );
        }
        // What slides by two seconds can't be windowed by three.
        let text = refusal(|_, numbers| {
            let slow = numbers.window(SECOND * 2, SECOND * 2).uid("slow");
            declare(&slow, SECOND * 4, SECOND * 3);
        });
        says(&text, &["`slow", "slide is 3s", "that it reads, 2s"]);
        // Right ones are right.
        let context = context();
        let (numbers, _queue) = context.queue_stream::<(u32, u32)>();
        declare(
            &numbers.window(SECOND * 2, SECOND * 2),
            SECOND * 4,
            SECOND * 2,
        );
        context.start().unwrap();
        context.stop(false).unwrap();
    }
}

#[test]
fn every_state_without_a_checkpoint_location_is_named() {
    let first = line!();
    let text = refusal(|_, numbers| {
        let sum =
            |new: &[u32], held: Option<&u32>| Some(held.map_or(0, |held| held + new.len() as u32));
        numbers.update_state_by_key(sum).uid("updated").print();
        numbers
            .update_state_by_key_with(sum, 2, Vec::new())
            .uid("with")
            .print();
        numbers
            .map_with_state(StateSpec::function(keep))
            .uid("mapped")
            .print();
        numbers.checkpoint(None).uid("saved").print();
    });
    let told = |uid: &str| {
        let line = text.lines().find(|line| {
            line.contains(&format!(
                "`{uid}`: a stream with state needs a checkpoint location"
            ))
        });
        let line = line.unwrap_or_else(|| panic!("{uid}: {text}"));
        let (_, place) = line.split_once("operators/mistakes.rs:").unwrap();
        place.split(':').next().unwrap().parse::<u32>().unwrap()
    };
    let lines = ["updated", "with", "mapped", "saved"].map(told);
    assert!(lines.is_sorted_by(|a, b| first < *a && a < b), "{lines:?}");
}

fn keep(_: &u32, value: Option<&u32>, state: &mut State<'_, u32>) -> u32 {
    value.map_or(0, |value| {
        state.update(*value);
        *value
    })
}

#[test]
fn joins_of_different_slides_name_both_streams() {
    type Join = fn(&DStream<(u32, u32)>, &DStream<(u32, u32)>);
    let joins: [Join; 5] = [
        |a, b| a.join(b).for_each_rdd(|_, _| ()),
        |a, b| a.left_outer_join(b).for_each_rdd(|_, _| ()),
        |a, b| a.right_outer_join(b).for_each_rdd(|_, _| ()),
        |a, b| a.full_outer_join(b).for_each_rdd(|_, _| ()),
        |a, b| a.cogroup(b).for_each_rdd(|_, _| ()),
    ];
    for join in joins {
        let text = refusal(|_, numbers| {
            join(numbers, &numbers.window(SECOND * 4, SECOND * 2).uid("slow"));
        });
        says(
            &text,
            &[
                "operators/mistakes.rs:",
                "`numbers`, which slides by 1s",
                "`slow`, which slides by 2s",
            ],
        );
    }
}
