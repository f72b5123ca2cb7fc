//! [`Segments`]: where a log's segments live.
//!
//! The log above needs little: name the segments there are, start one, add to it in durable steps, read
//! ranges, cut a torn tail, delete. A local folder does it with files ([`disk`]); an object store
//! can do it with one immutable object for each commit, its segment's bytes being those of its objects
//! in order.

pub mod disk;

use std::fmt;
use std::io::IoSlice;

use bytes::Bytes;
use tidemill_storage as storage;

use crate::format::header::SegmentHeader;
use crate::position::Sequence;

/// The segments of one log.
pub trait Segments: fmt::Debug + Send + Sync + 'static {
    /// The segments there are, in sequence order.
    fn list(&self) -> storage::Result<Vec<SegmentInfo>>;
    /// Removes what was begun but never became a segment. Only for the log's one owner.
    fn sweep(&self) -> storage::Result<()>;
    /// Starts a segment that holds its header, durably. A segment of the same name, which the caller
    /// knows to hold no frames, is replaced.
    fn create(&self, header: &SegmentHeader) -> Result<Box<dyn SegmentWriter>, CommitError>;
    /// Reads up to `len` bytes from `offset`; fewer only at the segment's end.
    fn read(&self, segment: Sequence, offset: u64, len: usize) -> storage::Result<Bytes>;
    /// Cuts a segment to `len` bytes, durably.
    fn cut(&self, segment: Sequence, len: u64) -> storage::Result<()>;
    /// Deletes a segment, durably; it need not exist.
    fn delete(&self, segment: Sequence) -> storage::Result<()>;
    /// What to call a segment in a message.
    fn name(&self, segment: Sequence) -> String;
}

/// A segment that is being written.
pub trait SegmentWriter: fmt::Debug + Send {
    /// Adds the bytes of all buffers to the segment's end and makes them durable.
    fn commit(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<(), CommitError>;
}

/// A segment in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its first sequence number: its name.
    pub first: Sequence,
    /// Its bytes, header included.
    pub bytes: u64,
}

/// How a commit failed.
#[derive(Debug)]
pub enum CommitError {
    /// There was no space; the segment is as it was before the commit, and can be used again.
    Refused(storage::Error),
    /// What is durable is unknown; the segment must not be written again.
    Lost(storage::Error),
}
