//! What tasks leave beside their results: amounts added to accumulators, records put aside as dead letters.
//!
//! Work is done again: tasks and batches are retried, a dataset that two outputs read is computed twice, a
//! driver that died did part of a batch before. So what is added while something is computed is gathered
//! in a buffer of the thread ([`Scope`]) and *kept* under a key that names the work ([`BatchEffects`]): the
//! partition of a dataset, the output of a batch. The same work done again replaces what it left before.
//!
//! Invariant: effects count when their batch takes effect, once, and never for a batch that already did:
//! an earlier batch's dataset that a window computes again leaves nothing.

mod at;
mod batch;
mod book;
mod scope;

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use at::{at_batch, batch_time};
pub(crate) use batch::{BatchEffects, born, in_batch};
pub(crate) use book::EffectBook;
pub(crate) use scope::{Scope, absorb, collect_if_any, collected, is_collecting, with};

/// Something that tasks add to: what several of them left can be put together.
pub(crate) trait Effect: Any + Send {
    /// Takes in what another task left; it has the same type.
    fn absorb(&mut self, other: Box<dyn Effect>);

    /// How much of the batch's allowance of records put aside it takes.
    fn weight(&self) -> u64 {
        0
    }
}

/// Names what is added to, in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EffectId(u64);

impl EffectId {
    /// An id that nothing else has.
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a piece of work left: few things, so they are looked for one by one.
#[derive(Default)]
pub(crate) struct Effects(Vec<(EffectId, Box<dyn Effect>)>);

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was left for `id`, or what `make` makes as a beginning.
    #[inline]
    fn entry<E: Effect>(&mut self, id: EffectId, make: impl FnOnce() -> E) -> Option<&mut E> {
        let found = self.0.iter().position(|(held, _)| *held == id);
        let at = found.unwrap_or_else(|| {
            self.0.push((id, Box::new(make())));
            self.0.len() - 1
        });
        let (_, effect) = self.0.get_mut(at)?;
        (&mut **effect as &mut dyn Any).downcast_mut()
    }

    /// What was left for `id`.
    fn get<E: Effect>(&self, id: EffectId) -> Option<&E> {
        let (_, effect) = self.0.iter().find(|(held, _)| *held == id)?;
        (&**effect as &dyn Any).downcast_ref()
    }

    /// Takes out what was left for `id`.
    pub(crate) fn take<E: Effect>(&mut self, id: EffectId) -> Option<Box<E>> {
        let at = self.0.iter().position(|(held, _)| *held == id)?;
        let (_, effect) = self.0.swap_remove(at);
        (effect as Box<dyn Any>).downcast().ok()
    }

    /// Takes in what further work left.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (id, effect) in other.0 {
            match self.0.iter_mut().find(|(held, _)| *held == id) {
                Some((_, mine)) => mine.absorb(effect),
                None => self.0.push((id, effect)),
            }
        }
    }

    fn weight(&self) -> u64 {
        self.0.iter().map(|(_, effect)| effect.weight()).sum()
    }
}
