//! [`Sliced`]: a shuffle that has no room in memory as a whole. Each partition is made when it is read,
//! slice by slice: of a slice's keys all that the inputs hold is folded, handed on and dropped. So the
//! inputs are computed again for each slice, and whatever is larger than memory takes longer. Keys and
//! values needn't be written anywhere, as they may be of any type; what the inputs are computed from lies
//! in blocks, which are on a disk where that is wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::fold::Folding;
use super::memory::TooMuch;
use super::slice::Slice;
use super::{Inputs, Table};
use crate::effects;
use crate::rdd::{Data, Executor, Sink, Stop, TaskError, position, visit_table};

/// No partition is cut into more than 2 to this many slices: each is a pass over all inputs.
const DEEPEST: u32 = 12;

/// What a shuffle is made of, to be read a slice at a time.
pub(super) struct Sliced<K, A> {
    inputs: Arc<dyn Inputs<K, A>>,
    executor: Executor,
    /// How often a slice was halved until it had room.
    depth: AtomicU32,
}

impl<K: Data, A: Data> Sliced<K, A> {
    pub(super) fn new(inputs: Arc<dyn Inputs<K, A>>, executor: &Executor) -> Self {
        Self {
            inputs,
            executor: executor.clone(),
            depth: AtomicU32::new(0),
        }
    }

    /// Pushes a partition's keys into `sink`.
    pub(super) fn visit(&self, partition: usize, sink: &mut Sink<'_, (K, A)>) -> Result<(), Stop> {
        let mut left = vec![Slice::whole(partition)];
        while let Some(slice) = left.pop() {
            // What was too large for one partition is for the others, too.
            let is_known = slice.depth < self.depth.load(Ordering::Relaxed);
            let folded = match is_known {
                true => None,
                false => self.fold(slice)?,
            };
            match folded {
                Some(folded) => {
                    let tables = folded.tables.iter().flat_map(Table::iter);
                    visit_table(tables.map(|entry| &entry.pair), sink)?;
                }
                None => {
                    self.depth.fetch_max(slice.depth + 1, Ordering::Relaxed);
                    left.extend(slice.halves());
                }
            }
        }
        Ok(())
    }

    /// What the inputs hold of a slice; `None` when that has no room and its halves may have.
    fn fold(&self, slice: Slice) -> Result<Option<Folding<K, A>>, TaskError> {
        let mut folding = Folding::of_slice(slice, &self.executor);
        let pass = || {
            let mut inputs = 0..self.inputs.inputs();
            inputs.try_for_each(|input| self.inputs.fold(input, &mut folding))
        };
        // Of a pass that is given up nothing stays.
        let (folded, left) = effects::collect_if_any(effects::is_collecting(), || {
            // Whoever seeks a record's place doesn't find it behind a shuffle.
            position::unsought(pass)
        });
        self.executor.shuffles().note_pass();
        match folded {
            Ok(()) => {
                effects::absorb(left);
                Ok(Some(folding))
            }
            Err(error) => {
                let is_too_much = error.as_failed::<TooMuch>().is_some();
                let is_least = slice.depth == DEEPEST || !folding.has_several_keys();
                match is_too_much && !is_least {
                    true => Ok(None),
                    false => Err(error),
                }
            }
        }
    }
}
