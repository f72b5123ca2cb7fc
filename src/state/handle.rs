//! [`State`]: one key's state in the hands of a function.

use std::panic::Location;

use crate::rdd::TaskError;

/// One key's state, as a function of [`map_with_state`](crate::DStream::map_with_state) sees and changes
/// it.
///
/// What the function leaves takes effect with its batch: when all of the batch's outputs are committed.
/// What must not be done (to update a state after it was removed, or one that times out; to remove one
/// that times out, or twice; to get one that isn't there) ends the function at once and fails its task
/// with the line that did it. As in Spark, where it is an exception.
///
/// ```
/// use tidemill::state::{State, StateSpec};
///
/// // Counts each key's records, and forgets a key that says goodbye.
/// let spec = StateSpec::function(
///     |key: &String, word: Option<&String>, count: &mut State<'_, u64>| {
///         if word.is_some_and(|word| word == "goodbye") {
///             count.remove();
///             return (key.clone(), 0);
///         }
///         let now = count.get_option().copied().unwrap_or_default() + 1;
///         count.update(now);
///         (key.clone(), now)
///     },
/// );
/// # let _ = spec;
/// ```
#[derive(Debug)]
pub struct State<'a, S> {
    before: Option<&'a S>,
    now: Now<S>,
    is_timing_out: bool,
}

/// What a function made of a state.
#[derive(Debug)]
pub(super) enum Now<S> {
    AsBefore,
    Updated(S),
    Removed,
}

impl<'a, S> State<'a, S> {
    pub(super) fn of(before: Option<&'a S>) -> Self {
        Self {
            before,
            now: Now::AsBefore,
            is_timing_out: false,
        }
    }

    pub(super) fn timing_out(before: &'a S) -> Self {
        Self {
            is_timing_out: true,
            ..Self::of(Some(before))
        }
    }

    pub(super) fn into_now(self) -> Now<S> {
        self.now
    }

    /// Whether the key has a state: from earlier batches, or updated just now, and not removed.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// // Whether a key is new.
    /// let spec = StateSpec::function(|_: &String, n: Option<&u64>, last: &mut State<'_, u64>| {
    ///     let is_new = !last.exists();
    ///     n.map(|n| last.update(*n));
    ///     is_new
    /// });
    /// # let _ = spec;
    /// ```
    pub fn exists(&self) -> bool {
        self.get_option().is_some()
    }

    /// The state. Where there may be none, ask [`State::exists`] first, or use [`State::get_option`].
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|_: &String, n: Option<&u64>, last: &mut State<'_, u64>| {
    ///     let rise = n.filter(|_| last.exists()).map(|n| n.abs_diff(*last.get()));
    ///     n.map(|n| last.update(*n));
    ///     rise
    /// });
    /// # let _ = spec;
    /// ```
    #[track_caller]
    pub fn get(&self) -> &S {
        match self.get_option() {
            Some(state) => state,
            None => refuse("there is no state to get: ask `exists`, or use `get_option`"),
        }
    }

    /// The state, if the key has one.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|_: &String, n: Option<&u64>, total: &mut State<'_, u64>| {
    ///     let now = total.get_option().copied().unwrap_or_default() + n.copied().unwrap_or_default();
    ///     total.update(now);
    /// });
    /// # let _ = spec;
    /// ```
    pub fn get_option(&self) -> Option<&S> {
        match &self.now {
            Now::AsBefore => self.before,
            Now::Updated(state) => Some(state),
            Now::Removed => None,
        }
    }

    /// Sets the state.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// let spec = StateSpec::function(|_: &String, n: Option<&u64>, last: &mut State<'_, u64>| {
    ///     n.map(|n| last.update(*n))
    /// });
    /// # let _ = spec;
    /// ```
    #[track_caller]
    pub fn update(&mut self, state: S) {
        if matches!(self.now, Now::Removed) {
            refuse("a state can't be updated after it was removed");
        }
        if self.is_timing_out {
            refuse("a state that is timing out can't be updated; ask `is_timing_out`");
        }
        self.now = Now::Updated(state);
    }

