//! Checkpoint stores: manifests, chunks of keyed entries, epochs. It knows no graph and no stream.
//!
//! A **checkpoint** is a [`Manifest`]: opaque metadata, log positions, and named *series* of keyed
//! entries. A series is partitioned; a partition is a [`Chain`] of immutable [`Chunk`]s, a base and the
//! deltas above it, so that a checkpoint costs what changed and not what there is. [`CheckpointStore`]
//! is the one live writer of a location, [`CheckpointReader`] looks at it from beside.
//!
//! The invariant of this crate: what a manifest names is durable before the manifest is, the manifest
//! appears in one step, every byte is checked when it is read back, and at least the two newest whole
//! checkpoints stay. So the newest checkpoint that verifies can always be found, and always be used.
//!
//! ```text
//! id, manifest, chunk, claim, pack, envelope what is stored, as bytes
//! fold, retention                           decisions, pure
//! backend                                   where bytes lie: sled and files, or objects
//! store, reader                             order, epochs, fallback
//! ```

mod backend;
mod catalog;
mod chunk;
mod claim;
mod draft;
mod envelope;
mod error;
mod failpoints;
mod fold;
#[doc(hidden)]
pub mod formats;
mod id;
mod manifest;
mod pack;
mod reader;
mod retention;
mod store;

pub use backend::LOCK_FILE;
pub use catalog::{SeriesSummary, Summary};
pub use chunk::{Chunk, ChunkBuilder, Entries, Tombstones, merge};
pub use draft::{Draft, PartitionChanges, SeriesChanges, WriteFailed, Written};
pub use error::{Error, Result};
pub use failpoints::FAILPOINTS;
pub use fold::{Fold, FoldPolicy};
pub use id::{CheckpointId, ChunkId, Epoch};
pub use manifest::{Chain, ChunkRef, Manifest, Series};
pub use reader::{CheckpointReader, Finding, Listing, Start, Verification, Verified};
pub use store::{CheckpointStore, Newest, StoreOptions};
pub use tidemill_storage::{Holder, Location};
