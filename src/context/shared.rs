//! What closures share: accumulators and broadcast values.

use std::panic::Location;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StreamingContext;
use crate::accumulator::{Accumulable, Accumulator, Collection, Double, Long};
use crate::broadcast::Broadcast;
use crate::dstream::Mistake;
use crate::rdd::Data;
use crate::uid::OperatorUid;

/// An accumulator, as status shows it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccumulatorInfo {
    /// Its name.
    pub name: String,
    /// What the batches that took effect have added up to.
    pub value: serde_json::Value,
}

impl StreamingContext {
    /// A total of one's own, which holds `initial` until a batch has taken effect. Checkpoints hold it under
    /// `name`: after a restart it goes on from there, and each batch is counted once. (Spark: create it and
    /// `register` it; it begins anew after recovery.)
    ///
    /// See [`Accumulable`] for an example. Declare accumulators before the start, like streams.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use serde::{Deserialize, Serialize};
    /// use tidemill::accumulator::Accumulable;
    ///
    /// #[derive(Default, Clone, Serialize, Deserialize)]
    /// struct Longest(usize);
    ///
    /// impl Accumulable for Longest {
    ///     type Input = usize;
    ///     type Value = usize;
    ///     fn add(&mut self, length: usize) {
    ///         self.0 = self.0.max(length);
    ///     }
    ///     fn merge(&mut self, other: Self) {
    ///         self.add(other.0);
    ///     }
    ///     fn value(&self) -> usize {
    ///         self.0
    ///     }
    /// }
    ///
    /// let longest = context.accumulator("longest", Longest::default());
    /// longest.add(3);
    /// longest.add(2);
    /// assert_eq!(longest.value(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn accumulator<A: Accumulable>(&self, name: impl AsRef<str>, initial: A) -> Accumulator<A> {
        let (name, registry) = (name.as_ref(), &self.0.registry);
        let (accumulator, declared) = registry.accumulators.declare(name, initial);
        registry.effects.use_it();
        let declared = match registry.is_sealed() {
            false => declared,
            true => Err(
                "accumulators can't be added to a context that has started: what a checkpoint holds \
                 for them was looked for at the start"
                    .to_owned(),
            ),
        };
        if let Err(message) = declared {
            tracing::error!(accumulator = name, message);
            registry.mistake(Mistake {
                uid: OperatorUid::new(name),
                message,
                caller: Location::caller(),
            });
        }
        accumulator
    }

    /// A total of whole numbers. As [`accumulator`](Self::accumulator).
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let bytes = context.long_accumulator("bytes");
    /// let counted = lines.filter(move |line| {
    ///     bytes.add(line.len() as i64);
    ///     true
    /// });
    /// ```
    #[track_caller]
    pub fn long_accumulator(&self, name: impl AsRef<str>) -> Accumulator<Long> {
        self.accumulator(name, Long::default())
    }

    /// A total of numbers. As [`accumulator`](Self::accumulator).
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// let watts = context.double_accumulator("watts");
    /// assert_eq!(watts.value(), 0.0);
    /// ```
    #[track_caller]
    pub fn double_accumulator(&self, name: impl AsRef<str>) -> Accumulator<Double> {
        self.accumulator(name, Double::default())
    }

    /// A list of all that is added, which grows for as long as the program runs. As
    /// [`accumulator`](Self::accumulator).
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// let odd = context.collection_accumulator::<String>("odd lines");
    /// odd.add("?".to_owned());
    /// assert_eq!(odd.value(), ["?"]);
    /// ```
    #[track_caller]
    pub fn collection_accumulator<T: Data + Serialize + DeserializeOwned>(
        &self,
        name: impl AsRef<str>,
    ) -> Accumulator<Collection<T>> {
        self.accumulator(name, Collection::default())
    }

    /// A value that closures read, made by `make` when it's first read. See [`Broadcast`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let limit = context.broadcast("limit", || 10u64);
    /// let (numbers, _queue) = context.queue_stream::<u64>();
    /// # let read = limit.clone();
    /// let large = numbers.filter(move |n| *n > *limit.value());
    /// # large.print();
    /// assert_eq!(*read.value(), 10);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn broadcast<T: Send + Sync + 'static>(
        &self,
        name: impl AsRef<str>,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Broadcast<T> {
        Broadcast::new(name.as_ref(), make, self.0.registry.clone())
    }

    /// Its accumulators, with their values.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let lines = context.long_accumulator("lines");
    /// lines.add(3);
    /// assert_eq!(context.accumulators()[0].name, "lines");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn accumulators(&self) -> Vec<AccumulatorInfo> {
        let all = self.0.registry.accumulators.show().into_iter();
        all.map(|(name, value)| AccumulatorInfo { name, value })
            .collect()
    }
}
