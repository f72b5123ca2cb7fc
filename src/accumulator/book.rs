//! [`AccumulatorBook`]: the accumulators of a program, and where checkpoints hold them.
//!
//! All of them are one series of a checkpoint, [`SERIES`]. A key is the name and the number of a piece; most
//! accumulators have one piece, a collection one for each of its elements, so that a checkpoint's cost
//! follows what was added. What belongs to a name that the program doesn't declare stays where it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_checkpoint::{ChunkBuilder, PartitionChanges, Series};

use super::{Accumulable, Accumulator, AnyAccumulator, Changes};
use crate::effects::Effects;
use crate::messagepack;
use crate::rdd::BoxError;
use crate::state::{ChunkSource, PendingChanges, STATE_FORMAT, check_format};

/// The name of the series in checkpoints. No operator is called so: uids hold no slash of their own making.
pub(crate) const SERIES: &str = "tidemill/accumulators";

/// The accumulators of one program.
#[derive(Default)]
pub(crate) struct AccumulatorBook {
    declared: Mutex<Vec<Arc<dyn AnyAccumulator>>>,
    /// Whether checkpoints hold the series.
    is_held: AtomicBool,
}

impl AccumulatorBook {
    /// Declares an accumulator; an error says why it can't be known to checkpoints.
    pub(crate) fn declare<A: Accumulable>(
        &self,
        name: &str,
        initial: A,
    ) -> (Accumulator<A>, Result<(), String>) {
        let accumulator = Accumulator::new(name, initial);
        let mut declared = self.declared();
        if name.is_empty() {
            return (
                accumulator,
                Err("an accumulator needs a name: checkpoints hold it by that".to_owned()),
            );
        }
        if declared.iter().any(|other| other.name() == name) {
            let taken = "there is another accumulator of this name; checkpoints hold them by name, so \
                         give one of them another, or clone the handle of the first";
            return (accumulator, Err(taken.to_owned()));
        }
        declared.push(accumulator.0.clone());
        self.is_held.store(true, Ordering::Relaxed);
        (accumulator, Ok(()))
    }

    /// Adds what a batch left.
    pub(crate) fn take_in(&self, effects: &mut Effects) {
        for accumulator in self.declared().iter() {
            accumulator.take_in(effects);
        }
    }

    /// Each name with the value, as it's shown.
    pub(crate) fn show(&self) -> Vec<(String, serde_json::Value)> {
        let show = |accumulator: &Arc<dyn AnyAccumulator>| {
            (accumulator.name().to_owned(), accumulator.show())
        };
        self.declared().iter().map(show).collect()
    }

    /// Becomes what a checkpoint holds.
    pub(crate) fn restore(
        &self,
        series: &Series,
        chunks: &ChunkSource<'_>,
    ) -> Result<(), BoxError> {
        check_format(series, STATE_FORMAT, "they are")?;
        self.is_held.store(true, Ordering::Relaxed);
        let mut held = read(series, chunks)?;
        for accumulator in self.declared().iter() {
            let Some(pieces) = held.remove(accumulator.name()) else {
                continue;
            };
            let pieces: Vec<Vec<u8>> = pieces.into_values().collect();
            accumulator.restore(&pieces).map_err(|error| {
                format!(
                    "`{}` can't be read as the program declares it: {error}; its type changed: give the \
                     new one another name, and the old value stays",
                    accumulator.name()
                )
            })?;
        }
        for name in held.keys() {
            tracing::warn!(
                accumulator = name,
                "the checkpoint holds an accumulator that the program doesn't declare; its value stays there"
            );
        }
        Ok(())
    }

    /// What is to go into the next checkpoint; `None` when no checkpoint has any accumulator.
    pub(crate) fn take_changes(&self) -> Option<(String, PendingChanges)> {
        if !self.is_held.load(Ordering::Relaxed) {
            return None;
        }
        let changes: Vec<Changes> = self
            .declared()
            .iter()
            .filter_map(|accumulator| accumulator.take_changes())
            .collect();
        let encode: PendingChanges = Box::new(move || {
            let mut builder = ChunkBuilder::new();
            for change in changes {
                change(&mut builder)?;
            }
            Ok(vec![PartitionChanges {
                full: false,
                builder,
            }])
        });
        Some((SERIES.to_owned(), encode))
    }

    fn declared(&self) -> MutexGuard<'_, Vec<Arc<dyn AnyAccumulator>>> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of a piece: MessagePack, as all keys of state are.
pub(super) fn key(name: &str, piece: u64) -> Result<Vec<u8>, BoxError> {
    Ok(rmp_serde::to_vec(&(name, piece))?)
}

/// Each name's pieces, by number.
type Held = BTreeMap<String, BTreeMap<u64, Vec<u8>>>;

fn read(series: &Series, chunks: &ChunkSource<'_>) -> Result<Held, BoxError> {
    let mut held = Held::new();
    let chains = series.partitions.iter();
    for chunk in chains.flat_map(|chain| chain.base.iter().chain(&chain.deltas)) {
        for (key, value) in chunks(chunk)?.iter() {
            let (name, piece): (String, u64) = messagepack::read(key)?;
            let pieces = held.entry(name).or_default();
            match value {
                Some(value) => pieces.insert(piece, value.to_vec()),
                None => pieces.remove(&piece),
            };
        }
    }
    Ok(held)
}
