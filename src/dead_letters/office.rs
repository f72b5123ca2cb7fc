//! [`DeadLetterOffice`]: where a program's dead letters go.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tidemill_storage::failpoint;

use super::{DeadLetter, SUFFIX, prefix};
use crate::effects::{BatchEffects, Effects};
use crate::rdd::fallible::{Aside, PolicyCell, aside_id};
use crate::rdd::misfits::Misfits;
use crate::rdd::{BoxError, Buffer, Executor, Rdd, TextBuffer};
use crate::sink::{BatchIdentity, Sink, TextFiles};
use crate::time::Time;
use crate::uid::OperatorUid;

/// The uid under which letters are committed.
const UID: &str = "dead_letters";

/// Where letters go, and which operators write any.
#[derive(Default)]
pub(crate) struct DeadLetterOffice {
    url: Option<String>,
    place: Option<TextFiles>,
    /// Held while letters are put back.
    pub(crate) putting_back: Mutex<()>,
    /// In a rehearsal: the letters that would have been committed, by batch.
    held_back: OnceLock<Mutex<HashMap<Time, Vec<DeadLetter>>>>,
    /// The policy of each fallible operator, by its id.
    policies: Mutex<HashMap<usize, Arc<PolicyCell>>>,
    /// What each fallible operator has left out, once it has run.
    dropped: Mutex<Vec<Arc<OnceLock<Arc<Misfits>>>>>,
    /// Letters of batches that took effect since the start, by operator.
    committed: Mutex<BTreeMap<OperatorUid, u64>>,
}

impl DeadLetterOffice {
    /// For letters below `url`, if any are wanted.
    pub(crate) fn at(url: Option<&str>) -> Result<Self, BoxError> {
        let open = |url: &str| TextFiles::open(&prefix(url), Some(SUFFIX));
        Ok(Self {
            url: url.map(str::to_owned),
            place: url.map(open).transpose()?,
            ..Self::default()
        })
    }

    /// Where letters are.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Whether letters have a place.
    pub(crate) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Notes the policy of a fallible operator, and where it will count what it leaves out.
    pub(crate) fn add_operator(
        &self,
        id: usize,
        policy: Arc<PolicyCell>,
        dropped: Arc<OnceLock<Arc<Misfits>>>,
    ) {
        self.dropped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(dropped);
        self.policies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, policy);
    }

    /// The policy of an operator; `None` when it can't fail at a record.
    pub(crate) fn policy(&self, id: usize) -> Option<Arc<PolicyCell>> {
        self.policies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Records that operators left out since the start; of those that have run.
    pub(crate) fn dropped(&self) -> BTreeMap<OperatorUid, u64> {
        let dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let known = dropped.iter().filter_map(|misfits| misfits.get());
        known
            .map(|misfits| (misfits.operator().clone(), misfits.count()))
            .collect()
    }

    /// Letters of batches that took effect since the start, by the operator that failed.
    pub(crate) fn committed(&self) -> BTreeMap<OperatorUid, u64> {
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts the letters of a batch that has taken effect, once: they may have been committed several times.
    pub(crate) fn take_in(&self, effects: &mut Effects) {
        let Some(aside) = effects.take::<Aside>(aside_id()) else {
            return;
        };
        let mut committed = self
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for aside in aside.0 {
            *committed.entry(aside.operator).or_default() += 1;
        }
    }

    /// From now on commits nothing: letters are kept for [`held_back`](Self::held_back).
    pub(crate) fn hold_back(&self) {
        let _ = self.held_back.set(Mutex::default());
    }

    /// The letters that a batch would have committed.
    pub(crate) fn held_back(&self, time: Time) -> Vec<DeadLetter> {
        let Some(held_back) = self.held_back.get() else {
            return Vec::new();
        };
        let mut held_back = held_back.lock().unwrap_or_else(PoisonError::into_inner);
        held_back.remove(&time).unwrap_or_default()
    }

    /// Finds out before the start whether letters can be written.
    pub(crate) fn check(&self) -> Result<(), BoxError> {
        self.place.as_ref().map_or(Ok(()), Sink::<str>::check)
    }

    /// Who asks for room for the letters.
    pub(crate) fn uid() -> OperatorUid {
        OperatorUid::new(UID)
    }

    /// The letters of a batch, all of whose data has been computed.
    pub(crate) fn letters(time: Time, effects: &BatchEffects) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        effects.visit(aside_id(), |aside: &Aside| {
            letters.extend(aside.0.iter().map(|aside| DeadLetter::new(time, aside)));
        });
        letters
    }

    /// Commits a batch's letters. A second call leaves what the first wrote.
    pub(crate) fn commit(
        &self,
        application: &str,
        time: Time,
        letters: &[DeadLetter],
        executor: &Executor,
    ) -> Result<(), BoxError> {
        if let Some(held_back) = self.held_back.get() {
            let mut held_back = held_back.lock().unwrap_or_else(PoisonError::into_inner);
            held_back.insert(time, letters.to_vec());
            return Ok(());
        }
        let Some(place) = &self.place else {
            return Err("records were put aside, and there is no place for dead letters".into());
        };
        let mut lines = TextBuffer::default();
        for letter in letters {
            lines.push_owned(letter.to_line()?);
        }
        let identity = BatchIdentity {
            application: application.to_owned(),
            output: Self::uid(),
            time,
        };
        failpoint!("dead_letters::before_commit");
        place.commit(&identity, &Rdd::<str>::in_memory(vec![lines], executor))?;
        failpoint!("dead_letters::after_commit");
        Ok(())
    }
}
