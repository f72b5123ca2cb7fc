//! [`UpgradePlan`]: what a restart of this program would do with what a checkpoint holds, by uid.
//!
//! Invariant: nothing that a checkpoint holds is lost without the program saying so by name. What would be
//! is refused, with the way out; a start obeys the same plan that `tidemill check --against` prints.

mod make;
mod names;
mod verdict;
mod waiting;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use tidemill_checkpoint::Manifest;

use super::Metadata;
use crate::graph::GraphDescriptor;
use crate::uid::OperatorUid;

pub(crate) use waiting::waiting_without_input;

/// Something in a checkpoint that the program gives no place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The operator, or the application's setting, that it is about.
    pub subject: String,
    /// What would be lost, and what to do.
    pub message: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.message)
    }
}

/// What a restart does with an operator or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Change {
    /// It goes on with what the checkpoint holds for it.
    Keep,
    /// Its state is converted by the migrations that the program registers.
    Migrate,
    /// It is in the checkpoint only. If it has state, that is given up, as the program permits.
    Drop,
    /// The restart is refused on its account.
    Refuse,
    /// It is in the program only, and begins with nothing.
    New,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Keep => "keep",
            Self::Migrate => "migrate",
            Self::Drop => "drop",
            Self::Refuse => "refuse",
            Self::New => "new",
        })
    }
}

/// A state's size in the checkpoint, and how it would be spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatePlan {
    /// Entries that the checkpoint holds: as many as it has keys, and those that changed since they were last
    /// folded once more.
    pub entries: u64,
    /// Their bytes in the checkpoint.
    pub bytes: u64,
    /// Partitions in the checkpoint.
    pub partitions: usize,
    /// Partitions in the program, if it keeps state there: keys move to where they belong.
    pub new_partitions: Option<usize>,
}

/// What a restart does with one operator or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorPlan {
    /// Its uid; in the program, where it is there.
    pub uid: OperatorUid,
    /// Its uid in the checkpoint, where a rename gave it another.
    pub renamed_from: Option<OperatorUid>,
    /// Its kind: `flat_map`, `update_state_by_key`, `text_files`, ...
    pub kind: String,
    /// What becomes of it.
    pub change: Change,
    /// Its state in the checkpoint, if it has one there.
    pub state: Option<StatePlan>,
    /// Why, and what to do.
    pub notes: Vec<String>,
}

impl OperatorPlan {
    /// What becomes of an operator of which nothing else is to be said.
    fn bare(uid: &OperatorUid, kind: &str, change: Change) -> Self {
        Self {
            uid: uid.clone(),
            renamed_from: None,
            kind: kind.to_owned(),
            change,
            state: None,
            notes: Vec::new(),
        }
    }
}

/// What a restart would keep, migrate, drop or refuse of a checkpoint; see
/// [`StreamingContext::upgrade_plan`](crate::StreamingContext::upgrade_plan).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradePlan {
    /// The checkpoint location.
    pub location: String,
    /// The checkpoint's number.
    pub checkpoint: u64,
    /// Every operator and output of program and checkpoint.
    pub operators: Vec<OperatorPlan>,
    /// Everything on whose account the restart would be refused.
    pub refusals: Vec<Difference>,
}

impl UpgradePlan {
    /// Whether the restart would be made.
    ///
    /// ```
    /// # fn look(context: &tidemill::StreamingContext) -> tidemill::Result<()> {
    /// if let Some(plan) = context.upgrade_plan()? {
    ///     assert!(plan.is_possible(), "{:?}", plan.refusals);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.refusals.is_empty()
    }

    /// What becomes of the operator or output of this uid, as the program calls it.
    ///
    /// ```
    /// # fn look(plan: &tidemill::UpgradePlan) {
    /// use tidemill::Change;
    /// let kept = plan.operator("totals").is_some_and(|plan| plan.change == Change::Keep);
    /// # let _ = kept;
    /// # }
    /// ```
    #[must_use]
    pub fn operator(&self, uid: &str) -> Option<&OperatorPlan> {
        self.operators.iter().find(|plan| plan.uid.as_str() == uid)
    }

    /// Adds why the restart would be refused; an operator of this uid is what it is about.
    pub(crate) fn refuse(&mut self, subject: &str, message: String) {
        let mut operators = self.operators.iter_mut();
        if let Some(operator) = operators.find(|plan| plan.uid.as_str() == subject) {
            operator.change = Change::Refuse;
        }
        self.refusals.push(Difference {
            subject: subject.to_owned(),
            message,
        });
    }
}

/// What the program allows to happen to a checkpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Permits {
    /// New uids by old ones.
    pub(crate) renames: BTreeMap<OperatorUid, OperatorUid>,
    /// Uids whose state may be given up.
    pub(crate) drops: BTreeSet<OperatorUid>,
}

/// What an operator of the program can take over.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateOffer {
    /// How many partitions it has, where that can change.
    pub(crate) partitions: Option<usize>,
    /// The versions from which a migration to the next is registered.
    pub(crate) migrates_from: BTreeSet<u32>,
}

/// The program, as far as a comparison needs it.
pub(crate) struct Program<'a> {
    pub(crate) application: &'a str,
    pub(crate) batch_interval_ms: u64,
    pub(crate) graph: &'a GraphDescriptor,
    pub(crate) states: &'a BTreeMap<OperatorUid, StateOffer>,
    pub(crate) permits: &'a Permits,
}

/// A state in a checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeldState {
    entries: u64,
    bytes: u64,
    partitions: usize,
}

/// The states of a checkpoint, under the names that it gives them.
pub(crate) fn held_states(manifest: &Manifest) -> BTreeMap<OperatorUid, HeldState> {
    let of = |series: &tidemill_checkpoint::Series| {
        let chunks = || series.partitions.iter().flat_map(|chain| chain.chunks());
        let held = HeldState {
            entries: chunks().map(|chunk| chunk.entries).sum(),
            bytes: chunks().map(|chunk| chunk.bytes).sum(),
            partitions: series.partitions.len(),
        };
        (OperatorUid::new(&series.name), held)
    };
    manifest.series.iter().map(of).collect()
}

impl Program<'_> {
    /// What a restart from this checkpoint would do. Pure: what is held and what is wanted in, the plan out.
    pub(crate) fn plan(
        &self,
        location: &str,
        checkpoint: u64,
        held: &Metadata,
        states: &BTreeMap<OperatorUid, HeldState>,
    ) -> UpgradePlan {
        let (operators, refusals) = make::plan(self, held, states);
        UpgradePlan {
            location: location.to_owned(),
            checkpoint,
            operators,
            refusals,
        }
    }
}
