//! Writing a checkpoint: chunks durable, then the manifest in one step, then what may go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{PutOutcome, failpoint};

use super::{CheckpointStore, Writer};
use crate::backend::{Folder, Name, Sharing};
use crate::catalog;
use crate::chunk::{Chunk, ChunkBuilder, Tombstones, merge};
use crate::draft::{Draft, PartitionChanges, SeriesChanges, WriteFailed, Written};
use crate::error::{Error, Result};
use crate::fold::Fold;
use crate::id::ChunkId;
use crate::manifest::{Chain, ChunkRef, Manifest, Series};
use crate::retention::{self, Slot};

/// What one write has stored so far.
#[derive(Debug, Default)]
struct Tally {
    bytes: u64,
    chunks: usize,
    /// Small chunks, which are published with the manifest.
    packed: Vec<(ChunkId, Bytes)>,
}

/// A partition's changes, built.
#[derive(Debug)]
struct Built {
    full: bool,
    chunk: Chunk,
}

impl CheckpointStore {
    /// Writes a checkpoint; when this returns it is durable and the newest. Deltas lie upon the last
    /// one written or, after opening, upon what [`newest`](CheckpointStore::newest) gave.
    ///
    /// # Errors
    /// [`WriteFailed`] gives the draft back; the checkpoints before are as they were, and a later write
    /// that holds the same changes works once the cause is gone: it goes to files and objects of its own, so
    /// no sync that failed is ever repeated. [`Error::Fenced`] is final: the driver must stop. Damage met while
    /// old chunks are merged is got over by handing the partition in as `full`.
    pub fn write(&self, mut draft: Draft) -> Result<Written, WriteFailed> {
        let mut writer = self.lock_writer();
        let changes = std::mem::take(&mut draft.series)
            .into_iter()
            .map(build)
            .collect::<Vec<_>>();
        match self.try_write(&mut writer, &draft, &changes) {
            Ok(written) => {
                self.lock_checked().clear();
                self.retire(&mut writer);
                Ok(written)
            }
            Err(error) => {
                draft.series = changes.iter().map(unbuild).collect();
                Err(WriteFailed {
                    error,
                    draft: Box::new(draft),
                })
            }
        }
    }

    fn try_write(
        &self,
        writer: &mut Writer,
        draft: &Draft,
        changes: &[(SeriesChanges, Vec<Built>)],
    ) -> Result<Written> {
        if writer.base.is_none() {
            self.find_newest(writer)?;
        }
        let base = writer.base.clone().flatten();
        let mut tally = Tally::default();
        let mut series = BTreeMap::new();
        for (head, partitions) in changes {
            let before = base.as_ref().and_then(|base| base.series(&head.name));
            let written = self.write_series(writer, &mut tally, before, head, partitions)?;
            if series.insert(head.name.clone(), written).is_some() {
                return Err(draft_error(&head.name, "it is there twice"));
            }
        }
        for name in &draft.unchanged {
            let before = base.as_ref().and_then(|base| base.series(name));
            let before = before.ok_or_else(|| {
                draft_error(
                    name,
                    "it is said to be unchanged, and the checkpoint before hasn't got it",
                )
            })?;
            if series.insert(name.clone(), before.clone()).is_some() {
                return Err(draft_error(name, "it is there twice"));
            }
        }
        let manifest = Manifest {
            id: writer.next,
            time_ms: draft.time_ms,
            created_ms: draft.created_ms,
            epoch: self.epoch,
            metadata: draft.metadata.clone(),
            low_water: draft.low_water.clone(),
            series: series.into_values().collect(),
            new_bytes: tally.bytes,
            name: draft.name.clone(),
        };
        let (manifest, manifest_bytes) = self.publish(writer, manifest, &tally.packed)?;
        let shared = Arc::new(manifest.clone());
        self.lock_slots()
            .insert(manifest.id, Slot::Whole(Arc::clone(&shared)));
        writer.base = Some(Some(shared));
        writer.next = manifest.id.next();
        let bytes = tally.bytes.saturating_add(manifest_bytes);
        Ok(Written {
            manifest,
            bytes,
            chunks: tally.chunks,
        })
    }

