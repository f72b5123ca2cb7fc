//! Repair of a damaged log: what is lost, said first; then the damaged segments set aside, never deleted.
//!
//! A damaged log is refused where its damage matters (see the crate's essay), and somebody has to decide
//! to go on without what can't be read. This module makes that decision one that can be looked at:
//!
//! - [`examine()`] reads every byte and says which frames are good and which stretches are not;
//! - [`Plan::new`] decides, purely, what is to become of each segment, and so what would be lost;
//! - [`carry_out()`] does it on a disk; [`examine_objects`] and [`ObjectLog::carry_out`] are the same for a
//!   log in an object store.
//!
//! # What becomes of a segment
//!
//! Its good frames stay where they are, at their offsets, so every [`Position`](crate::Position) that
//! somebody noted stays right. In the place of each entry that can't be read comes a *hole*: a whole frame
//! with the lost entry's number and a kind of the caller's ([`Policy::hole_kind`]) that says "given up".
//! So numbering stays dense, the log verifies again from end to end, and whoever reads a lost entry is
//! told so; no loss is silent. A header that can't be read is made again where the frames prove its
//! contents, since each frame's checksum covers them.
//!
//! Where entries depend on those before them, a hole is no answer: such a log is *cut* where the first
//! entry is lost that is still needed ([`Policy::cut_from`]), and what is behind goes aside as well.
//!
//! # How it is done
//!
//! Each damaged segment first gets a second name in `quarantine-TIME/`; then the repaired one replaces it
//! in one step. A crash leaves each segment either as it was or as planned, and repair can be run again.
//! In an object store damaged slots are copied there, and a run takes their place (see
//! [`crate::segments::objects`]).
//! A torn end (see [`TornTail`](crate::TornTail)) is no damage: it is left to the next opening.

mod carry_out;
mod examine;
pub(crate) mod frames;
mod holes;
mod names;
mod plan;
mod terms;
mod work;

pub use crate::segments::objects::salvage::{ObjectLog, examine_objects};
pub use carry_out::{QUARANTINE, QuarantineReport, Quarantined, carry_out};
pub use examine::examine;
pub use terms::{
    Action, Bad, Examined, ExaminedSegment, Loss, Part, Piece, Plan, Policy, SegmentPlan,
};
