//! [`StreamNode`]: an operator of the graph, the template that yields at most one dataset a batch time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::operator::{AnyNode, NodeCore, NodeParts};
use super::registry::Registry;
use crate::rdd::{Element, Rdd, TaskError};
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
            core: NodeCore::new(registry.next_id(), parts),
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
        if self.core.is_persisted() {
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
