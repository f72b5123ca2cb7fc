//! Segments as objects in a store without locks, appends or renames.
//!
//! # What there is
//!
//! | object                        | what                                                                 |
//! |-------------------------------|----------------------------------------------------------------------|
//! | `slot/N`                      | a segment: one group, or a *fence*, which is a header and no frames   |
//! | `run/FIRST-LAST-EPOCH`        | several slots' bytes in a row, behind an index                        |
//! | `head`                        | whose the log is, where it begins, and which runs there are           |
//!
//! `N`, `FIRST` and `LAST` are slots' numbers in 20 digits. Slots are numbered without gaps and only ever
//! *created*, each by one conditional put: it fails if the slot is taken. So a commit is one request, and
//! is there whole or not at all: there are no torn tails here, and whatever isn't as it was written is
//! damage. One put is on its way at a time. Two would be faster where a put takes long, but the second
//! might come to lie while the first is lost, and the log would have a gap or need a rule for one; instead,
//! all that queues up while a put is on its way goes with the next.
//!
//! A newer format of slots or runs comes with a newer head, so that a program that doesn't know it turns away
//! before it has written anything.
//!
//! # How it changes hands
//!
//! A new owner writes its epoch into the head, on the condition that the head is as it was read. From then
//! on no owner before it can change the head: so none of them can truncate or compact. Then it reads the
//! slots up to the first that is free and creates its fence there. If the owner before has just taken that
//! slot, it reads on and tries the next. Once the fence is there, every owner before finds its next slot
//! taken, and by a higher epoch: its commit fails, and it ends. A look at the head behind the fence makes
//! sure that the slot was free because nobody had ever taken it, not because a third owner, still newer,
//! had put it into a run and deleted it in between.
//!
//! # Why a slot that was taken stays taken
//!
//! An owner may be stopped for hours just before its put, while its successors write, truncate and
//! compact. Its put must fail all the same. It is for the first slot that was free when it was stopped; so
//! either that is where the next owner's fence is, and fences are never deleted (they are 40 bytes, one for
//! each time that the log changed hands), or the put itself had arrived, its group was part of the log for
//! the next owner, and only the answer is late. Put again by a retry, its bytes come to lie in a slot
//! below the log's beginning or under a run, where nobody looks: what it then acknowledges is true, and the
//! slot behind it is the fence. A stopped deletion is harmless too: it names what stopped being part of the
//! log before it was begun, and no name is used twice.
//!
//! # How it begins, and how much there is to read
//!
//! The head is changed first, and objects are deleted afterwards; what a crash leaves behind is removed by
//! the first truncation after the next opening, which is the only one to list the store. Opening a log
//! never lists (only where there is no head yet, whether that is so because there is no log): the head says
//! where to begin, then slots are read by number, their first 40 bytes only, a few at
//! a time, until some are free. (Three in a row: one in the middle of others is a lost one, which is
//! damage.) So that there aren't many, the compactor puts small ones together into runs, and small runs
//! into larger ones, each a few dozen at a time, so that a byte is written again only a few times in its
//! life. First the run is created, then the head names it, then the slots are deleted, but for fences. A
//! segment keeps its number and its offsets in a run, so positions stay what they are; who finds that a
//! slot is gone looks where the head says that it is now.
//!
//! # Repair
//!
//! A damaged slot isn't written again either: a run with what of it is good covers it (`salvage`).

mod compact;
mod head;
mod home;
mod known;
mod layout;
mod look;
mod names;
mod plan;
mod read;
mod run;
pub(crate) mod salvage;
mod takeover;
mod truncate;
mod writer;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{ErrorKind, Objects};

pub use head::HEAD;
pub use run::RUN;

use super::{CommitError, SegmentId, SegmentInfo, SegmentWriter, Segments, Truncation};
use crate::error::Result;
use crate::format::header::SegmentHeader;
use crate::options::WalOptions;
use crate::position::Sequence;
use home::Home;
use names::{Names, Slot};
use writer::SlotWriter;

/// Segments as objects.
#[derive(Debug)]
pub struct ObjectSegments {
    home: Arc<Home>,
}

impl ObjectSegments {
    /// The log below `prefix` (empty for the root); `location` is what to call the store in messages.
    pub fn new(objects: Arc<dyn Objects>, prefix: &str, location: &str) -> Self {
        // It only has to differ; the standard library's hash seeds are the randomness at hand.
        let owner = RandomState::new().build_hasher().finish();
        Self::owned_by(owner, objects, prefix, location)
    }

    /// As [`ObjectSegments::new`], for a test: `owner` tells two owners apart that were given one epoch.
    pub fn owned_by(owner: u64, objects: Arc<dyn Objects>, prefix: &str, location: &str) -> Self {
        let names = Names::new(prefix, location);
        Self {
            home: Arc::new(Home::new(objects, names, owner)),
        }
    }
}

impl Segments for ObjectSegments {
    fn take_over(&self, options: &WalOptions) -> Result<()> {
        self.home.take_over(options)
    }

    fn list(&self) -> Result<Vec<SegmentInfo>> {
        self.home.or_fenced(self.home.list())
    }

    fn header(&self, segment: SegmentId) -> Result<SegmentHeader> {
        self.home.or_fenced(self.home.header(Slot(segment.0)))
    }

    fn seal(&self, end: Sequence) -> Result<bool> {
        self.home.fence(end)
    }

    fn create(&self, header: &SegmentHeader) -> Result<Box<dyn SegmentWriter>, CommitError> {
        Ok(Box::new(SlotWriter::new(Arc::clone(&self.home), *header)))
    }

    fn read(&self, segment: SegmentId, offset: u64, len: usize) -> Result<Bytes> {
        let read = self.home.read(Slot(segment.0), offset, len);
        self.home.or_fenced(read)
    }

    fn fetch(&self, coming: &[SegmentId]) -> Result<Vec<Bytes>> {
        self.home.or_fenced(self.home.fetch(coming))
    }

    fn gathers(&self) -> bool {
        false
    }

    fn tears(&self) -> bool {
        false
    }

    fn settle(&self, segment: SegmentId, _: u64, _: u64) -> Result<()> {
        let (place, _) = self.place(segment, 0);
        let reason = "an object is never half-written";
        Err(self
            .home
            .error("settle", &place, ErrorKind::Unsupported, reason))
    }

    fn truncate(&self, _: &[SegmentId], oldest: SegmentId, first: Sequence) -> Truncation {
        self.home.truncate(Slot(oldest.0), first)
    }

    fn place(&self, segment: SegmentId, offset: u64) -> (String, u64) {
        self.home.place(Slot(segment.0), offset)
    }

    fn compacts(&self) -> bool {
        self.home.compacts()
    }

    fn wants_compaction(&self) -> bool {
        self.home.wants_compaction()
    }

    fn compact(&self, stop: &dyn Fn() -> bool) -> Result<bool> {
        self.home.compact(stop)
    }
}
