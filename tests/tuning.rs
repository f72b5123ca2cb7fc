//! Tuning a context of one's own: what holds afterwards, what is refused, and that it is all or nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use tidemill::{OperatorUid, StreamingContext};

fn context() -> StreamingContext {
    let context = StreamingContext::builder("tuned", Duration::from_millis(50))
        .receiver_max_rate(1000.0)
        .build()
        .unwrap();
    let (lines, _queue) = context.queue_stream::<str>();
    lines.for_each_rdd(|_, _| ());
    context
}

#[test]
fn what_is_tuned_holds_and_survives_nothing_else() {
    let context = context();
    context.start().unwrap();
    let before = context.tuning();
    let mut tuning = before.clone();
    tuning.stop_timeout = Duration::from_secs(3);
    tuning.max_failures = 9;
    tuning.retry_delay = Duration::from_millis(7);
    tuning.disk_reserve = 0;
    tuning.backpressure_initial_rate = Some(5.0);
    context.tune(&tuning).unwrap();
    assert_eq!(context.tuning(), tuning);
    assert_ne!(tuning, before);
    // An interval below the batch's is the batch's.
    tuning.checkpoint_interval = Duration::from_millis(1);
    context.tune(&tuning).unwrap();
    let held = context.tuning().checkpoint_interval;
    assert_eq!(held, Duration::from_millis(50));
    context.stop(false).unwrap();
}

#[test]
fn a_mistake_or_the_wrong_moment_changes_nothing() {
    let context = context();
    let tuning = context.tuning();
    let refused = context.tune(&tuning).unwrap_err().to_string();
    assert!(
        refused.contains("only while the context is active"),
        "{refused}"
    );
    context.start().unwrap();
    let before = context.tuning();
    let uid = OperatorUid::new("nobody");
    for (wrong, told) in [
        (
            {
                let mut tuning = before.clone();
                tuning.max_rates.insert(uid.clone(), None);
                tuning
            },
            "there is no receiver `nobody`",
        ),
        (
            {
                let mut tuning = before.clone();
                tuning.backpressure_initial_rate = Some(f64::NAN);
                tuning
            },
            "backpressure_initial_rate is NaN",
        ),
        (
            {
                let mut tuning = before.clone();
                tuning.backpressure_pid.min_rate = 0.0;
                tuning
            },
            "min_rate is 0",
        ),
    ] {
        let mut wrong = wrong;
        wrong.stop_timeout = Duration::from_secs(1);
        let refused = context.tune(&wrong).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
        assert_eq!(context.tuning(), before);
    }
    context.stop(false).unwrap();
    assert!(context.tune(&before).is_err());
}