    /// Removes the key; it is as new when it comes again.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// // Every second record of a key makes it as new.
    /// let spec = StateSpec::function(|key: &String, _: Option<&u64>, seen: &mut State<'_, bool>| {
    ///     match seen.exists() {
    ///         true => seen.remove(),
    ///         false => seen.update(true),
    ///     }
    ///     key.clone()
    /// });
    /// # let _ = spec;
    /// ```
    #[track_caller]
    pub fn remove(&mut self) {
        if self.is_timing_out {
            refuse(
                "a state that is timing out can't be removed, it goes by itself; ask `is_timing_out`",
            );
        }
        if matches!(self.now, Now::Removed) {
            refuse("a state can't be removed twice");
        }
        self.now = Now::Removed;
    }

    /// Whether the key has timed out: the function sees it for the last time, and without a value.
    ///
    /// ```
    /// use tidemill::state::{State, StateSpec};
    ///
    /// use std::time::Duration;
    ///
    /// // Keys that nothing was heard of for a minute.
    /// let spec = StateSpec::function(|key: &String, n: Option<&u64>, last: &mut State<'_, u64>| {
    ///     if let Some(n) = n {
    ///         last.update(*n);
    ///     }
    ///     last.is_timing_out().then(|| key.clone())
    /// })
    /// .timeout(Duration::from_secs(60));
    /// # let _ = spec;
    /// ```
    pub fn is_timing_out(&self) -> bool {
        self.is_timing_out
    }
}

/// Ends the function.
#[track_caller]
fn refuse(what: &str) -> ! {
    TaskError::new(format!("{}: {what}", Location::caller())).throw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdd::contained;

    fn refused(change: impl Fn(&mut State<'_, u32>), mut state: State<'_, u32>) -> String {
        let done = contained(|| {
            change(&mut state);
            Ok(())
        });
        done.unwrap_err().to_string()
    }

    #[test]
    fn a_state_that_is_not_there_comes_and_goes() {
        let mut state = State::of(None);
        assert!(!state.exists() && !state.is_timing_out());
        assert_eq!(state.get_option(), None);
        state.update(1);
        state.update(2);
        assert!(state.exists());
        assert_eq!((*state.get(), state.get_option()), (2, Some(&2)));
        assert!(matches!(state.into_now(), Now::Updated(2)));
        let mut state = State::<u32>::of(None);
        state.remove();
        assert!(!state.exists());
        assert!(matches!(state.into_now(), Now::Removed));
    }

    #[test]
    fn a_state_that_is_there_is_left_updated_or_removed() {
        let held = 7;
        let state = State::of(Some(&held));
        assert_eq!((state.exists(), *state.get()), (true, 7));
        assert!(matches!(state.into_now(), Now::AsBefore));
        let mut state = State::of(Some(&held));
        state.update(8);
        assert_eq!(*state.get(), 8);
        state.remove();
        assert_eq!((state.exists(), state.get_option()), (false, None));
        assert!(matches!(state.into_now(), Now::Removed));
    }

    #[test]
    fn what_must_not_be_done_names_its_line() {
        let held = 7;
        let there = || State::of(Some(&held));
        let leaving = || State::timing_out(&held);
        assert!(leaving().is_timing_out() && leaving().exists() && *leaving().get() == 7);
        for (message, expected) in [
            (
                refused(
                    |s| {
                        s.get();
                    },
                    State::of(None),
                ),
                "no state to get",
            ),
            (
                refused(
                    |s| {
                        s.remove();
                        s.get();
                    },
                    there(),
                ),
                "no state to get",
            ),
            (
                refused(
                    |s| {
                        s.remove();
                        s.update(1);
                    },
                    there(),
                ),
                "after it was removed",
            ),
            (
                refused(
                    |s| {
                        s.remove();
                        s.remove();
                    },
                    there(),
                ),
                "removed twice",
            ),
            (
                refused(|s| s.update(1), leaving()),
                "timing out can't be updated",
            ),
            (
                refused(|s| s.remove(), leaving()),
                "timing out can't be removed",
            ),
        ] {
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("handle.rs:"), "{message}");
        }
    }
}
