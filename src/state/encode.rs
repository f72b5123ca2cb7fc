//! A partition's entries as a checkpoint holds them: key and state as MessagePack, structs as maps with
//! field names.

use tidemill_checkpoint::{ChunkBuilder, PartitionChanges};

use super::bytes::write;
use super::mark::Mark;
use super::partition::PartitionState;
use super::pending::Pending;
use super::shelf::Held;
use super::{StateKey, StateValue, finished};
use crate::rdd::{BoxError, Stop, TaskError};

/// Writes entries, keeping the room for their bytes.
#[derive(Default)]
pub(super) struct Writer {
    key: Vec<u8>,
    state: Vec<u8>,
}

impl Writer {
    /// Writes an entry; `None` for a key that is gone.
    pub(super) fn push<K: StateKey, S: StateValue, M: Mark>(
        &mut self,
        builder: &mut ChunkBuilder,
        key: &K,
        state: Option<(M, &S)>,
    ) -> Result<(), BoxError> {
        self.key.clear();
        write(key, &mut self.key)?;
        let Some((mark, state)) = state else {
            builder.push(&self.key, None);
            return Ok(());
        };
        self.state.clear();
        mark.write(&mut self.state);
        write(state, &mut self.state)?;
        builder.push(&self.key, Some(&self.state));
        Ok(())
    }
}

/// The entries that changed.
pub(super) fn changed<K: StateKey, S: StateValue, M: Mark>(
    pending: Pending<K, (M, S)>,
) -> Result<PartitionChanges, BoxError> {
    let pending = pending.into_latest();
    let mut builder = ChunkBuilder::with_capacity(pending.len() * 32);
    let mut writer = Writer::default();
    for (_, key, change) in &pending {
        let state = change.as_ref().map(|(mark, state)| (*mark, state));
        writer.push(&mut builder, key, state)?;
    }
    Ok(PartitionChanges {
        full: false,
        builder,
    })
}

/// All entries of a partition.
pub(super) fn everything<K: StateKey, S: StateValue, M: Mark>(
    partition: &PartitionState<K, S, M>,
) -> Result<PartitionChanges, BoxError> {
    let mut builder = ChunkBuilder::with_capacity(partition.len() * 32);
    let mut writer = Writer::default();
    let mut push = |held: &Held<K, S, M>| {
        let (key, state) = &held.pair;
        writer.push(&mut builder, key, Some((held.mark, state)))
    };
    partition.held.iter().try_for_each(&mut push)?;
    finished(partition.with_cold(|cold| match cold {
        Some(cold) => partition.each_cold(cold, |held| {
            push(&held).map_err(|error| Stop::Failed(TaskError::Failed(error)))
        }),
        None => Ok(()),
    }))?;
    Ok(PartitionChanges {
        full: true,
        builder,
    })
}
