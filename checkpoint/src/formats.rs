//! The stored forms that no other part of the public face reads: for fuzz targets, and for the test that
//! holds `docs/formats.md` against the code. Not for programs; it changes without notice.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidemill_storage::Holder;

use crate::backend::{Name, pieces};
use crate::claim::{self, Claim, Fence};
use crate::envelope;
use crate::error::Result;
use crate::id::{CheckpointId, ChunkId, Epoch};
use crate::manifest::{self, Manifest};
use crate::pack::{self, Contents};

/// The kinds of records in envelopes: their magic and the version that is written.
pub const ENVELOPES: [([u8; 8], u16); 4] = [
    (manifest::KIND.magic, manifest::KIND.version),
    (claim::CLAIM.magic, claim::CLAIM.version),
    (claim::FENCE.magic, claim::FENCE.version),
    (pack::KIND.magic, pack::KIND.version),
];

/// Bytes of an envelope in front of the body.
pub const ENVELOPE_BYTES: usize = envelope::HEADER;

/// Reads a manifest as that of checkpoint `id`.
///
/// # Errors
/// As the store, when it reads one.
pub fn decode_manifest(place: &str, id: u64, bytes: &Bytes) -> Result<Manifest> {
    Manifest::decode(place, CheckpointId(id), bytes)
}

/// Writes a manifest.
///
/// # Errors
/// When serde refuses.
pub fn encode_manifest(manifest: &Manifest) -> Result<Bytes> {
    manifest.encode()
}

/// Reads a claim: epoch, holder and nonce. Claims are only read to name a holder, so whatever can't be
/// read is `None`.
pub fn decode_claim(bytes: &Bytes) -> Option<(u64, Holder, u64)> {
    Claim::decode(bytes).map(|claim| (claim.epoch.0, claim.holder, claim.nonce))
}

/// Writes a claim.
///
/// # Errors
/// When serde refuses.
pub fn encode_claim((epoch, holder, nonce): (u64, Holder, u64)) -> Result<Bytes> {
    let epoch = Epoch(epoch);
    let claim = Claim {
        epoch,
        holder,
        nonce,
    };
    claim.encode()
}

/// Reads the sealed head of checkpoint `id`'s pack: where the manifest lies, then each chunk (epoch, number),
/// as offset and bytes; and the bytes of the whole pack.
///
/// # Errors
/// As the store, when it reads one.
pub fn decode_pack(place: &str, id: u64, head: &Bytes) -> Result<PackParts> {
    let contents = Contents::decode(place, CheckpointId(id), head)?;
    let manifest = contents.manifest();
    let chunks = contents
        .chunks()
        .map(|(id, part)| (id, part.offset, part.bytes));
    Ok(PackParts {
        manifest: (manifest.offset, manifest.bytes),
        chunks: chunks.collect(),
        total: contents.total(),
    })
}

/// See [`decode_pack`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackParts {
    /// Where the manifest lies: offset and bytes.
    pub manifest: (u64, u64),
    /// Where each chunk lies: offset and bytes.
    pub chunks: Vec<(ChunkId, u64, u64)>,
    /// Bytes of the whole pack.
    pub total: u64,
}

/// The entries of the sled index that hold the sealed head of checkpoint `id`'s pack.
#[must_use]
pub fn split_index_entry(id: u64, head: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    pieces::split(Name::Pack(CheckpointId(id)), head).collect()
}

/// Puts the head of checkpoint `id`'s pack together from the entries of a sled index; `None` when they don't
/// hold one.
///
/// # Errors
/// As the store, when it reads its index.
pub fn join_index_entry(
    place: &str,
    id: u64,
    entries: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Option<Bytes>> {
    let name = Name::Pack(CheckpointId(id));
    pieces::join(name, place, |key| Ok(entries.get(key)))
}

/// Reads a fence's epoch; `None` for another kind of record.
pub fn decode_fence(place: &str, bytes: &Bytes) -> Option<Result<u64>> {
    Fence::decode(place, bytes).map(|fence| fence.map(|fence| fence.epoch.0))
}

/// Writes a fence.
///
/// # Errors
/// When serde refuses.
pub fn encode_fence(epoch: u64) -> Result<Bytes> {
    Fence {
        epoch: Epoch(epoch),
    }
    .encode()
}
