//! How far behind each input is, and what a crash would lose, on a clock that is moved by hand.

use std::time::Duration;

use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::{DurableAfter, SourceLag, StreamingContext};

use crate::support::{builder, clock_at, eventually};

/// Stores a line and doesn't wait until it is durable.
struct OneLine;

impl Receiver for OneLine {
    type Record = str;

    async fn on_start(&mut self, store: Store<str>) -> Result<(), BoxError> {
        store.store("a line").await?;
        store.stopped().await;
        Ok(())
    }
}

fn lag(context: &StreamingContext) -> SourceLag {
    context.lags().remove(0)
}

#[test]
fn a_record_that_nobody_waits_for_is_at_risk_until_it_is_in_a_log() {
    let (clock, folder) = (clock_at(100), tempfile::tempdir().unwrap());
    let url = format!("file:{}/checkpoint", folder.path().display());
    let context = builder(&url, &clock).build().unwrap();
    context
        .receiver_stream_with("lines", OneLine, Default::default())
        .print();
    context.start().unwrap();
    // The clock stands, so its block isn't cut.
    let taken = eventually("the line is taken", || lag(&context).at_risk_since);
    assert_eq!(Some(taken), context.now());
    assert_eq!(lag(&context).oldest, Some(taken));
    assert_eq!(lag(&context).durable_after, DurableAfter::Sync);
    // Past the block interval, and not to the next batch.
    eventually("its block is cut and durable", || {
        clock.advance(Duration::from_millis(1));
        let lag = lag(&context);
        (lag.records == Some(1) && lag.at_risk_since.is_none()).then_some(())
    });
    let logged = lag(&context);
    assert_eq!(logged.bytes, Some(6));
    assert!(logged.oldest > Some(taken));
    eventually("its batch is complete", || {
        clock.advance(Duration::from_millis(10));
        (lag(&context).oldest.is_none()).then_some(())
    });
    assert_eq!(lag(&context).records, Some(0));
    context.stop(true).unwrap();
}

#[test]
fn without_a_log_a_record_is_at_risk_until_its_batch_is_complete() {
    let clock = clock_at(100);
    let context = builder("memory:", &clock)
        .receiver_write_ahead_log(false)
        .build()
        .unwrap();
    context
        .receiver_stream_with("lines", OneLine, Default::default())
        .print();
    context.start().unwrap();
    eventually("its block is cut and known", || {
        clock.advance(Duration::from_millis(1));
        let lag = lag(&context);
        (lag.records == Some(1) && lag.at_risk_since == lag.oldest).then_some(())
    });
    let known = lag(&context);
    assert_eq!(known.durable_after, DurableAfter::Processing);
    assert!(known.at_risk_since.is_some());
    assert_eq!(known.at_risk_since, known.oldest);
    eventually("its batch is complete", || {
        clock.advance(Duration::from_millis(10));
        (lag(&context).at_risk_since.is_none()).then_some(())
    });
    context.stop(true).unwrap();
}
