//! How much there is: keys and bytes that are held, records that operators yielded or put aside.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::StreamingContext;
use crate::dstream::AnyNode;
use crate::uid::OperatorUid;

/// A state's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateSize {
    /// The operator.
    pub uid: OperatorUid,
    /// Keys held.
    pub keys: u64,
    /// Bytes held by keys and values, without what they point to.
    pub bytes: u64,
}

/// See [`StreamingContext::scratch_bytes`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScratchBytes {
    pub(crate) states: u64,
    pub(crate) kept: u64,
    pub(crate) kept_in_memory: u64,
}

/// See [`StreamingContext::put_aside`].
#[derive(Debug, Clone)]
pub(crate) struct PutAside {
    pub(crate) letters: BTreeMap<OperatorUid, u64>,
    pub(crate) dropped: BTreeMap<OperatorUid, u64>,
}

impl StreamingContext {
    /// The sizes of its states.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).checkpoint("memory:").build()?;
    /// let (words, _queue) = context.queue_stream::<str>();
    /// let totals = words.count_by_value().update_state_by_key(|new: &[u64], held: Option<&u64>| {
    ///     Some(held.copied().unwrap_or_default() + new.iter().sum::<u64>())
    /// });
    /// let totals = totals.uid("totals");
    /// # totals.print();
    /// let sizes = context.state_sizes();
    /// assert_eq!((sizes[0].uid.as_str(), sizes[0].keys), ("totals", 0));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn state_sizes(&self) -> Vec<StateSize> {
        let size = |node: &Arc<dyn AnyNode>| {
            let state = node.core().state.as_ref()?;
            Some(StateSize {
                uid: node.core().uid(),
                keys: state.keys(),
                bytes: state.bytes(),
            })
        };
        self.0.registry.nodes().iter().filter_map(size).collect()
    }

    /// How many records each operator yielded in its newest batch, as far as that is complete and all of it
    /// was computed: where nothing reads an operator, or no more than the first of its records, nobody knows.
    ///
    /// Spark's page tells the records of receivers only.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::{OperatorUid, StreamingContext, Time, clock::ManualClock};
    /// # let clock = ManualClock::new(Time::from_millis(10_000));
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).clock(clock.clone()).build()?;
    /// let (lines, queue) = context.queue_stream::<str>();
    /// let words = lines.flat_map::<str>(|line, out| line.split(' ').for_each(|word| out.emit(word)));
    /// words.uid("words").for_each_rdd(|words, _| words.count().map(drop));
    /// queue.push_vec(vec!["high tide".to_owned(), "ebb".to_owned()]);
    /// context.start()?;
    /// clock.advance(Duration::from_secs(1));
    /// # while context.progress().last_completed().is_none() { std::thread::yield_now(); }
    /// assert_eq!(context.records_yielded()[&OperatorUid::new("words")], 3);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn records_yielded(&self) -> BTreeMap<OperatorUid, u64> {
        let Some(complete) = self.0.registry.complete_through() else {
            return BTreeMap::new();
        };
        let nodes = self.0.registry.nodes();
        let yielded = nodes.iter().filter_map(|node| {
            let core = node.core();
            Some((core.uid(), core.yielded.newest(complete)?))
        });
        yielded.collect()
    }

    /// Records that operators put aside as dead letters since the start, and those that they left out: of all
    /// operators that can.
    pub(crate) fn put_aside(&self) -> PutAside {
        let registry = &self.0.registry;
        let office = &registry.dead_letters;
        let nodes = registry.nodes();
        let fallible = nodes
            .iter()
            .filter(|node| office.policy(node.core().id).is_some());
        let none: BTreeMap<OperatorUid, u64> =
            fallible.map(|node| (node.core().uid(), 0)).collect();
        let with = |counts| none.clone().into_iter().chain(counts).collect();
        PutAside {
            letters: with(office.committed()),
            dropped: with(office.dropped()),
        }
    }

    /// Bytes of states and of kept datasets that have no room in memory and lie in scratch files; and of kept
    /// datasets in memory.
    pub(crate) fn scratch_bytes(&self) -> ScratchBytes {
        let nodes = self.0.registry.nodes();
        let states = nodes.iter().filter_map(|node| node.core().state.as_ref());
        let cache = self.0.registry.executor.cache();
        ScratchBytes {
            states: states.map(|state| state.spilled_bytes()).sum(),
            kept: cache.bytes_on_disk(),
            kept_in_memory: cache.bytes(),
        }
    }

    /// How often shuffles without room in memory have read their inputs for one slice.
    pub(crate) fn shuffle_slices(&self) -> u64 {
        self.0.registry.executor.shuffles().passes()
    }

    /// Bytes of received blocks in memory.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.block_bytes_in_memory(), 0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn block_bytes_in_memory(&self) -> u64 {
        self.engine()
            .map_or(0, |engine| engine.intake.store.bytes_in_memory())
    }
}
