//! [`Datasets`]: the recent datasets of a stream, saved with checkpoints.
//!
//! What a window reads after a restart is in here, and needn't be made again: where a state lies between, it could
//! not be. A dataset is staged by its batch and merged with it, like every state; it is let go when no later batch
//! reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tidemill_checkpoint::{ChunkBuilder, PartitionChanges};

use super::{AnyState, PendingChanges, STATE_FORMAT, Written, check_format};
use crate::object_file::{Reader, Writer};
use crate::rdd::{
    BoxError, Buffer, Chunk, Element, Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError,
};
use crate::time::Time;

/// The least time between batches.
const MOMENT: Duration = Duration::from_millis(1);

/// A dataset in memory, a buffer a partition.
type Saved<T> = Arc<Vec<<T as Element>::Buffer>>;

/// A stream's recent datasets.
pub(crate) struct Datasets<T: ?Sized + Element> {
    /// How much time may pass until a dataset is saved, where it can be made again; none where it can't.
    interval: Option<Duration>,
    held: Mutex<Held<T>>,
}

struct Held<T: ?Sized + Element> {
    /// For how long datasets are read.
    remember: Duration,
    merged_through: Time,
    /// No dataset up to this one was ever saved, or is still.
    nothing_through: Time,
    staged: BTreeMap<Time, Saved<T>>,
    merged: BTreeMap<Time, Saved<T>>,
    /// Those of `merged` that no checkpoint has.
    unsaved: BTreeMap<Time, Saved<T>>,
    /// Those that the last checkpoint has, with their partitions.
    saved: BTreeMap<Time, usize>,
    last_saved: Time,
    /// Whether the next checkpoint holds all there is: nothing from before counts.
    is_first: bool,
}

impl<T: ?Sized + Element> Datasets<T> {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self {
            interval,
            held: Mutex::new(Held {
                remember: Duration::MAX,
                merged_through: Time::default(),
                nothing_through: Time::default(),
                staged: BTreeMap::new(),
                merged: BTreeMap::new(),
                unsaved: BTreeMap::new(),
                saved: BTreeMap::new(),
                last_saved: Time::default(),
                is_first: true,
            }),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dataset of the batch at `time`: what was saved, or what `make` gives, saved when it's computed.
    /// Datasets are held for `remember` after their batch. What can't be made again and comes from before the
    /// program saved it isn't there.
    pub(crate) fn dataset(
        self: &Arc<Self>,
        time: Time,
        remember: Duration,
        executor: &Executor,
        make: impl FnOnce() -> Result<Option<Rdd<T>>, TaskError>,
    ) -> Result<Option<Rdd<T>>, TaskError> {
        let known = {
            let mut held = self.held();
            held.remember = remember;
            if self.interval.is_none() && time <= held.nothing_through {
                return Ok(None);
            }
            held.merged.get(&time).cloned()
        };
        let node = match known {
            Some(saved) => Dataset {
                datasets: Arc::clone(self),
                time,
                partitions: saved.len(),
                made_of: Mutex::new(None),
                saved: OnceLock::from(saved),
            },
            None => {
                let Some(rdd) = make()? else { return Ok(None) };
                Dataset {
                    datasets: Arc::clone(self),
                    time,
                    partitions: rdd.partitions(),
                    made_of: Mutex::new(Some(rdd)),
                    saved: OnceLock::new(),
                }
            }
        };
        Ok(Some(Rdd::new(node, executor)))
    }
}

/// One batch's dataset.
struct Dataset<T: ?Sized + Element> {
    datasets: Arc<Datasets<T>>,
    time: Time,
    partitions: usize,
    /// Let go once it is computed.
    made_of: Mutex<Option<Rdd<T>>>,
    saved: OnceLock<Saved<T>>,
}

impl<T: ?Sized + Element> RddNode<T> for Dataset<T> {
    fn partitions(&self) -> usize {
        self.partitions
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let mut made_of = self.made_of.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rdd) = &*made_of else {
            return Ok(());
        };
        rdd.node().prepare(executor)?;
        let buffers = executor.run(self.partitions, |partition| rdd.buffer_of(partition))?;
        let saved = self.saved.get_or_init(|| Arc::new(buffers));
        let mut held = self.datasets.held();
        // One of an earlier batch was made again, and isn't new.
        if self.time > held.merged_through {
            held.staged.insert(self.time, Arc::clone(saved));
        }
        *made_of = None;
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, T>) -> Result<(), Stop> {
        let saved = self
            .saved
            .get()
            .ok_or_else(|| TaskError::new("a dataset was read before it was prepared"))?;
        saved
            .get(partition)
            .filter(|buffer| !buffer.is_empty())
            .map_or(Ok(()), |buffer| sink(Chunk::Shared(buffer)))
    }

    fn is_materialized(&self) -> bool {
        true
    }
}

