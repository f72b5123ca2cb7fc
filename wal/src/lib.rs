//! A write-ahead log: segments, checksummed frames, group commit, replay. It knows no stream terms.
//!
//! # What it promises
//!
//! An append answered `Ok` is durable: it is found again after any crash, at the [`Position`] it was
//! answered with. Appends get their sequence numbers in call order, are answered in that order, and
//! what survives a crash is always a prefix of what was appended: all answered ones, and perhaps some
//! of those that were still waiting.
//!
//! # How it is laid out
//!
//! A log is a folder of *segments*, each named by its first sequence number (`SEQUENCE.wal`, 20 digits).
//! A segment is a [header](format::header) of 40 bytes and then [frames](format::frame) without gaps.
//! A segment is created under another name, synced and renamed into place, so a file
//! called `*.wal` always has a whole header. Opening a log never appends to an old segment: the first
//! append starts a new one, so that all frames of a segment were written in one epoch. The newest segment is
//! never deleted; where its room is wanted though nothing is appended any more, [`Wal::roll`] leaves it for one
//! that is a header alone.
//!
//! In an object store each group is a segment of its own, and an object; how such a log changes hands
//! without a lock is told in [`segments::objects`].
//!
//! # How it is written
//!
//! Callers queue frames (`queue`); one writer thread (`writer`) takes all that has arrived, writes
//! it with one vectored write, syncs once and answers each append: a *group*. The next group is
//! written only after the sync before it has succeeded. A sync or write that fails *poisons* the log:
//! nothing more is written through this handle, every append is answered with [`Error::Poisoned`].
//! The one exception is a write (not a sync) refused for want of space: what was written of the group
//! is cut off again, its appends are answered with [`Error::Full`], their sequence numbers are given
//! out anew, and the log goes on.
//!
//! # How damage is told from a torn tail
//!
//! The first frame of each group is marked. As groups are synced one after the other, a
//! marked frame proves that all before it had been synced. So when a frame of the last segment doesn't
//! verify, `tail` looks for a valid marked frame behind it. If there is one, synced bytes were
//! damaged: an error. If not, the bad frame belongs to the last group written, and is taken for one
//! that a crash interrupted: it and all behind it is cut off and reported. (Damage within the last
//! group of a log can't be told from an interrupted write; that is the limit of any log without a
//! second place to write to; who knows from one how far the log went says so, see
//! [`WalOptions::known_end`].) A bad frame in any other segment is damage, always.
//!
//! What can be read need not be durable: the process before may have been killed before its sync, or have
//! ended because the sync failed, after which the system takes bytes for written that never were. So opening
//! writes the last group again, over itself, and syncs it, before the log goes on behind it.
//!
//! Opening reads the headers of all segments and the frames of the last one; the frames of the others
//! are verified whenever they are read ([`Wal::replay`], [`Wal::read`], [`LogReader::verify`]).

pub mod append;
pub mod error;
pub mod failpoints;
pub mod format;
pub mod options;
pub mod position;
pub mod reader;
pub mod repair;
pub mod replay;
pub mod segments;
pub mod status;
pub mod wal;

mod catalog;
mod compactor;
mod group;
mod orders;
mod poison;
mod queue;
mod recover;
mod scan;
mod shared;
mod tail;
mod wait;
mod writer;

pub use append::Append;
pub use error::{Error, Result};
pub use failpoints::FAILPOINTS;
pub use options::{Clock, LogKind, WalOptions};
pub use position::{Entry, Position, Sequence};
pub use reader::{Entries, Finding, LogReader, Report};
pub use recover::Recovered;
pub use replay::Replay;
pub use status::{LatencyHistogram, WalStatus};
pub use tail::TornTail;
pub use wal::{Truncated, Wal};
