//! Versions of state: `state_version`, `migrate_state`, `migrate_keys`.

use std::panic::Location;

use serde::de::DeserializeOwned;

use super::DStream;
use crate::rdd::Element;
use crate::state::{Migrations, Part};

impl<T: ?Sized + Element> DStream<T> {
    /// Says which version of its key and value types this operator's state has (1 where nothing is said).
    /// Raise it by one whenever a type changes in a way that serde can't bridge by itself, and register how
    /// a state of the version before becomes one of this: [`DStream::migrate_state`], [`DStream::migrate_keys`].
    ///
    /// Structs are written as maps with field names, so a field that is added with `#[serde(default)]` and one
    /// that is left out need neither. Nothing of the kind is in Spark, where a checkpoint holds serialised
    /// objects and a changed class can't read them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// use serde::{Deserialize, Serialize};
    ///
    /// /// Version 1 was a bare `u64`.
    /// #[derive(Clone, PartialEq, Serialize, Deserialize)]
    /// struct Total {
    ///     sum: u64,
    ///     batches: u64,
    /// }
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// # let context = StreamingContext::builder("totals", Duration::from_secs(1))
    /// #     .checkpoint("memory:doc-versions").build()?;
    /// # let (words, _queue) = context.queue_stream::<str>();
    /// words
    ///     .count_by_value()
    ///     .update_state_by_key(|new: &[u64], total: Option<&Total>| {
    ///         let (sum, batches) = total.map_or((0, 0), |total| (total.sum, total.batches));
    ///         Some(Total { sum: sum + new.iter().sum::<u64>(), batches: batches + 1 })
    ///     })
    ///     .uid("totals")
    ///     .state_version(2)
    ///     .migrate_state(1, |sum: u64| Total { sum, batches: 0 })
    ///     .map_values(|total| total.sum)
    ///     .print();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn state_version(self, version: u32) -> Self {
        let caller = Location::caller();
        if version == 0 {
            self.mistake(caller, "versions of a state begin with 1".to_owned());
        } else if self
            .with_migrations(|migrations| migrations.set_version(version))
            .is_none()
        {
            self.mistake(caller, stateless("state_version"));
        }
        self
    }

    /// Says how a value of version `from` becomes one of version `from + 1`. Several steps form a chain: a
    /// state of version 1 goes through all of them. When the context starts on a checkpoint of an older
    /// version, every value is converted, and the next checkpoint holds them all in the new form.
    ///
    /// On a window that combines, partial results and values over the window are converted alike: whether values
    /// are combined before a step or after it must not matter.
    ///
    /// A step that takes or gives another type than its neighbours is a mistake, told with its line at the
    /// start. A closure that panics fails the start; the checkpoint is left as it is.
    ///
    /// ```
    /// # use tidemill::DStream;
    /// # fn declare(totals: DStream<(String, i64)>) -> DStream<(String, i64)> {
    /// totals
    ///     .state_version(3)
    ///     .migrate_state(1, |narrow: u32| u64::from(narrow))
    ///     .migrate_state(2, |unsigned: u64| i64::try_from(unsigned).unwrap_or(i64::MAX))
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn migrate_state<Old, New>(
        self,
        from: u32,
        f: impl Fn(Old) -> New + Send + Sync + 'static,
    ) -> Self
    where
        Old: DeserializeOwned + 'static,
        New: 'static,
    {
        self.migrate(Part::Values, from, f, Location::caller())
    }

    /// As [`DStream::migrate_state`], for keys. Different keys must stay different: where two become one, a
    /// state would be lost, and the start is refused.
    ///
    /// ```
    /// # use tidemill::DStream;
    /// # fn declare(totals: DStream<(String, u64)>) -> DStream<(String, u64)> {
    /// totals
    ///     .state_version(2)
    ///     .migrate_keys(1, |number: u64| format!("customer-{number}"))
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn migrate_keys<Old, New>(
        self,
        from: u32,
        f: impl Fn(Old) -> New + Send + Sync + 'static,
    ) -> Self
    where
        Old: DeserializeOwned + 'static,
        New: 'static,
    {
        self.migrate(Part::Keys, from, f, Location::caller())
    }

    fn migrate<Old: DeserializeOwned + 'static, New: 'static>(
        self,
        part: Part,
        from: u32,
        f: impl Fn(Old) -> New + Send + Sync + 'static,
        caller: &'static Location<'static>,
    ) -> Self {
        let added = self.with_migrations(|migrations| migrations.add(part, from, caller, f));
        match added {
            None => self.mistake(caller, stateless("a migration")),
            Some(false) => self.mistake(
                caller,
                format!(
                    "there are two migrations from version {from}; one step leads on from each"
                ),
            ),
            Some(true) => {}
        }
        self
    }

    fn with_migrations<R>(&self, f: impl FnOnce(&Migrations) -> R) -> Option<R> {
        let state = self.node().core().state.as_ref()?;
        state.migrations().map(f)
    }
}

fn stateless(what: &str) -> String {
    format!("{what} makes sense only directly on an operator that keeps state by key")
}