impl<T: ?Sized + Element + Serialize> AnyState for Datasets<T>
where
    T::Own: DeserializeOwned,
{
    fn type_names(&self) -> (&'static str, &'static str) {
        ("batch and partition", std::any::type_name::<T>())
    }

    fn saves_datasets(&self) -> bool {
        true
    }

    fn keys(&self) -> u64 {
        let held = self.held();
        held.merged.values().map(|saved| saved.len() as u64).sum()
    }

    fn bytes(&self) -> u64 {
        let held = self.held();
        let buffers = held.merged.values().flat_map(|saved| saved.iter());
        buffers.map(|buffer| buffer.bytes() as u64).sum()
    }

    fn merge(&self, time: Time, _executor: &Executor) -> Result<(), JobError> {
        let mut held = self.held();
        held.merged_through = time;
        if let Some(saved) = held.staged.remove(&time) {
            held.unsaved.insert(time, Arc::clone(&saved));
            held.merged.insert(time, saved);
        }
        let past = time.minus(held.remember);
        held.merged.retain(|time, _| *time > past);
        held.unsaved.retain(|time, _| *time > past);
        Ok(())
    }

    fn take_changes(&self) -> PendingChanges {
        let mut held = self.held();
        let full = std::mem::replace(&mut held.is_first, false);
        let is_due = |newest: Time, last: Time| {
            full || self
                .interval
                .is_none_or(|interval| newest.since(last) >= interval)
        };
        let taken = match held.unsaved.keys().last().copied() {
            Some(newest) if is_due(newest, held.last_saved) => {
                held.last_saved = newest;
                std::mem::take(&mut held.unsaved)
            }
            _ => BTreeMap::new(),
        };
        let taken = match full {
            true => held.merged.clone(),
            false => taken,
        };
        let held = &mut *held;
        let gone: Vec<(Time, usize)> = held
            .saved
            .extract_if(.., |time, _| !held.merged.contains_key(time))
            .collect();
        let partitions = taken
            .iter()
            .map(|(time, saved)| (*time, saved.len().max(1)));
        held.saved.extend(partitions);
        Box::new(move || {
            let mut builder = ChunkBuilder::new();
            for (time, partitions) in gone.into_iter().filter(|_| !full) {
                (0..partitions).for_each(|partition| builder.push(&key(time, partition), None));
            }
            for (time, saved) in &taken {
                let none = [T::Buffer::default()];
                let partitions = if saved.is_empty() { &none[..] } else { saved };
                for (partition, buffer) in partitions.iter().enumerate() {
                    builder.push(&key(*time, partition), Some(&encode::<T>(buffer)?));
                }
            }
            Ok(vec![PartitionChanges { full, builder }])
        })
    }

    fn restore(&self, written: &Written<'_>, executor: &Executor) -> Result<(), BoxError> {
        let (series, chunks) = (written.series, written.chunks);
        check_format(
            series,
            STATE_FORMAT,
            &format!("the datasets of `{}` are", series.name),
        )?;
        let mut entries = BTreeMap::new();
        for chain in &series.partitions {
            for chunk in chain.base.iter().chain(&chain.deltas) {
                for (key, value) in chunks(chunk)?.iter() {
                    match value {
                        Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                        None => entries.remove(key),
                    };
                }
            }
        }
        let entries: Vec<(Vec<u8>, Vec<u8>)> = entries.into_iter().collect();
        let read = executor.run(entries.len(), |index| {
            let Some((key, value)) = entries.get(index) else {
                return Err(TaskError::new("no such entry"));
            };
            let time = time_of(key).ok_or_else(|| TaskError::new("a key names no batch"))?;
            let buffer = decode::<T>(value).map_err(|error| {
                TaskError::new(format!("a dataset of the batch at {time}: {error}"))
            })?;
            Ok((time, buffer))
        })?;
        let mut datasets: BTreeMap<Time, Vec<T::Buffer>> = BTreeMap::new();
        for (time, buffer) in read {
            datasets.entry(time).or_default().push(buffer);
        }
        let mut held = self.held();
        held.saved = datasets
            .iter()
            .map(|(time, saved)| (*time, saved.len()))
            .collect();
        held.merged = datasets
            .into_iter()
            .map(|(time, saved)| (time, Arc::new(saved)))
            .collect();
        let oldest = held.merged.keys().next();
        held.nothing_through = oldest.map_or(written.through, |oldest| oldest.minus(MOMENT));
        held.last_saved = held.merged.keys().last().copied().unwrap_or_default();
        held.merged_through = written.through;
        held.is_first = false;
        Ok(())
    }

    fn initialize(&self, first: Time, _executor: &Executor) -> Result<(), BoxError> {
        self.held().nothing_through = first.minus(MOMENT);
        Ok(())
    }
}

/// A batch and a partition, in this order: big-endian, so that keys sort by them.
fn key(time: Time, partition: usize) -> [u8; 12] {
    let mut key = [0; 12];
    let partition = u32::try_from(partition).unwrap_or(u32::MAX).to_be_bytes();
    let parts = time.as_millis().to_be_bytes().into_iter().chain(partition);
    for (to, from) in key.iter_mut().zip(parts) {
        *to = from;
    }
    key
}

fn time_of(key: &[u8]) -> Option<Time> {
    let time = key.first_chunk::<8>().filter(|_| key.len() == 12)?;
    Some(Time::from_millis(u64::from_be_bytes(*time)))
}

fn encode<T: ?Sized + Element + Serialize>(buffer: &T::Buffer) -> Result<Vec<u8>, BoxError> {
    let mut bytes = Vec::new();
    let mut out = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    let mut writer = Writer::default();
    let mut written = Ok(());
    buffer.for_each(|element| {
        if written.is_ok() {
            written = writer.push(element, &mut out);
        }
    });
    written?;
    writer.finish(&mut out)?;
    Ok(bytes)
}

fn decode<T: ?Sized + Element>(bytes: &[u8]) -> Result<T::Buffer, String>
where
    T::Own: DeserializeOwned,
{
    let mut reader = Reader::new(bytes)?;
    let mut buffer = T::Buffer::default();
    while reader.next_frame(|element| buffer.push_owned(element))? {}
    Ok(buffer)
}
