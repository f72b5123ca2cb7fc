//! [`Registry`]: the operators of one program as they are declared, in order.
//!
//! Invariant: parents are registered before their children, so ids ascend along every path and the graph
//! has no circle. Mistakes are gathered, with the line of the caller, and refused all at once when the
//! context starts.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::operation::OutputOperation;
use super::operator::AnyNode;
use crate::accumulator::AccumulatorBook;
use crate::dead_letters::DeadLetterOffice;
use crate::effects::EffectBook;
use crate::rdd::Executor;
use crate::time::Time;
use crate::uid::OperatorUid;

/// Everything that is declared before the start.
pub(crate) struct Registry {
    pub(crate) application: String,
    pub(crate) batch_interval: Duration,
    pub(crate) executor: Executor,
    pub(crate) default_partitions: usize,
    pub(crate) effects: EffectBook,
    pub(crate) accumulators: AccumulatorBook,
    pub(crate) dead_letters: DeadLetterOffice,
    zero_time: OnceLock<Time>,
    /// Milliseconds: every batch up to then is complete.
    complete_through: AtomicU64,
    declared: Mutex<Declared>,
}

#[derive(Default)]
struct Declared {
    nodes: Vec<Arc<dyn AnyNode>>,
    outputs: Vec<Arc<OutputOperation>>,
    uids: HashSet<OperatorUid>,
    mistakes: Vec<Mistake>,
    sealed: bool,
}

/// Something that makes the program impossible to start.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{caller}: `{uid}`: {message}")]
pub struct Mistake {
    /// The operator.
    pub uid: OperatorUid,
    /// What is wrong and what would be right.
    pub message: String,
    /// The line that declared it.
    pub caller: &'static Location<'static>,
}

impl Registry {
    pub(crate) fn new(
        application: String,
        batch_interval: Duration,
        executor: Executor,
        default_partitions: usize,
        dead_letters: DeadLetterOffice,
    ) -> Self {
        Self {
            application,
            batch_interval,
            executor,
            default_partitions: default_partitions.max(1),
            effects: EffectBook::default(),
            accumulators: AccumulatorBook::default(),
            dead_letters,
            zero_time: OnceLock::new(),
            complete_through: AtomicU64::new(0),
            declared: Mutex::default(),
        }
    }

    /// The time before the first batch; set once, when the context starts.
    pub(crate) fn zero_time(&self) -> Time {
        self.zero_time.get().copied().unwrap_or_default()
    }

    pub(crate) fn set_zero_time(&self, time: Time) {
        let _ = self.zero_time.set(time);
    }

    /// Every batch up to this one is complete; `None` before the start.
    pub(crate) fn complete_through(&self) -> Option<Time> {
        self.zero_time.get()?;
        Some(Time::from_millis(
            self.complete_through.load(Ordering::Acquire),
        ))
    }

    pub(crate) fn set_complete_through(&self, time: Time) {
        self.complete_through
            .store(time.as_millis(), Ordering::Release);
    }

    /// A uid for a new operator: `wanted`, or `wanted#2`, ... when it is taken.
    pub(crate) fn new_uid(&self, wanted: &str) -> OperatorUid {
        let mut declared = self.declared();
        let mut uid = OperatorUid::new(wanted);
        let mut number = 2;
        while !declared.uids.insert(uid.clone()) {
            uid = OperatorUid::new(format!("{wanted}#{number}"));
            number += 1;
        }
        uid
    }

    /// Gives up one uid for another; `false` when the new one is taken.
    pub(crate) fn rename_uid(&self, old: &OperatorUid, new: &OperatorUid) -> bool {
        let mut declared = self.declared();
        if old == new {
            return true;
        }
        let free = declared.uids.insert(new.clone());
        if free {
            declared.uids.remove(old);
        }
        free
    }

    pub(crate) fn add_node(&self, node: Arc<dyn AnyNode>) {
        let mut declared = self.declared();
        if declared.sealed {
            drop(declared);
            self.mistake(Mistake {
                uid: node.core().uid(),
                message: "streams can't be added to a context that has started".to_owned(),
                caller: node.core().caller,
            });
            return;
        }
        declared.nodes.push(node);
    }

    pub(crate) fn add_output(&self, output: OutputOperation) {
        self.declared().outputs.push(Arc::new(output));
    }

    /// Notes a mistake. It's told at the start, or at once where that is past.
    pub(crate) fn mistake(&self, mistake: Mistake) {
        let mut declared = self.declared();
        if declared.sealed {
            tracing::error!(%mistake, "without effect");
        }
        declared.mistakes.push(mistake);
    }

    pub(crate) fn next_id(&self) -> usize {
        self.declared().nodes.len()
    }

    /// Ends the declaration.
    pub(crate) fn seal(&self) {
        self.declared().sealed = true;
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.declared().sealed
    }

    pub(crate) fn nodes(&self) -> Vec<Arc<dyn AnyNode>> {
        self.declared().nodes.clone()
    }

    pub(crate) fn outputs(&self) -> Vec<Arc<OutputOperation>> {
        self.declared().outputs.clone()
    }

    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        self.declared().mistakes.clone()
    }

    /// Whether any of these operators has a state, or reads one that isn't saved dataset by dataset in between.
    pub(crate) fn reads_state(&self, operators: &[usize]) -> bool {
        let nodes = self.nodes();
        let mut to_see = operators.to_vec();
        while let Some(node) = to_see.pop().and_then(|id| nodes.get(id)) {
            let core = node.core();
            match &core.state {
                Some(state) if state.saves_datasets() => {}
                Some(_) => return true,
                None => to_see.extend(&core.parents),
            }
        }
        false
    }

    /// Lets go of all operators. They hold the registry, and it them: without this neither would ever go.
    pub(crate) fn clear(&self) {
        let declared = std::mem::take(&mut *self.declared());
        self.seal();
        // Dropped outside the lock: what an operator holds may be anything.
        drop(declared);
    }

    fn declared(&self) -> MutexGuard<'_, Declared> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
