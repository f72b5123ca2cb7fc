//! Graphs that can't run: refused at the start, all mistakes at once, each with streams and line.

use std::collections::BTreeSet;

use super::support::SECOND;
use tidemill::rdd::{Partitioner, Partitioning};
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
    });
    let refused = text
        .lines()
        .filter(|line| line.contains("0 partitions were asked for; expected at least 1"));
    let lines: BTreeSet<&str> = refused
        .filter(|line| line.contains("`numbers`"))
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(lines.len(), 10, "{text}");
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