    fn write_series(
        &self,
        writer: &mut Writer,
        tally: &mut Tally,
        before: Option<&Series>,
        head: &SeriesChanges,
        partitions: &[Built],
    ) -> Result<Series> {
        let all_full = partitions.iter().all(|partition| partition.full);
        if let Some(before) = before
            && !all_full
        {
            if before.partitions.len() != partitions.len() {
                let why = format!(
                    "it has {} partitions, had {}: hand all of them in as full",
                    partitions.len(),
                    before.partitions.len()
                );
                return Err(draft_error(&head.name, &why));
            }
            if before.format != head.format {
                let why = format!(
                    "it has format {}, had {}: hand all partitions in as full",
                    head.format, before.format
                );
                return Err(draft_error(&head.name, &why));
            }
        }
        let mut chains = Vec::with_capacity(partitions.len());
        let mut old = before
            .map(|series| series.partitions.iter())
            .into_iter()
            .flatten();
        for partition in partitions {
            let chain = old
                .next()
                .filter(|_| !partition.full)
                .cloned()
                .unwrap_or_default();
            chains.push(self.write_partition(writer, tally, chain, &partition.chunk)?);
        }
        Ok(Series {
            name: head.name.clone(),
            format: head.format,
            partitions: chains,
        })
    }

    /// Puts a partition's changes upon its chain (an empty one when they are full).
    fn write_partition(
        &self,
        writer: &mut Writer,
        tally: &mut Tally,
        mut chain: Chain,
        delta: &Chunk,
    ) -> Result<Chain> {
        if delta.is_empty() {
            return Ok(chain);
        }
        let base = chain.base.map_or(0, |base| base.bytes);
        let mut sizes: Vec<u64> = chain.deltas.iter().map(|delta| delta.bytes).collect();
        sizes.push(delta.bytes().len() as u64);
        match self.options.fold.decide(base, &sizes) {
            Fold::Nothing => chain.deltas.push(self.put_chunk(writer, tally, delta)?),
            Fold::Newest(count) => {
                let keep = sizes.len().saturating_sub(count).min(chain.deltas.len());
                let merged = self.merged(chain.deltas.split_off(keep), delta, Tombstones::Keep)?;
                chain.deltas.push(self.put_chunk(writer, tally, &merged)?);
            }
            Fold::All => {
                let merged = self.merged(chain.chunks().copied(), delta, Tombstones::Drop)?;
                chain = Chain::default();
                if !merged.is_empty() {
                    chain.base = Some(self.put_chunk(writer, tally, &merged)?);
                }
            }
        }
        Ok(chain)
    }

    fn merged(
        &self,
        below: impl IntoIterator<Item = ChunkRef>,
        newest: &Chunk,
        tombstones: Tombstones,
    ) -> Result<Chunk> {
        let below = below
            .into_iter()
            .map(|reference| self.read_chunk(&reference));
        let below = below.collect::<Result<Vec<Chunk>>>()?;
        Ok(merge(below.iter().chain([newest]), tombstones))
    }

    fn put_chunk(&self, writer: &mut Writer, tally: &mut Tally, chunk: &Chunk) -> Result<ChunkRef> {
        let id = ChunkId {
            epoch: self.epoch,
            number: writer.next_chunk,
        };
        let bytes = chunk.bytes().len() as u64;
        // Counted before it is written: a failed write may have left something under this name.
        writer.next_chunk = writer.next_chunk.saturating_add(1);
        if chunk.bytes().len() <= self.backend.packs_up_to() {
            tally.packed.push((id, chunk.bytes().clone()));
        } else {
            if let Some(stored) = &mut writer.stored {
                stored.insert(id);
            }
            failpoint!("checkpoint::before_chunk");
            self.backend
                .put_chunk(Name::Chunk(id), chunk.bytes().clone())?;
            failpoint!("checkpoint::after_chunk");
        }
        tally.bytes = tally.bytes.saturating_add(bytes);
        tally.chunks += 1;
        Ok(ChunkRef {
            id,
            bytes,
            entries: chunk.len(),
            crc: chunk.crc(),
        })
    }

