//! [`NodeCore`] and [`AnyNode`]: what is known of an operator whose element type isn't.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::silence::Silence;
use super::yielded::Yielded;
use crate::rdd::TaskError;
use crate::state::AnyState;
use crate::time::Time;
use crate::uid::OperatorUid;

/// What is known of every operator, whatever it holds.
pub(crate) struct NodeCore {
    pub(crate) id: usize,
    /// The operator's name, as users write it: `flat_map`, `window`, ...
    pub(crate) kind: &'static str,
    /// Ids of the operators that it reads.
    pub(crate) parents: Vec<usize>,
    /// How far apart its datasets are.
    pub(crate) slide: Duration,
    /// For how long before a batch its parents must be known: the window, zero for most.
    pub(crate) looks_back: Duration,
    /// Its state, when it has one.
    pub(crate) state: Option<Arc<dyn AnyState>>,
    /// Whether it takes data in.
    pub(crate) is_input: bool,
    /// How many records it yields.
    pub(crate) yielded: Yielded,
    /// The line that declared it.
    pub(crate) caller: &'static Location<'static>,
    uid: RwLock<OperatorUid>,
    remember: Mutex<Duration>,
    silence: Mutex<Option<Silence>>,
    persisted: AtomicBool,
}

impl NodeCore {
    pub(super) fn new(id: usize, parts: NodeParts) -> Self {
        Self {
            id,
            kind: parts.kind,
            parents: parts.parents,
            slide: parts.slide,
            looks_back: parts.looks_back,
            state: parts.state,
            is_input: parts.is_input,
            yielded: Yielded::default(),
            caller: parts.caller,
            uid: RwLock::new(parts.uid),
            remember: Mutex::new(parts.slide),
            silence: Mutex::default(),
            persisted: AtomicBool::new(false),
        }
    }

    pub(crate) fn uid(&self) -> OperatorUid {
        self.uid
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_uid(&self, uid: OperatorUid) {
        *self.uid.write().unwrap_or_else(PoisonError::into_inner) = uid;
    }

    /// How long its datasets are kept after their time.
    pub(crate) fn remember(&self) -> Duration {
        *self.remember.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps its datasets at least this long.
    pub(crate) fn remember_at_least(&self, length: Duration) {
        let mut remember = self.remember.lock().unwrap_or_else(PoisonError::into_inner);
        *remember = (*remember).max(length);
    }

    /// When it counts as silent, if it is an input that may.
    pub(crate) fn silence(&self) -> Option<Silence> {
        *self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_silence(&self, silence: Silence) {
        *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some(silence);
    }

    /// Whether the data of the batch at `time` is still kept when all up to `complete` are complete.
    pub(crate) fn is_kept(&self, time: Time, complete: Time) -> bool {
        time > complete.minus(self.remember())
    }

    /// What to say of a batch that isn't kept any more.
    pub(crate) fn gone(&self, time: Time) -> TaskError {
        TaskError::Gone(format!(
            "the batch at {time} of `{}` is no longer kept: its batches are kept for {:?}; ask for more \
             with `remember` before the start",
            self.uid(),
            self.remember()
        ))
    }

    pub(super) fn is_persisted(&self) -> bool {
        self.persisted.load(Ordering::Relaxed)
    }

    pub(crate) fn persist(&self) {
        self.persisted.store(true, Ordering::Relaxed);
    }
}

/// An operator whose element type is not known.
pub(crate) trait AnyNode: Send + Sync {
    fn core(&self) -> &NodeCore;
    /// Lets go of the datasets that no later batch reads, once `now` is complete.
    fn clear_metadata(&self, now: Time);
    /// Runs the wide steps of the dataset at `time`, if there is one.
    fn prepare(&self, time: Time) -> Result<(), TaskError>;
    /// Computes all of the dataset at `time` that nothing has computed in its batch, if there is one.
    fn complete(&self, time: Time) -> Result<(), TaskError>;
}

/// What a new operator is made of.
pub(crate) struct NodeParts {
    pub(crate) kind: &'static str,
    pub(crate) parents: Vec<usize>,
    pub(crate) slide: Duration,
    pub(crate) looks_back: Duration,
    pub(crate) state: Option<Arc<dyn AnyState>>,
    pub(crate) is_input: bool,
    pub(crate) caller: &'static Location<'static>,
    pub(crate) uid: OperatorUid,
}
