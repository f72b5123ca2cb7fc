//! Operators whose function may fail at a record: `try_map` and its kin, and what becomes of the record.
//!
//! Spark has none of them: a function that throws fails its task and in the end its batch, and what to do about
//! a record that can't be processed is left to the function.

use std::fmt::Display;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::{DStream, StreamNode};
use crate::rdd::fallible::{OnError, PolicyCell, Write, by_serde};
use crate::rdd::misfits::Misfits;
use crate::rdd::{
    BoxError, Data, Element, Emitter, ErrorPolicy, FailedRecord, Key, PartitionRecords, Rdd,
};

impl<T: ?Sized + Element> DStream<T> {
    /// Says what becomes of a record at which this operator fails, one of those whose names begin with
    /// `try_`: the batch fails (as long as nothing is said), the record becomes a
    /// [dead letter](crate::dead_letters), or it's left out.
    ///
    /// Dead letters need a place, see [`Builder::dead_letters`](crate::Builder::dead_letters).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::rdd::ErrorPolicy;
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// # let folder = std::env::temp_dir().join("tidemill-doc-on-error").display().to_string();
    /// let context = StreamingContext::builder("readings", Duration::from_secs(1))
    ///     .dead_letters(folder)
    ///     .build()?;
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let readings = lines
    ///     .try_map(|line| line.parse::<f64>())
    ///     .on_error(ErrorPolicy::DeadLetters);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn on_error(self, policy: ErrorPolicy) -> Self {
        let (registry, id) = (self.registry(), self.node().core().id);
        match registry.dead_letters.policy(id) {
            Some(held) => held.set(policy),
            None => self.mistake(
                Location::caller(),
                "on_error is said of an operator that can't fail at a record; say it right behind \
                 try_map or its like"
                    .to_owned(),
            ),
        }
        if policy == ErrorPolicy::DeadLetters {
            registry.effects.use_it();
            if !registry.dead_letters.has_place() {
                self.mistake(
                    Location::caller(),
                    "dead letters have no place: set one with `dead_letters` on the context's builder"
                        .to_owned(),
                );
            }
        }
        self
    }

    /// What `step` emits for each element for which it succeeds; `write` writes the others down.
    pub(crate) fn fallible<U: ?Sized + Element, E: Display>(
        &self,
        kind: &'static str,
        caller: &'static Location<'static>,
        write: Write<T>,
        step: impl Fn(&T, &mut Emitter<'_, '_, U>) -> Result<(), E> + Send + Sync + 'static,
    ) -> DStream<U> {
        let step = Arc::new(step);
        self.asking(kind, caller, move |rdd, on_error| {
            let step = Arc::clone(&step);
            rdd.fallible(on_error, write, move |value, out| {
                step(value, out).map_err(|error| error.to_string())
            })
        })
    }

    /// An operator whose dataset `make` makes of this one's, told what becomes of records that fail.
    fn asking<U: ?Sized + Element>(
        &self,
        kind: &'static str,
        caller: &'static Location<'static>,
        make: impl Fn(&Rdd<T>, OnError) -> Rdd<U> + Send + Sync + 'static,
    ) -> DStream<U> {
        let policy: Arc<PolicyCell> = Arc::default();
        let (parent, at) = (Arc::clone(self.node()), Arc::clone(&policy));
        let parts = self.child(kind, caller);
        let dropped: Arc<OnceLock<Arc<Misfits>>> = Arc::default();
        let counted = Arc::clone(&dropped);
        let node = StreamNode::register_with(self.registry(), parts, move |core, _, time| {
            let Some(rdd) = parent.get_or_compute(time)? else {
                return Ok(None);
            };
            let on_error = OnError {
                operator: core.uid(),
                policy: Arc::clone(&at),
                dropped: Arc::clone(dropped.get_or_init(|| Arc::new(Misfits::new(core.uid())))),
            };
            Ok(Some(make(&rdd, on_error)))
        });
        self.registry()
            .dead_letters
            .add_operator(node.core().id, policy, counted);
        DStream::from_node(node)
    }
}

impl<T: ?Sized + Element + Serialize> DStream<T> {
    /// One element for each for which `f` succeeds. What becomes of the others is said by
    /// [`on_error`](DStream::on_error).
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let numbers = lines.try_map(|line| line.parse::<i64>());
    /// ```
    #[track_caller]
    pub fn try_map<U: Data, E: Display>(
        &self,
        f: impl Fn(&T) -> Result<U, E> + Send + Sync + 'static,
    ) -> DStream<U> {
        let step = move |value: &T, out: &mut Emitter<'_, '_, U>| {
            f(value).map(|made| out.emit_owned(made))
        };
        self.fallible("try_map", Location::caller(), by_serde, step)
    }

