use futures_util::FutureExt;

use super::*;
use crate::clock::ManualClock;

fn bucket(max_rate: Option<f64>, rate: Option<f64>) -> (TokenBucket, ManualClock) {
    let clock = ManualClock::new(Time::from_millis(0));
    let bucket = TokenBucket::new(max_rate, rate, Arc::new(clock.clone()));
    (bucket, clock)
}

#[test]
fn the_rate_holds_on_average_and_bursts_are_bounded() {
    let (bucket, clock) = bucket(Some(100.0), None);
    assert_eq!(bucket.delay(), Duration::ZERO);
    bucket.take(201);
    assert_eq!(bucket.delay(), Duration::from_secs(2));
    clock.advance(Duration::from_secs(2));
    assert!(bucket.delay() <= Duration::from_millis(1));
    clock.advance(Duration::from_secs(3600));
    assert_eq!(bucket.delay(), Duration::ZERO);
    bucket.take(150);
    assert_eq!(bucket.delay(), Duration::from_millis(500));
}

#[test]
fn without_a_rate_everything_passes_until_there_is_one() {
    let (bucket, clock) = bucket(None, None);
    assert_eq!(bucket.rate(), None);
    assert_eq!(bucket.admit(1_000_000), Ok(()));
    assert_eq!(bucket.admit(1_000_000), Ok(()));
    assert_eq!(bucket.room().now_or_never(), Some(u64::MAX));
    bucket.set_rate(10.0);
    // What passed freely is no debt.
    assert_eq!(bucket.admit(11), Ok(()));
    assert_eq!(bucket.admit(1), Err(Duration::from_secs(1)));
    clock.advance(Duration::from_millis(1500));
    assert_eq!(bucket.room().now_or_never(), Some(5));
}

#[test]
fn no_rate_goes_above_the_limit() {
    let (first, _) = bucket(Some(50.0), Some(200.0));
    assert_eq!(first.rate(), Some(50.0));
    first.set_rate(20.0);
    assert_eq!(first.rate(), Some(20.0));
    first.set_rate(1e9);
    assert_eq!(first.rate(), Some(50.0));
    let (below, _) = bucket(Some(50.0), Some(5.0));
    assert_eq!(below.rate(), Some(5.0));
}

#[test]
fn what_is_no_rate_changes_nothing() {
    let (bucket, _) = bucket(None, Some(7.0));
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        bucket.set_rate(rate);
        assert_eq!(bucket.rate(), Some(7.0));
    }
}

#[test]
fn debt_outlives_a_change_and_is_paid_at_the_new_rate_from_then_on() {
    let (bucket, clock) = bucket(None, Some(10.0));
    bucket.take(101);
    assert_eq!(bucket.delay(), Duration::from_secs(10));
    clock.advance(Duration::from_secs(5));
    bucket.set_rate(100.0);
    assert_eq!(bucket.delay(), Duration::from_millis(500));
}

#[test]
fn savings_shrink_with_the_rate() {
    let (bucket, clock) = bucket(None, Some(1000.0));
    clock.advance(Duration::from_secs(1));
    bucket.set_rate(10.0);
    assert_eq!(bucket.room().now_or_never(), Some(10));
}

#[tokio::test]
async fn who_waits_long_is_woken_by_a_higher_rate() {
    let (bucket, clock) = bucket(None, Some(1.0));
    bucket.take(1001);
    let mut waiting = Box::pin(bucket.room());
    assert_eq!(waiting.as_mut().now_or_never(), None);
    bucket.set_rate(1_000_000.0);
    assert_eq!(waiting.as_mut().now_or_never(), None, "1000 are owed");
    clock.advance(Duration::from_millis(2));
    assert_eq!(waiting.await, 1000);
}

/// Over any times and sizes: what was let in is at most the rate's worth, one burst and one request.
#[test]
fn over_any_history_no_more_passes_than_the_rate_allows() {
    use proptest::prelude::*;
    let steps = prop::collection::vec((0u64..3000, 1u64..500), 1..200);
    proptest!(|(rate in 1.0f64..1000.0, steps in steps)| {
        let (bucket, clock) = bucket(Some(rate), None);
        let (mut passed, mut elapsed) = (0, 0);
        for (wait, records) in steps {
            clock.advance(Duration::from_millis(wait));
            elapsed += wait;
            if bucket.admit(records).is_ok() {
                passed += records;
                let most = rate * elapsed as f64 / 1000.0 + burst(rate) + 500.0;
                prop_assert!(passed as f64 <= most, "{passed} of {most}");
            }
        }
    });
}

#[test]
fn the_limit_may_come_go_and_change_while_it_runs() {
    let (bucket, clock) = bucket(None, None);
    assert_eq!(bucket.max_rate(), None);
    bucket.take(1_000_000);
    bucket.set_max_rate(Some(10.0));
    assert_eq!((bucket.rate(), bucket.max_rate()), (Some(10.0), Some(10.0)));
    // What passed freely is no debt.
    assert_eq!(bucket.admit(31), Ok(()));
    assert_eq!(bucket.admit(1), Err(Duration::from_secs(3)));
    // The debt stays, at another rate.
    bucket.set_max_rate(Some(30.0));
    assert_eq!(bucket.admit(1), Err(Duration::from_secs(1)));
    bucket.set_max_rate(None);
    assert_eq!(bucket.rate(), None);
    assert_eq!(bucket.admit(1_000_000), Ok(()));
    // A rate that was wanted meanwhile holds again when the limit lets it.
    bucket.set_rate(50.0);
    bucket.set_max_rate(Some(20.0));
    assert_eq!(bucket.rate(), Some(20.0));
    bucket.set_max_rate(None);
    assert_eq!(bucket.rate(), Some(50.0));
    bucket.unset_rate();
    assert_eq!(bucket.rate(), None);
    for no_rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        bucket.set_max_rate(Some(no_rate));
        assert_eq!(bucket.rate(), None, "{no_rate}");
    }
    drop(clock);
}

#[tokio::test]
async fn who_waits_goes_on_when_the_limit_goes() {
    let (bucket, _clock) = bucket(Some(1.0), None);
    bucket.take(3600);
    let mut waits = Box::pin(bucket.room());
    assert_eq!((&mut waits).now_or_never(), None);
    bucket.set_max_rate(None);
    assert_eq!(waits.await, u64::MAX);
}
