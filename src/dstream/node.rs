//! [`StreamNode`]: an operator of the graph, the template that yields at most one dataset a batch time.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::OperatorUid;
use super::registry::Registry;
use crate::rdd::{Element, Rdd, TaskError};
use crate::state::AnyState;
use crate::time::Time;

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
    /// The line that declared it.
    pub(crate) caller: &'static Location<'static>,
    uid: RwLock<OperatorUid>,
    remember: Mutex<Duration>,
    persisted: AtomicBool,
}

impl NodeCore {
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
}

/// The datasets that an operator has yielded and that are still remembered.
pub(crate) type Generated<T> = BTreeMap<Time, Option<Rdd<T>>>;

type Compute<T> =
    dyn Fn(&NodeCore, &Generated<T>, Time) -> Result<Option<Rdd<T>>, TaskError> + Send + Sync;

/// An operator that yields datasets of `T`.
pub(crate) struct StreamNode<T: ?Sized + Element> {
    core: NodeCore,
    registry: Arc<Registry>,
    compute: Box<Compute<T>>,
    generated: Mutex<Generated<T>>,
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

impl<T: ?Sized + Element> StreamNode<T> {
    pub(crate) fn register(
        registry: &Arc<Registry>,
        parts: NodeParts,
        compute: impl Fn(Time) -> Result<Option<Rdd<T>>, TaskError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::register_with(registry, parts, move |_, _, time| compute(time))
    }

    /// As [`StreamNode::register`], for an operator whose `compute` needs to know its own core and its own
    /// earlier datasets.
    pub(crate) fn register_with(
        registry: &Arc<Registry>,
        parts: NodeParts,
        compute: impl Fn(&NodeCore, &Generated<T>, Time) -> Result<Option<Rdd<T>>, TaskError>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        let node = Arc::new(Self {
            core: NodeCore {
                id: registry.next_id(),
                kind: parts.kind,
                parents: parts.parents,
                slide: parts.slide,
                looks_back: parts.looks_back,
                state: parts.state,
                is_input: parts.is_input,
                caller: parts.caller,
                uid: RwLock::new(parts.uid),
                remember: Mutex::new(parts.slide),
                persisted: AtomicBool::new(false),
            },
            registry: Arc::clone(registry),
            compute: Box::new(compute),
            generated: Mutex::default(),
        });
        registry.add_node(node.clone());
        node
    }

    /// What is known of the operator besides its element type.
    pub(crate) fn core(&self) -> &NodeCore {
        &self.core
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The dataset of the batch at `time`: `None` when the stream has none then.
    pub(crate) fn get_or_compute(&self, time: Time) -> Result<Option<Rdd<T>>, TaskError> {
        let zero = self.registry.zero_time();
        if time <= zero || !time.is_step_from(zero, self.core.slide) {
            return Ok(None);
        }
        // Locks are taken from children to parents only, so they can't form a circle.
        let mut generated = self
            .generated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(rdd) = generated.get(&time) {
            return Ok(rdd.clone());
        }
        let mut rdd = (self.compute)(&self.core, &generated, time)?;
        if self.core.persisted.load(Ordering::Relaxed) {
            rdd = rdd.map(|rdd| rdd.cache());
        }
        generated.insert(time, rdd.clone());
        Ok(rdd)
    }

    /// The datasets of all batches in `(after, until]`.
    pub(crate) fn slice(&self, after: Time, until: Time) -> Result<Vec<Rdd<T>>, TaskError> {
        let zero = self.registry.zero_time();
        let slide = self.core.slide;
        let first = zero.max(after).plus(Duration::from_millis(1));
        let first = zero.plus(
            slide
                * u32::try_from(
                    first
                        .since(zero)
                        .as_millis()
                        .div_ceil(slide.as_millis().max(1)),
                )
                .unwrap_or(u32::MAX),
        );
        let mut rdds = Vec::new();
        for time in Time::steps(first, until, slide) {
            rdds.extend(self.get_or_compute(time)?);
        }
        Ok(rdds)
    }
}

impl<T: ?Sized + Element> AnyNode for StreamNode<T> {
    fn core(&self) -> &NodeCore {
        &self.core
    }

    fn clear_metadata(&self, now: Time) {
        let oldest = now.minus(self.core.remember());
        let mut generated = self
            .generated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Dropped outside the lock: a dataset may hold much memory.
        let kept = generated.split_off(&oldest.plus(Duration::from_millis(1)));
        let gone = std::mem::replace(&mut *generated, kept);
        drop(generated);
        drop(gone);
    }

    fn prepare(&self, time: Time) -> Result<(), TaskError> {
        match self.get_or_compute(time)? {
            Some(rdd) => rdd.node().prepare(rdd.executor()).map_err(TaskError::new),
            None => Ok(()),
        }
    }
}
