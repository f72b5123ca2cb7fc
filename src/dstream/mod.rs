//! Discretised streams: the operators of a program, each a template that yields one dataset a batch.
//!
//! A [`DStream`] is a handle to an operator. Its methods declare further operators; nothing runs until
//! the context starts. Every method names Spark's; where text is concerned, closures take and give
//! `&str` views into the block that the text came in.

mod aggregate;
mod node;
mod operation;
mod operator;
mod output;
mod pairs;
mod registry;
mod stateful;
mod transform;
mod window;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

pub use output::Outcome;
pub use registry::Mistake;

pub(crate) use node::StreamNode;
pub(crate) use operation::{Job, OutputOperation};
pub(crate) use operator::{AnyNode, NodeParts};
pub(crate) use registry::Registry;
pub(crate) use transform::union_at;

use crate::rdd::{Element, Rdd, TaskError};
use crate::time::Time;
use crate::uid::OperatorUid;

/// A stream of datasets, one for each of its batch times.
pub struct DStream<T: ?Sized + Element> {
    node: Arc<StreamNode<T>>,
}

impl<T: ?Sized + Element> Clone for DStream<T> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
        }
    }
}

impl<T: ?Sized + Element> fmt::Debug for DStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.node.core();
        f.debug_struct("DStream")
            .field("uid", &core.uid())
            .field("kind", &core.kind)
            .finish()
    }
}

impl<T: ?Sized + Element> DStream<T> {
    pub(crate) fn from_node(node: Arc<StreamNode<T>>) -> Self {
        Self { node }
    }

    pub(crate) fn node(&self) -> &Arc<StreamNode<T>> {
        &self.node
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        self.node.registry()
    }

    /// Names this operator for checkpoints, in place of the name derived from its place in the graph.
    /// State, unfinished batches and committed outputs follow the uid when the program changes. Name an
    /// operator before declaring further ones on it: their uids derive from it.
    #[must_use]
    #[track_caller]
    pub fn uid(self, uid: impl AsRef<str>) -> Self {
        let core = self.node.core();
        let new = OperatorUid::new(uid);
        if self.registry().rename_uid(&core.uid(), &new) {
            core.set_uid(new);
        } else {
            self.mistake(
                Location::caller(),
                format!("the uid `{new}` is taken by another operator; uids must differ"),
            );
        }
        self
    }

    /// How far apart its datasets are: the batch interval, or a window's slide.
    pub fn slide_duration(&self) -> Duration {
        self.node.core().slide
    }

    /// Keeps each dataset in memory once computed, for as long as later batches read it. Windowed and
    /// stateful streams do so by themselves.
    #[must_use]
    pub fn persist(self) -> Self {
        self.node.core().persist();
        self
    }

    /// As [`DStream::persist`].
    #[must_use]
    pub fn cache(self) -> Self {
        self.persist()
    }

    /// Keeps each dataset for at least `length` after its batch.
    #[must_use]
    pub fn remember(self, length: Duration) -> Self {
        self.node.core().remember_at_least(length);
        self
    }

    /// The datasets of the batches in `[from, to]`, for queries beside the stream; batches that are no
    /// longer remembered are computed again from their blocks where those are still kept.
    ///
    /// # Errors
    /// When a dataset can't be rebuilt.
    pub fn slice(&self, from: Time, to: Time) -> Result<Vec<Rdd<T>>, TaskError> {
        self.node.slice(from.minus(Duration::from_millis(1)), to)
    }

    pub(crate) fn mistake(&self, caller: &'static Location<'static>, message: String) {
        let uid = self.node.core().uid();
        self.registry().mistake(Mistake {
            uid,
            message,
            caller,
        });
    }

    /// A uid for an operator that reads this one.
    pub(crate) fn child_uid(&self, kind: &str) -> OperatorUid {
        self.registry()
            .new_uid(&format!("{}.{kind}", self.node.core().uid()))
    }

    /// What an operator that reads only this one is made of.
    pub(crate) fn child(
        &self,
        kind: &'static str,
        caller: &'static Location<'static>,
    ) -> NodeParts {
        let core = self.node.core();
        NodeParts {
            kind,
            parents: vec![core.id],
            slide: core.slide,
            looks_back: Duration::ZERO,
            state: None,
            is_input: false,
            caller,
            uid: self.child_uid(kind),
        }
    }

    /// An operator whose dataset at a time is made of this one's at that time.
    pub(crate) fn derive<U: ?Sized + Element>(
        &self,
        kind: &'static str,
        caller: &'static Location<'static>,
        f: impl Fn(&Rdd<T>) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U> {
        let parent = Arc::clone(&self.node);
        let compute = move |time| Ok(parent.get_or_compute(time)?.map(|rdd| f(&rdd)));
        DStream::from_node(StreamNode::register(
            self.registry(),
            self.child(kind, caller),
            compute,
        ))
    }
}
