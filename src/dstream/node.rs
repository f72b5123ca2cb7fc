//! [`StreamNode`]: an operator of the graph, the template that yields at most one dataset a batch time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::operator::{AnyNode, NodeCore, NodeParts};
use super::registry::Registry;
use crate::effects::{self, Effects};
use crate::rdd::{Element, Rdd, StorageLevel, TaskError};
use crate::time::Time;

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
    /// How its datasets are kept, where the program says so.
    kept_as: OnceLock<(StorageLevel, Keep<T>)>,
}

type Keep<T> = Box<dyn Fn(&Rdd<T>) -> Rdd<T> + Send + Sync>;

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
            core: NodeCore::new(registry.next_id(), parts),
            registry: Arc::clone(registry),
            compute: Box::new(compute),
            generated: Mutex::default(),
            kept_as: OnceLock::new(),
        });
        registry.add_node(node.clone());
        node
    }

    /// What is known of the operator besides its element type.
    pub(crate) fn core(&self) -> &NodeCore {
        &self.core
    }

    /// Keeps its datasets so. The level that was said before, if another was.
    pub(crate) fn keep_as(
        &self,
        level: StorageLevel,
        keep: impl Fn(&Rdd<T>) -> Rdd<T> + Send + Sync + 'static,
    ) -> Result<(), StorageLevel> {
        match self.kept_as.get_or_init(|| (level, Box::new(keep))).0 {
            known if known == level => Ok(()),
            other => Err(other),
        }
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
        let mut generated = self.generated();
        if let Some(rdd) = generated.get(&time) {
            return Ok(rdd.clone());
        }
        let rdd = self.make(&generated, time)?;
        let mut rdd = self.core.yielded.counted(time, rdd);
        if let Some((_, keep)) = self.kept_as.get() {
            rdd = rdd.map(|rdd| keep(&rdd));
        } else if self.core.is_persisted() {
            rdd = rdd.map(|rdd| rdd.cache());
        }
        generated.insert(time, rdd.clone());
        Ok(rdd)
    }

    /// Declares the dataset of the batch at `time`, and notes the effects of that.
    fn make(&self, generated: &Generated<T>, time: Time) -> Result<Option<Rdd<T>>, TaskError> {
        let batch = self.registry.effects.batch(time);
        let declare = || (self.compute)(&self.core, generated, time);
        let (made, left) = match &batch {
            None => (declare(), Effects::default()),
            Some(_) => effects::collected(|| effects::in_batch(batch.clone(), declare)),
        };
        let rdd = made?;
        if let Some(batch) = batch {
            batch.keep_once(batch.new_dataset(), left);
        }
        Ok(rdd)
    }

    /// The datasets of all batches in `(after, until]`.
    pub(crate) fn slice(&self, after: Time, until: Time) -> Result<Vec<Rdd<T>>, TaskError> {
        let mut rdds = Vec::new();
        for time in self.times(after, until) {
            rdds.extend(self.get_or_compute(time)?);
        }
        Ok(rdds)
    }

    /// As [`StreamNode::slice`], for queries beside the stream: of the batches that have been generated or
    /// are complete. To ask for a batch before its time would make it a batch without data.
    pub(crate) fn kept(&self, after: Time, until: Time) -> Result<Vec<Rdd<T>>, TaskError> {
        let Some(complete) = self.registry.complete_through() else {
            return Err(TaskError::Gone(format!(
                "`{}` can't be read before its context has started",
                self.core.uid()
            )));
        };
        let mut rdds = Vec::new();
        for time in self.times(after, until) {
            let generated = self.generated().get(&time).cloned();
            match generated {
                Some(rdd) => rdds.extend(rdd),
                None if time > complete => {}
                None if self.core.is_kept(time, complete) => {
                    rdds.extend(self.get_or_compute(time)?);
                }
                None => return Err(self.core.gone(time)),
            }
        }
        Ok(rdds)
    }

    /// Its batch times in `(after, until]`.
    fn times(&self, after: Time, until: Time) -> impl Iterator<Item = Time> + use<T> {
        let zero = self.registry.zero_time();
        let slide = self.core.slide;
        let first = zero.max(after).plus(Duration::from_millis(1));
        let steps = first
            .since(zero)
            .as_millis()
            .div_ceil(slide.as_millis().max(1));
        let first = zero.plus(slide * u32::try_from(steps).unwrap_or(u32::MAX));
        Time::steps(first, until, slide)
    }

    fn generated(&self) -> MutexGuard<'_, Generated<T>> {
        self.generated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized + Element> StreamNode<T> {
    /// A window takes in what its parent yields between two of its own datasets.
    fn absorb(&self, time: Time) -> Result<(), TaskError> {
        let state = self.core.state.as_ref();
        if time <= self.registry.zero_time() || state.is_none_or(|state| state.window().is_none()) {
            return Ok(());
        }
        match self.make(&Generated::new(), time)? {
            Some(rdd) => rdd.node().prepare(rdd.executor()).map_err(TaskError::new),
            None => Ok(()),
        }
    }
}

impl<T: ?Sized + Element> AnyNode for StreamNode<T> {
    fn core(&self) -> &NodeCore {
        &self.core
    }

    fn clear_metadata(&self, now: Time) {
        let oldest = now.minus(self.core.remember());
        let mut generated = self.generated();
        // Dropped outside the lock: a dataset may hold much memory.
        let kept = generated.split_off(&oldest.plus(Duration::from_millis(1)));
        let gone = std::mem::replace(&mut *generated, kept);
        drop(generated);
        drop(gone);
        self.core.yielded.forget_before(now);
    }

    fn prepare(&self, time: Time) -> Result<(), TaskError> {
        match self.get_or_compute(time)? {
            Some(rdd) => rdd.node().prepare(rdd.executor()).map_err(TaskError::new),
            None => self.absorb(time),
        }
    }

    fn complete(&self, time: Time) -> Result<(), TaskError> {
        match self.get_or_compute(time)? {
            Some(rdd) => rdd.complete().map_err(TaskError::new),
            None => Ok(()),
        }
    }
}
