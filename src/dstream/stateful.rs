//! Streams with state: `update_state_by_key`.

use std::panic::Location;
use std::sync::Arc;

use super::{DStream, NodeParts, StreamNode};
use crate::rdd::{Data, Key, Partitioning};
use crate::state::{KeyedState, StateKey, StateValue, update_state};

impl<K: Key + StateKey, V: Data> DStream<(K, V)> {
    /// A running state for each key: in every batch `f` is called for every key that has a state or new
    /// values, with the values and the state so far; `None` drops the key. Yields every key's state.
    ///
    /// A batch's changes take effect when all of its outputs are committed, so a batch that is run again
    /// sees the state that it saw the first time. Needs a checkpoint location.
    #[track_caller]
    pub fn update_state_by_key<S: StateValue>(
        &self,
        f: impl Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<(K, S)> {
        let partitions = self.registry().default_partitions;
        self.update_state_at(f, partitions.into(), Vec::new(), Location::caller())
    }

    /// As [`DStream::update_state_by_key`], partitioned as said and beginning with `initial`, which is
    /// used when there's no checkpointed state.
    #[track_caller]
    pub fn update_state_by_key_with<S: StateValue>(
        &self,
        f: impl Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
        partitioning: impl Into<Partitioning<K>>,
        initial: Vec<(K, S)>,
    ) -> DStream<(K, S)> {
        self.update_state_at(f, partitioning.into(), initial, Location::caller())
    }

    fn update_state_at<S: StateValue>(
        &self,
        f: impl Fn(&[V], Option<&S>) -> Option<S> + Send + Sync + 'static,
        partitioning: Partitioning<K>,
        initial: Vec<(K, S)>,
        caller: &'static Location<'static>,
    ) -> DStream<(K, S)> {
        let state = Arc::new(KeyedState::new(partitioning, initial));
        let parts = NodeParts {
            state: Some(state.clone()),
            ..self.child("update_state_by_key", caller)
        };
        let (parent, f) = (Arc::clone(self.node()), Arc::new(f));
        DStream::from_node(StreamNode::register(self.registry(), parts, move |time| {
            let batch = parent.get_or_compute(time)?;
            Ok(batch.map(|batch| update_state(&state, &batch, time, Arc::clone(&f))))
        }))
    }
}
