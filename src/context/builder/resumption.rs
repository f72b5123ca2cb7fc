//! What becomes of what a checkpoint holds.

use super::Builder;
use crate::uid::OperatorUid;

impl Builder {
    /// Says that what checkpoints call `old` is `new` in this program: state, received data and positions
    /// follow. It may stay for ever, since it changes nothing once a checkpoint knows the new name. Nothing
    /// of the kind is in Spark.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1))
    ///     .rename_operator("lines.flat_map.count_by_value.update_state_by_key", "totals");
    /// ```
    pub fn rename_operator(mut self, old: impl AsRef<str>, new: impl AsRef<str>) -> Self {
        let (old, new) = (OperatorUid::new(old), OperatorUid::new(new));
        self.0.permits.renames.insert(old, new);
        self
    }

    /// Gives up the state that a checkpoint holds under `uid`, where the program has no place for it: without
    /// this such a start is refused. State that the program can go on with is kept all the same.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1)).drop_state("visits");
    /// ```
    pub fn drop_state(mut self, uid: impl AsRef<str>) -> Self {
        self.0.permits.drops.insert(OperatorUid::new(uid));
        self
    }

    /// Goes back to a savepoint, instead of on from the newest checkpoint: state, positions of direct sources
    /// and data that waited are as when it was cut. Batch times go on from now, and what had been
    /// acknowledged after it and was in no complete batch is processed; `docs/upgrades.md` says it exactly.
    ///
    /// Once begun, a restart with the same name goes on and not back again. To go back once more, start once
    /// without it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1)).from_savepoint("before-v2");
    /// ```
    pub fn from_savepoint(mut self, name: impl Into<String>) -> Self {
        self.0.savepoint = Some(name.into());
        self
    }
}
