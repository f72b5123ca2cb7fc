//! [`Budget`]: the memory that bodies under way may hold over all sources. [`Room`]: what one of them holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::IngestError;

/// In what units it is counted, in bytes.
const UNIT: usize = 1 << 10;

/// What bodies may hold unless it is set, in bytes.
const USUAL: usize = 256 << 20;

/// How much memory bodies under way may hold.
pub(super) struct Budget {
    room: Arc<Semaphore>,
    sizes: Mutex<Sizes>,
}

/// In units.
struct Sizes {
    /// What was asked for.
    wanted: usize,
    /// The largest body that a source takes: it must fit, whatever was asked for.
    largest: usize,
    /// What there is, taken or free.
    all: usize,
}

impl Default for Budget {
    fn default() -> Self {
        let all = USUAL / UNIT;
        Self {
            room: Arc::new(Semaphore::new(all)),
            sizes: Mutex::new(Sizes {
                wanted: all,
                largest: 0,
                all,
            }),
        }
    }
}

impl Budget {
    /// Bodies may hold so many bytes. Room that is taken can't be given up.
    pub(super) fn set(&self, bytes: usize) {
        let mut sizes = self.lock();
        sizes.wanted = bytes.div_ceil(UNIT);
        self.fit(&mut sizes);
    }

    /// A body of so many bytes must fit.
    pub(super) fn hold(&self, body: usize) {
        let mut sizes = self.lock();
        sizes.largest = sizes.largest.max(body.div_ceil(UNIT));
        self.fit(&mut sizes);
    }

    fn fit(&self, sizes: &mut Sizes) {
        let all = sizes.wanted.max(sizes.largest).min(Semaphore::MAX_PERMITS);
        match all.checked_sub(sizes.all) {
            Some(more) => {
                self.room.add_permits(more);
                sizes.all = all;
            }
            None => sizes.all -= self.room.forget_permits(sizes.all - all),
        }
    }

    /// No room yet, for a body that begins.
    pub(super) fn room(&self) -> Room<'_> {
        Room {
            budget: self,
            taken: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sizes> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a body takes of it until it is dropped.
pub(super) struct Room<'a> {
    budget: &'a Budget,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room<'_> {
    /// Takes so many bytes more.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), IngestError> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.budget.room);
        let more = room.try_acquire_many_owned(units).map_err(|_| {
            let most = (self.budget.lock().all * UNIT) as f64 / f64::from(1 << 20);
            let reason = format!("posts that are under way hold {most} MiB, the most they may");
            IngestError::NoRoom {
                reasons: vec![reason],
            }
        })?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(budget: &Budget) -> usize {
        budget.room.available_permits() * UNIT
    }

    #[test]
    fn the_largest_body_fits_however_little_is_allowed() {
        let budget = Budget::default();
        assert_eq!(free(&budget), USUAL);
        budget.hold(8 << 20);
        assert_eq!(free(&budget), USUAL, "it fits already");
        budget.set(4 << 20);
        assert_eq!(free(&budget), 8 << 20);
        budget.hold(1 << 20);
        budget.set(16 << 20);
        assert_eq!(free(&budget), 16 << 20);
    }

    #[test]
    fn what_is_taken_is_free_again_when_the_body_goes_and_too_much_is_refused() {
        let budget = Budget::default();
        budget.set(3 * UNIT);
        let (mut one, mut other) = (budget.room(), budget.room());
        one.take(UNIT + 1).unwrap();
        other.take(1).unwrap();
        let refused = other.take(1).unwrap_err();
        assert_eq!(refused.reason(), "no_room");
        drop(one);
        other.take(2 * UNIT).unwrap();
        drop(other);
        assert_eq!(free(&budget), 3 * UNIT);
    }
}
