//! How the rate limit paces whoever stores.

use std::sync::Arc;
use std::time::Duration;

use super::testing::Pond;
use crate::clock::ManualClock;
use crate::time::Time;

fn pond(rate: f64) -> (Pond<u64>, ManualClock) {
    let clock = ManualClock::new(Time::from_millis(1000));
    (Pond::on(Arc::new(clock.clone()), Some(rate)), clock)
}

#[tokio::test]
async fn an_iterator_of_any_length_is_stored_piece_by_piece_at_the_rate() {
    let (pond, clock) = pond(1000.0);
    let store = pond.store();
    let all: Vec<u64> = (0..2500).collect();
    let storing = tokio::spawn(async move { store.store_many(&all).await });
    pond.wait_for(1).await;
    for elapsed in 1..=24 {
        clock.advance(Duration::from_millis(100));
        pond.wait_for(elapsed * 100).await;
        let stored = pond.records();
        // The token to begin with, and one that is begun.
        assert!(
            stored <= elapsed * 100 + 2,
            "{stored} after {elapsed} tenths of a second"
        );
    }
    clock.advance(Duration::from_millis(200));
    storing.await.unwrap().unwrap();
    assert_eq!(pond.drain().await, (0..2500).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_rate_that_changes_counts_from_then_on() {
    let (pond, clock) = pond(1000.0);
    let (limit, store) = (pond.limit().unwrap(), pond.store());
    limit.set_rate(10.0);
    let storing = tokio::spawn(async move { store.store_many(&vec![7; 600]).await });
    pond.wait_for(1).await;
    clock.advance(Duration::from_secs(1));
    pond.wait_for(10).await;
    assert!(pond.records() <= 12, "{}", pond.records());
    limit.set_rate(500.0);
    assert_eq!(pond.store().rate_limit(), Some(500.0));
    clock.advance(Duration::from_secs(1));
    pond.wait_for(510).await;
    assert!(pond.records() <= 513, "{}", pond.records());
    limit.set_rate(1e9);
    assert_eq!(
        pond.store().rate_limit(),
        Some(1000.0),
        "the set limit stays above it"
    );
    clock.advance(Duration::from_secs(1));
    storing.await.unwrap().unwrap();
    assert_eq!(pond.drain().await.len(), 600);
}

#[tokio::test]
async fn who_waits_for_the_rate_is_told_when_the_stream_ends() {
    let (pond, _clock) = pond(1.0);
    let store = pond.store();
    let storing = tokio::spawn(async move { store.store_many(&[1, 2, 3, 4, 5]).await });
    pond.wait_for(1).await;
    let stored = pond.drain().await;
    let error = storing.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("the test ends"), "{error}");
    assert!(stored.len() <= 2, "{stored:?}");
}
