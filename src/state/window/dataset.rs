//! A window as a dataset: each key with its value, handed out where it lies.

use std::sync::{Arc, Mutex, PoisonError};

use super::WindowState;
use super::method::Method;
use crate::rdd::{Executor, JobError, Rdd, RddNode, Sink, Stop, TaskError, visit_table};
use crate::state::{StateKey, StateValue};
use crate::time::Time;

/// Batches with their partial results; `None` when no window reads them.
pub(crate) type Batches<K, V> = Vec<(Time, Option<Rdd<(K, V)>>)>;

/// The dataset of the window's values after the last of `batches`, which is that at `time`. Those before
/// are there where a window begins to be kept after its stream began.
pub(crate) fn windowed<K: StateKey, V: StateValue, M: Method<K, V>>(
    state: &Arc<WindowState<K, V, M>>,
    batches: Batches<K, V>,
    time: Time,
    zero: Time,
    executor: &Executor,
) -> Rdd<(K, V)> {
    let node = Windowed {
        state: Arc::clone(state),
        batches: Mutex::new(batches),
        time,
        zero,
    };
    Rdd::new(node, executor)
}

struct Windowed<K: StateKey, V: StateValue, M: Method<K, V>> {
    state: Arc<WindowState<K, V, M>>,
    /// Let go once they have been taken in.
    batches: Mutex<Batches<K, V>>,
    time: Time,
    zero: Time,
}

impl<K: StateKey, V: StateValue, M: Method<K, V>> RddNode<(K, V)> for Windowed<K, V, M> {
    fn partitions(&self) -> usize {
        self.state.partition_count()
    }

    fn prepare(&self, executor: &Executor) -> Result<(), JobError> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        for (time, partials) in batches.iter() {
            if let Some(partials) = partials {
                partials.node().prepare(executor)?;
            }
            let partials = partials.as_ref();
            self.state.advance(*time, self.zero, partials, executor)?;
        }
        batches.clear();
        Ok(())
    }

    fn compute(&self, partition: usize, sink: &mut Sink<'_, (K, V)>) -> Result<(), Stop> {
        let Some(held) = self.state.read(partition) else {
            return Ok(());
        };
        if held.applied != self.time {
            return Err(TaskError::Gone(format!(
                "the window of the batch at {} is gone: it is now that of {}; a stream whose past is read \
                 must be persisted",
                self.time, held.applied
            ))
            .into());
        }
        visit_table(held.pairs(), sink)
    }
}
