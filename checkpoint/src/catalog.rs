//! Reading what is there, checked: slots, chunks, summaries. The writer and readers share it.

use serde::Serialize;
use std::sync::Arc;

use crate::backend::{Backend, Folder, Name};
use crate::chunk::Chunk;
use crate::claim::Fence;
use crate::error::{Error, Result};
use crate::id::{CheckpointId, Epoch};
use crate::manifest::{ChunkRef, Manifest};
use crate::retention::Slot;

/// One checkpoint in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its number.
    pub id: CheckpointId,
    /// Its batch time, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// When it was cut, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// The epoch of the driver that wrote it.
    pub epoch: Epoch,
    /// Bytes of all chunks it names, and of its metadata.
    pub bytes: u64,
    /// Bytes of the chunks that were written for it.
    pub new_bytes: u64,
    /// Chunks it names.
    pub chunks: usize,
    /// Its series.
    pub series: Vec<SeriesSummary>,
    /// Its name, if it is a savepoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One series in a list of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesSummary {
    /// Its name.
    pub name: String,
    /// The format of its entries.
    pub format: u32,
    /// Partitions.
    pub partitions: usize,
    /// Entries in all of its chunks: at least as many as it has keys.
    pub entries: u64,
    /// Bytes of its chunks.
    pub bytes: u64,
}

impl From<&Manifest> for Summary {
    fn from(manifest: &Manifest) -> Self {
        let series = manifest.series.iter().map(|series| {
            let chunks = || series.partitions.iter().flat_map(|chain| chain.chunks());
            SeriesSummary {
                name: series.name.clone(),
                format: series.format,
                partitions: series.partitions.len(),
                entries: chunks().map(|chunk| chunk.entries).sum(),
                bytes: chunks().map(|chunk| chunk.bytes).sum(),
            }
        });
        let series: Vec<SeriesSummary> = series.collect();
        let chunk_bytes: u64 = series.iter().map(|series| series.bytes).sum();
        Self {
            id: manifest.id,
            time_ms: manifest.time_ms,
            created_ms: manifest.created_ms,
            epoch: manifest.epoch,
            bytes: chunk_bytes.saturating_add(manifest.metadata.len() as u64),
            new_bytes: manifest.new_bytes,
            chunks: manifest.chunks().count(),
            series,
            name: manifest.name.clone(),
        }
    }
}

/// The numbers of all manifests and fences, ascending.
pub(crate) fn ids(backend: &dyn Backend) -> Result<Vec<CheckpointId>> {
    let names = backend.list(Folder::Manifests)?.into_iter();
    Ok(names
        .filter_map(|name| {
            if let Name::Manifest(id) = name {
                Some(id)
            } else {
                None
            }
        })
        .collect())
}

/// The highest epoch claimed; 0 when there is none.
pub(crate) fn highest_epoch(backend: &dyn Backend) -> Result<Epoch> {
    let names = backend.list(Folder::Claims)?.into_iter();
    let epochs = names.filter_map(|name| {
        if let Name::Claim(epoch) = name {
            Some(epoch)
        } else {
            None
        }
    });
    Ok(epochs.max().unwrap_or_default())
}

/// Reads a manifest or fence: [`Slot::Whole`] or [`Slot::Fence`].
pub(crate) fn read_slot(backend: &dyn Backend, id: CheckpointId) -> Result<Slot> {
    let name = Name::Manifest(id);
    let place = backend.place(name);
    let Some(bytes) = backend.get(name)? else {
        return Err(Error::Missing { place });
    };
    if let Some(fence) = Fence::decode(&place, &bytes) {
        return Ok(Slot::Fence(fence?.epoch));
    }
    Ok(Slot::Whole(Arc::new(Manifest::decode(&place, id, &bytes)?)))
}

/// Reads a chunk and checks that it is the one that is meant.
pub(crate) fn read_chunk(backend: &dyn Backend, reference: &ChunkRef) -> Result<Chunk> {
    let name = Name::Chunk(reference.id);
    let Some(bytes) = backend.get(name)? else {
        return Err(Error::Missing {
            place: backend.place(name),
        });
    };
    let place = || backend.place(name);
    let chunk = Chunk::decode_at(&place(), bytes)?;
    if !reference.is_to(&chunk) {
        let found = (chunk.bytes().len(), chunk.len(), chunk.crc());
        let meant = (reference.bytes, reference.entries, reference.crc);
        let what = format!(
            "it is another chunk: {} bytes, {} entries, checksum {:08x}; the manifest names {} bytes, \
             {} entries, checksum {:08x}",
            found.0, found.1, found.2, meant.0, meant.1, meant.2
        );
        return Err(Error::damaged(place(), what));
    }
    Ok(chunk)
}
