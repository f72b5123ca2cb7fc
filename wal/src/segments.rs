//! [`Segments`]: where a log's segments live.
//!
//! The log above needs little: say who owns it, name the segments there are, start one, add to it in
//! durable steps, read ranges, cut a torn tail, delete. A local folder does it with files ([`disk`]); an
//! object store with one immutable object for each commit ([`objects`]).

pub mod disk;
pub mod objects;

use std::fmt;
use std::io::IoSlice;

use bytes::Bytes;
use tidemill_storage as storage;

use crate::error::{Error, Result};
use crate::format::header::SegmentHeader;
use crate::options::WalOptions;
use crate::position::Sequence;

/// The segments of one log.
pub trait Segments: fmt::Debug + Send + Sync + 'static {
    /// Makes the log ours before anything else is done to it: removes what was begun but never became a
    /// segment, and where no lock keeps others out, writes down whose the log is.
    fn take_over(&self, options: &WalOptions) -> Result<()>;
    /// The segments there are, oldest first. Some may have no frames.
    fn list(&self) -> Result<Vec<SegmentInfo>>;
    /// A segment's header, verified.
    fn header(&self, segment: SegmentId) -> Result<SegmentHeader>;
    /// Says that the log was found to end before `end`. `false` if it doesn't, because an owner before us
    /// was still writing: then list again. Once it is `true`, none of them writes any more.
    fn seal(&self, end: Sequence) -> Result<bool>;
    /// Starts a segment. One without frames whose first would have the same number is replaced.
    fn create(&self, header: &SegmentHeader) -> Result<Box<dyn SegmentWriter>, CommitError>;
    /// Reads up to `len` bytes from `offset`; fewer only at the segment's end.
    fn read(&self, segment: SegmentId, offset: u64, len: usize) -> Result<Bytes>;
    /// Reads the first few of `coming` whole, as many as are worth one go: what is read in pieces instead
    /// gives none. Their headers have been verified again.
    fn fetch(&self, coming: &[SegmentId]) -> Result<Vec<Bytes>>;
    /// Whether a segment takes one commit after the other. Where each commit is a segment, nothing need be
    /// done to leave one.
    fn gathers(&self) -> bool;
    /// Whether an interrupted write can leave an end that is half-written, or written and not durable, for
    /// [`settle`](Self::settle) to put in order.
    fn tears(&self) -> bool;
    /// Makes the first `len` bytes of a segment durable, of which those before `synced` are known to be,
    /// and cuts off what is behind, durably.
    fn settle(&self, segment: SegmentId, synced: u64, len: u64) -> Result<()>;
    /// Deletes the segments `older`, oldest first, so that the log begins with `oldest` (whose first
    /// number is `first`) and never has a gap.
    fn truncate(&self, older: &[SegmentId], oldest: SegmentId, first: Sequence) -> Truncation;
    /// What to call what is at `offset` of a segment: a file or object, and where in it.
    fn place(&self, segment: SegmentId, offset: u64) -> (String, u64);
    /// Whether small segments are ever put together.
    fn compacts(&self) -> bool {
        false
    }
    /// Whether enough small segments have piled up for [`compact`](Self::compact). Asked after each commit.
    fn wants_compaction(&self) -> bool {
        false
    }
    /// Puts small segments together, and says whether it found some to. Runs beside everything else;
    /// begins nothing new once `stop` says so.
    fn compact(&self, stop: &dyn Fn() -> bool) -> Result<bool> {
        let _ = stop;
        Ok(false)
    }

    /// An error about what is at `offset` of a segment.
    fn damaged(&self, segment: SegmentId, offset: u64, problem: String) -> Error {
        let (file, offset) = self.place(segment, offset);
        Error::Corrupt {
            file,
            offset,
            problem,
        }
    }
}

/// A segment that is being written.
pub trait SegmentWriter: fmt::Debug + Send {
    /// How the segment is named in its home.
    fn id(&self) -> SegmentId;
    /// Adds the bytes of all buffers to the segment's end and makes them durable.
    fn commit(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<(), CommitError>;
    /// Whether it can take another commit.
    fn is_open(&self) -> bool;
}

/// How a segment is named in its home; in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

/// A segment in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its name.
    pub id: SegmentId,
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
    /// A later owner has taken over; nothing was written.
    Fenced(Error),
}

/// How far a truncation came.
#[derive(Debug)]
pub struct Truncation {
    /// How many of the segments, from the oldest on, aren't part of the log any more.
    pub removed: usize,
    /// Why it isn't all of them.
    pub failure: Option<Error>,
}
