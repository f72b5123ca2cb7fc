//! What must not be done: refused at the start with the caller's line, or a failed task that names it.

use std::time::Duration;

use tidemill::state::{State, StateSpec};
use tidemill::{Error, StreamingContext};

use crate::support::{SECOND, builder, clock_at, eventually, feed};

fn nothing(_: &String, _: Option<&u64>, _: &mut State<'_, u64>) -> u64 {
    0
}

fn words(context: &StreamingContext) -> crate::table::Words {
    context.queue_stream::<(String, u64)>().0
}

#[test]
fn states_without_partitions_or_with_no_time_to_live_are_mistakes() {
    let context = builder("memory:state-mistakes", &clock_at(1))
        .build()
        .unwrap();
    let words = words(&context);
    let spec = || StateSpec::function(nothing);
    let line = line!() + 1;
    words.map_with_state(spec().num_partitions(0)).print();
    words.map_with_state(spec().timeout(Duration::ZERO)).print();
    words
        .update_state_by_key_with(|_, held: Option<&u64>| held.copied(), 0, Vec::new())
        .print();
    let error = context.start().unwrap_err();
    let Error::Mistakes(mistakes) = &error else {
        panic!("{error}");
    };
    assert_eq!(mistakes.len(), 3, "{error}");
    assert_eq!(mistakes[0].caller.line(), line);
    assert_eq!(mistakes[1].caller.line(), line + 1);
    for (mistake, expected) in mistakes.iter().zip(["partition", "1 ms", "partition"]) {
        assert!(mistake.caller.file().ends_with("refused.rs"), "{mistake}");
        assert!(mistake.message.contains(expected), "{mistake}");
    }
}

#[test]
fn a_state_needs_a_checkpoint_location() {
    let context = StreamingContext::builder("none", SECOND).build().unwrap();
    words(&context)
        .map_with_state(StateSpec::function(nothing))
        .print();
    let error = context.start().unwrap_err().to_string();
    assert!(error.contains("needs a checkpoint location"), "{error}");
}

#[test]
fn what_a_function_must_not_do_fails_its_batch_and_names_the_line() {
    let clock = clock_at(100);
    let context = builder("memory:state-misuse", &clock)
        .max_failures(2)
        .build()
        .unwrap();
    let (feed, fed) = feed();
    let words = context
        .receiver_stream_with("words", fed, Default::default())
        .map(|word| (word.to_owned(), 1));
    words
        .map_with_state(StateSpec::function(
            |_: &String, _: Option<&u64>, state: &mut State<'_, u64>| {
                state.remove();
                state.update(1);
            },
        ))
        .for_each_rdd(|rdd, _| rdd.collect().map(|_| ()));
    context.start().unwrap();
    feed.send(&clock, &["a"]);
    clock.advance(SECOND);
    let error = eventually("the batch fails", || {
        context
            .await_termination_or_timeout(Duration::from_millis(10))
            .err()
    });
    let error = error.to_string();
    assert!(error.contains("refused.rs:"), "{error}");
    assert!(
        error.contains("can't be updated after it was removed"),
        "{error}"
    );
    context.stop(false).ok();
}
