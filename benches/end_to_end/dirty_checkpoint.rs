//! Checkpoints of a million changed keys: do the batches around them hold their interval?

use std::time::Duration;

use tidemill::StreamingContext;
use tidemill::rdd::BoxError;
use tidemill::receiver::{Receiver, Store};
use tidemill::scheduler::BatchInfo;
use tidemill::sink::Discard;

use crate::report::{Report, mean};
use crate::watch::Watch;
use crate::word_count::Run;

const KEYS: u64 = 1_000_000;
/// All keys are gone through once between two checkpoints.
const CHECKPOINT: Duration = Duration::from_secs(10);
const BATCH: Duration = Duration::from_secs(1);
/// Pieces in which the keys come.
const PIECE: u64 = 10_000;

/// Every key in turn, all of them once a checkpoint interval.
struct Turning;

impl Receiver for Turning {
    type Record = u64;

    async fn on_start(&mut self, store: Store<u64>) -> Result<(), BoxError> {
        let pieces = KEYS / PIECE;
        let mut ticks = tokio::time::interval(CHECKPOINT / u32::try_from(pieces)?);
        for piece in (0..pieces).cycle() {
            ticks.tick().await;
            let keys: Vec<u64> = (piece * PIECE..(piece + 1) * PIECE).collect();
            store.store_many(&keys).await?;
        }
        Ok(())
    }
}

/// From the batch's tick to its end, in milliseconds.
fn total(info: &BatchInfo) -> f64 {
    info.total_delay().unwrap_or_default() as f64
}

pub fn figure(with: Run<'_>) {
    let turns = if with.short { 3 } else { 6 };
    let context = StreamingContext::builder("dirty", BATCH)
        .checkpoint(format!(
            "sled:{}",
            with.dir.join("dirty/checkpoint").display()
        ))
        .checkpoint_interval(CHECKPOINT)
        .build()
        .unwrap();
    context
        .receiver_stream(Turning)
        .map(|key| (format!("key-{key:09}"), 1_u64))
        .update_state_by_key(|new: &[u64], total: Option<&u64>| {
            Some(total.copied().unwrap_or_default() + new.iter().sum::<u64>())
        })
        .uid("totals")
        .sink(Discard);
    let watch = Watch::of(&context);
    context.start().unwrap();
    std::thread::sleep(CHECKPOINT * turns + BATCH * 3);
    let checkpoints = context.checkpoint_history();
    let keys = context
        .state_sizes()
        .iter()
        .map(|state| state.keys)
        .sum::<u64>();
    context.stop(false).unwrap();
    assert_eq!(keys, KEYS, "some keys never came");
    // The first holds what came before all keys were there.
    let full: Vec<_> = checkpoints
        .iter()
        .filter(|info| info.new_bytes > KEYS * 8)
        .collect();
    let is_beside = |info: &BatchInfo| {
        full.iter().any(|checkpoint| {
            let cut = checkpoint.created;
            let written = cut.plus(Duration::from_millis(checkpoint.duration));
            info.batch_time.plus(BATCH) >= cut && info.batch_time <= written
        })
    };
    // The first turn makes the keys, the others change them.
    let batches = watch.batches();
    let steady = batches.iter().skip((CHECKPOINT.as_secs() + 1) as usize);
    let (beside, others): (Vec<_>, Vec<_>) = steady.partition(|info| is_beside(info));
    let times =
        |infos: &[&BatchInfo]| -> Vec<f64> { infos.iter().map(|info| total(info)).collect() };
    let (beside, others) = (times(&beside), times(&others));
    let largest = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    let durations: Vec<f64> = full.iter().map(|info| info.duration as f64).collect();
    Report::new("checkpoint_1m_dirty_keys")
        .number("checkpoints", full.len() as f64)
        .number("checkpoint_ms_mean", mean(&durations))
        .number(
            "new_bytes",
            full.first().map_or(0.0, |info| info.new_bytes as f64),
        )
        .number("batch_ms_beside_mean", mean(&beside))
        .number("batch_ms_beside_max", largest(&beside))
        .number("batch_ms_others_mean", mean(&others))
        .number("batch_ms_others_max", largest(&others))
        .number(
            "batches_over_interval",
            beside
                .iter()
                .chain(&others)
                .filter(|ms| **ms > 1_000.0)
                .count() as f64,
        )
        .number("goal_batches_over_interval", 0.0)
        .print();
}