    /// Any number of elements for each: `f` emits them. Where it fails, none of those that it emitted for that
    /// record count.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let fields = lines.try_flat_map::<str, _>(|line, out| match line.split_once('=') {
    ///     Some((name, value)) => {
    ///         out.emit(name);
    ///         out.emit(value);
    ///         Ok(())
    ///     }
    ///     None => Err("it has no `=`"),
    /// });
    /// ```
    #[track_caller]
    pub fn try_flat_map<U: ?Sized + Element, E: Display>(
        &self,
        f: impl Fn(&T, &mut Emitter<'_, '_, U>) -> Result<(), E> + Send + Sync + 'static,
    ) -> DStream<U> {
        self.fallible("try_flat_map", Location::caller(), by_serde, f)
    }

    /// The elements for which `keep` holds, of those that it can decide.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let large = lines.try_filter(|line| line.parse::<u64>().map(|size| size > 1000));
    /// ```
    #[track_caller]
    pub fn try_filter<E: Display>(
        &self,
        keep: impl Fn(&T) -> Result<bool, E> + Send + Sync + 'static,
    ) -> DStream<T> {
        let step = move |value: &T, out: &mut Emitter<'_, '_, T>| {
            keep(value).map(|keep| {
                if keep {
                    out.emit(value);
                }
            })
        };
        self.fallible("try_filter", Location::caller(), by_serde, step)
    }

    /// The elements that `f` makes of each whole partition of a batch, as with
    /// [`map_partitions`](DStream::map_partitions), from a function that may fail at single records: for each it
    /// yields what it made of it, or the record itself, [`failed`](crate::rdd::PartitionRecord::failed), with why.
    /// What becomes of those is said by [`on_error`](DStream::on_error); what else was yielded counts, and records
    /// about which nothing is yielded are left out.
    ///
    /// An error of `f` itself is no record's fault (a connection that can't be had): the task is tried again and
    /// then the batch fails, whatever the policy. A letter knows where its record came from, though partitions
    /// are worked on as a whole; what is made of them isn't of any one record, so operators behind this one
    /// don't.
    ///
    /// Spark has no such thing: its `mapPartitions` fails its task at the first record that throws.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::rdd::ErrorPolicy;
    ///
    /// # fn main() -> tidemill::Result<()> {
    /// # let folder = std::env::temp_dir().join("tidemill-doc-try-partitions").display().to_string();
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .dead_letters(folder)
    ///     .build()?;
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let numbers = lines
    ///     .try_map_partitions(|lines| {
    ///         // Costly to read, and used for the whole partition.
    ///         let names: Vec<String> = vec!["one".to_owned(), "two".to_owned()];
    ///         Ok(lines.map(move |line| match names.iter().position(|name| *name == *line) {
    ///             Some(found) => Ok(found + 1),
    ///             None => Err(line.failed("no number is called so")),
    ///         }))
    ///     })
    ///     .on_error(ErrorPolicy::DeadLetters);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn try_map_partitions<U, I>(
        &self,
        f: impl Fn(PartitionRecords<T::Own>) -> Result<I, BoxError> + Send + Sync + 'static,
    ) -> DStream<U>
    where
        U: Data,
        I: IntoIterator<Item = Result<U, FailedRecord<T::Own>>>,
    {
        let f = Arc::new(f);
        let make = move |rdd: &Rdd<T>, on_error| {
            let f = Arc::clone(&f);
            rdd.fallible_partitions(on_error, by_serde, move |records| f(records))
        };
        self.asking("try_map_partitions", Location::caller(), make)
    }
}

impl<K: Key + Serialize, V: Data + Serialize> DStream<(K, V)> {
    /// Each pair with what `f` makes of its value, where it succeeds.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
    /// # let (lines, _queue) = context.queue_stream::<str>();
    /// let pairs = lines.map(|line| (line.len(), line.to_owned()));
    /// let numbers = pairs.try_map_values(|value| value.parse::<i64>());
    /// ```
    #[track_caller]
    pub fn try_map_values<U: Data, E: Display>(
        &self,
        f: impl Fn(&V) -> Result<U, E> + Send + Sync + 'static,
    ) -> DStream<(K, U)> {
        let step = move |(key, value): &(K, V), out: &mut Emitter<'_, '_, (K, U)>| {
            f(value).map(|made| out.emit_owned((key.clone(), made)))
        };
        self.fallible("try_map_values", Location::caller(), by_serde, step)
    }
}
