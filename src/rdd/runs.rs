//! [`Runs`]: partitions dealt out to workers in runs of neighbours, so that what each worker made of its
//! runs can be put together in the order of the partitions.
//!
//! Each worker begins with an equal share. One that has finished takes over from whoever has most left: all
//! of it from a worker that hasn't begun, else the later half, as in work stealing by ranges (rayon's and
//! Cilk's "steal half").

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is left of one worker's run.
#[derive(Debug)]
struct Run {
    left: Range<usize>,
    is_begun: bool,
}

/// The runs of all workers.
#[derive(Debug)]
pub(super) struct Runs(Vec<Mutex<Run>>);

impl Runs {
    /// `partitions` for `workers`, whose shares differ by one at most.
    pub(super) fn new(partitions: usize, workers: usize) -> Self {
        let workers = workers.max(1);
        let begin = |worker: usize| {
            let (share, more) = (partitions / workers, partitions % workers);
            worker * share + worker.min(more)
        };
        let run = |worker| Run {
            left: begin(worker)..begin(worker + 1),
            is_begun: false,
        };
        Self((0..workers).map(run).map(Mutex::new).collect())
    }

    /// The worker's next partition; none are left for anybody when there is none.
    pub(super) fn next(&self, worker: usize) -> Option<usize> {
        let mut own = lock(self.0.get(worker)?);
        own.is_begun = true;
        let next = own.left.next();
        drop(own);
        next.or_else(|| self.take_over(worker))
    }

    /// Puts what another worker has left into this worker's empty run, and takes the first of it.
    fn take_over(&self, worker: usize) -> Option<usize> {
        loop {
            // Of several, the next one: that may go on where the own run has ended.
            let others = (1..self.0.len()).rev();
            let others = others.filter_map(|step| self.0.get((worker + step) % self.0.len()));
            let mut other = lock(others.max_by_key(|slot| lock(slot).left.len())?);
            let middle = match other.is_begun {
                true => other.left.start + other.left.len() / 2,
                false => other.left.start,
            };
            let mut taken = middle..other.left.end;
            if let Some(first) = taken.next() {
                other.left.end = middle;
                drop(other);
                lock(self.0.get(worker)?).left = taken;
                return Some(first);
            }
            // Somebody was faster, unless nothing is left at all.
            drop(other);
            if self.0.iter().all(|slot| lock(slot).left.is_empty()) {
                return None;
            }
        }
    }
}

fn lock(slot: &Mutex<Run>) -> MutexGuard<'_, Run> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the workers take when they are let go in `turns`, until nothing is left.
    fn worked_off(partitions: usize, workers: usize, turns: &[usize]) -> Vec<Vec<usize>> {
        let runs = Runs::new(partitions, workers);
        let mut taken = vec![Vec::new(); workers];
        for turn in turns.iter().copied().chain(0..workers) {
            taken[turn % workers].extend(runs.next(turn % workers));
        }
        while let Some(partition) = runs.next(0) {
            taken[0].push(partition);
        }
        assert!((0..workers).all(|worker| runs.next(worker).is_none()));
        taken
    }

    #[test]
    fn shares_are_equal_and_who_has_finished_takes_the_later_half() {
        let in_turn: Vec<usize> = (0..10).collect();
        assert_eq!(
            worked_off(10, 2, &in_turn),
            [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
        );
        let first_is_fast = [1, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            worked_off(10, 2, &first_is_fast),
            [vec![0, 1, 2, 3, 4, 8, 9], vec![5, 6, 7]]
        );
    }

    #[test]
    fn what_nobody_has_begun_is_taken_whole() {
        assert_eq!(
            worked_off(7, 3, &[0; 20]),
            [(0..7).collect(), vec![], vec![]]
        );
        assert_eq!(worked_off(0, 2, &[]), [[0; 0]; 2]);
    }

    proptest! {
        #[test]
        fn each_partition_is_taken_once(
            partitions in 0..40usize,
            workers in 1..6usize,
            turns in proptest::collection::vec(0..6usize, 0..60),
        ) {
            let mut all: Vec<usize> = worked_off(partitions, workers, &turns).concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..partitions).collect::<Vec<_>>());
        }
    }
}
