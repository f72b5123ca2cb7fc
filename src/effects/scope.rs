//! [`Scope`]: which buffer of the thread takes what is added now.
//!
//! The steps of a fused chain call each other, chunk by chunk, on one thread. While a step's own code runs,
//! its own buffer is the thread's; while it hands a chunk on, that of whoever called it is. A swap of three
//! words a chunk, and no lock and no look-up a record.

use std::cell::Cell;

use super::{Effect, EffectId, Effects};

thread_local! {
    /// `None`: nothing is gathered here.
    static CURRENT: Cell<Option<Effects>> = const { Cell::new(None) };
}

/// A buffer that is the thread's from [`enter`](Scope::enter) to [`leave`](Scope::leave).
pub(crate) struct Scope {
    /// The other buffer: the caller's while inside, one's own while outside.
    other: Option<Effects>,
    is_inside: bool,
}

impl Scope {
    pub(crate) fn enter() -> Self {
        Self {
            other: CURRENT.replace(Some(Effects::default())),
            is_inside: true,
        }
    }

    /// Runs what belongs to the caller.
    pub(crate) fn outside<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.swap();
        let result = work();
        self.swap();
        result
    }

    /// Gives the thread back, and what was added.
    pub(crate) fn leave(mut self) -> Effects {
        self.swap();
        self.other.take().unwrap_or_default()
    }

    fn swap(&mut self) {
        self.other = CURRENT.replace(self.other.take());
        self.is_inside = !self.is_inside;
    }
}

impl Drop for Scope {
    /// After a panic: the caller's buffer is the thread's again, one's own goes.
    fn drop(&mut self) {
        if self.is_inside {
            self.swap();
        }
    }
}

/// Runs `work` with a buffer of its own.
pub(crate) fn collected<R>(work: impl FnOnce() -> R) -> (R, Effects) {
    let scope = Scope::enter();
    let result = work();
    (result, scope.leave())
}

/// As [`collected`], where `wanted`.
pub(crate) fn collect_if_any<R>(wanted: bool, work: impl FnOnce() -> R) -> (R, Effects) {
    match wanted {
        true => collected(work),
        false => (work(), Effects::default()),
    }
}

/// Whether the thread gathers what is added.
pub(crate) fn is_collecting() -> bool {
    let current = CURRENT.take();
    let is_some = current.is_some();
    CURRENT.set(current);
    is_some
}

/// Adds to what is gathered for `id`, begun by `make`. Answers with `add` where nothing is gathered.
#[inline]
pub(crate) fn with<E: Effect, F: FnOnce(&mut E)>(
    id: EffectId,
    make: impl FnOnce() -> E,
    add: F,
) -> Result<(), F> {
    let Some(mut current) = CURRENT.take() else {
        return Err(add);
    };
    // `add` is the user's: what it adds elsewhere finds a buffer, too.
    CURRENT.set(Some(Effects::default()));
    if let Some(effect) = current.entry(id, make) {
        add(effect);
    }
    if let Some(nested) = CURRENT.take()
        && !nested.is_empty()
    {
        current.absorb(nested);
    }
    CURRENT.set(Some(current));
    Ok(())
}

/// Puts what other threads left into the thread's buffer, where it has one.
pub(crate) fn absorb(effects: Effects) {
    if effects.is_empty() {
        return;
    }
    if let Some(mut current) = CURRENT.take() {
        current.absorb(effects);
        CURRENT.set(Some(current));
    }
}