    /// Creates the manifest in the next free slot, and with it the small chunks; returns it and its stored
    /// size.
    fn publish(
        &self,
        writer: &mut Writer,
        mut manifest: Manifest,
        packed: &[(ChunkId, Bytes)],
    ) -> Result<(Manifest, u64)> {
        loop {
            self.check_epoch()?;
            manifest.id = writer.next;
            let name = Name::Manifest(manifest.id);
            let bytes: Bytes = manifest.encode()?;
            let size = bytes.len() as u64;
            failpoint!("checkpoint::before_publish");
            let outcome = self.backend.publish(manifest.id, bytes, packed)?;
            failpoint!("checkpoint::after_publish");
            if outcome == PutOutcome::Written {
                return Ok((manifest, size));
            }
            // Ours, from an attempt that was reported as failed? Then it is there, but the driver hands
            // its changes in again, upon the checkpoint before: this one counts as none.
            let slot = match catalog::read_slot(&*self.backend, manifest.id) {
                Ok(Slot::Whole(found)) if found.epoch == self.epoch => Slot::Doubtful(found),
                Ok(Slot::Whole(found)) if found.epoch > self.epoch => {
                    return Err(self.fenced(found.epoch));
                }
                Ok(Slot::Fence(epoch)) if epoch > self.epoch => return Err(self.fenced(epoch)),
                Err(error) if error.is_damage() && self.sharing == Sharing::Exclusive => {
                    Slot::Damaged(None)
                }
                Ok(_) => {
                    return Err(Error::Taken {
                        place: self.backend.place(name),
                    });
                }
                Err(error) => return Err(error),
            };
            self.lock_slots().insert(manifest.id, slot);
            writer.next = manifest.id.next();
        }
    }

    /// Deletes what may go, oldest first. What can't be deleted now is tried again after the next write.
    fn retire(&self, writer: &mut Writer) {
        if let Err(error) = self.try_retire(writer) {
            tracing::warn!(location = %self.location, %error, "old checkpoints stay for now");
        }
    }

    fn try_retire(&self, writer: &mut Writer) -> Result<()> {
        let expired = retention::expired(&self.lock_slots(), self.retain());
        for &id in &expired {
            failpoint!("checkpoint::before_manifest_delete");
            self.backend.delete(Name::Manifest(id))?;
            failpoint!("checkpoint::after_manifest_delete");
            self.lock_slots().remove(&id);
        }
        let stored = match &mut writer.stored {
            Some(stored) => stored,
            empty => empty.insert(self.list_chunks()?),
        };
        let named = retention::named(&self.lock_slots());
        let orphans = retention::orphans(stored, &named, self.epoch);
        for &id in &orphans {
            failpoint!("checkpoint::before_chunk_delete");
            self.backend.delete(Name::Chunk(id))?;
            failpoint!("checkpoint::after_chunk_delete");
            stored.remove(&id);
        }
        self.backend.keep_packed(&named)?;
        Ok(())
    }

    fn list_chunks(&self) -> Result<BTreeSet<ChunkId>> {
        let names = self.backend.list(Folder::Chunks)?.into_iter();
        Ok(names
            .filter_map(|name| {
                if let Name::Chunk(id) = name {
                    Some(id)
                } else {
                    None
                }
            })
            .collect())
    }
}

/// Builds the chunks of a series; the head keeps everything but its partitions.
fn build(mut series: SeriesChanges) -> (SeriesChanges, Vec<Built>) {
    let partitions = std::mem::take(&mut series.partitions).into_iter();
    let built = partitions.map(|PartitionChanges { full, builder }| Built {
        full,
        chunk: builder.build(),
    });
    let built = built.collect();
    (series, built)
}

/// The changes as they were handed in.
fn unbuild((head, partitions): &(SeriesChanges, Vec<Built>)) -> SeriesChanges {
    let changes = |built: &Built| PartitionChanges {
        full: built.full,
        builder: ChunkBuilder::from(&built.chunk),
    };
    SeriesChanges {
        partitions: partitions.iter().map(changes).collect(),
        ..head.clone()
    }
}

fn draft_error(series: &str, why: &str) -> Error {
    Error::Draft {
        series: series.to_owned(),
        why: why.to_owned(),
    }
}
