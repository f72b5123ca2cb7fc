//! A partition's entries as a checkpoint holds them: key and state as MessagePack, structs as maps with
//! field names.

use serde::Serialize;
use tidemill_checkpoint::{ChunkBuilder, PartitionChanges};

use super::mark::Mark;
use super::shelves::Shelves;
use super::{StateKey, StateValue};
use crate::rdd::{BoxError, Entry, Table};

/// Writes entries, keeping the room for their bytes.
#[derive(Default)]
struct Writer {
    key: Vec<u8>,
    state: Vec<u8>,
}

impl Writer {
    fn push<K: StateKey, S: StateValue, M: Mark>(
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

fn write<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
    value.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())?;
    Ok(())
}

/// The entries that changed.
pub(super) fn changed<K: StateKey, S: StateValue, M: Mark>(
    pending: &Table<K, Option<(M, S)>>,
) -> Result<PartitionChanges, BoxError> {
    let mut builder = ChunkBuilder::with_capacity(pending.len() * 32);
    let mut writer = Writer::default();
    for Entry {
        pair: (key, change),
        ..
    } in pending
    {
        let state = change.as_ref().map(|(mark, state)| (*mark, state));
        writer.push(&mut builder, key, state)?;
    }
    Ok(PartitionChanges {
        full: false,
        builder,
    })
}

/// All entries.
pub(super) fn everything<K: StateKey, S: StateValue, M: Mark>(
    held: &Shelves<K, S, M>,
) -> Result<PartitionChanges, BoxError> {
    let mut builder = ChunkBuilder::with_capacity(held.len() * 32);
    let mut writer = Writer::default();
    for entry in held.iter() {
        let (key, state) = &entry.pair;
        writer.push(&mut builder, key, Some((entry.mark, state)))?;
    }
    Ok(PartitionChanges {
        full: true,
        builder,
    })
}
