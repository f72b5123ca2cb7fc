//! [`DirectSource`]: a source that can read again what it once named.

use serde_bytes::ByteBuf;

use crate::rdd::{BoxError, Element, Executor, Rdd};
use crate::time::Time;

/// What a direct source wants to read for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan in the source's own words; logged with the batch's allocation.
    pub plan: Vec<u8>,
    /// Records that it stands for, where they are known before they are read.
    pub records: Option<u64>,
}

/// What a direct source knows of and hasn't planned yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// Records, where they are known.
    pub records: Option<u64>,
    /// Bytes, where they are known.
    pub bytes: Option<u64>,
    /// Files, where it reads files.
    pub files: Option<u64>,
    /// Since when the oldest of it has been there.
    pub oldest: Option<Time>,
}

/// Names what each batch reads, and reads it, as often as asked.
///
/// The engine calls [`plan`](Self::plan) once a batch, logs the answer with the batch's allocation, and
/// then calls [`accept`](Self::accept) with it. After a restart it calls [`restore`](Self::restore) with
/// the position of a checkpoint and `accept` for every plan that was logged and may not be contained in
/// that position: accepting a plan twice must change nothing.
///
/// ```
/// use std::ops::Range;
/// use std::sync::{Mutex, MutexGuard, PoisonError};
///
/// use tidemill::rdd::{BoxError, Executor, Rdd};
/// use tidemill::source::{DirectSource, Planned};
/// use tidemill::{StreamingContext, Time};
///
/// /// A hundred numbers a batch, counted from 0. What it holds is the next one.
/// #[derive(Default)]
/// struct Numbers(Mutex<u64>);
///
/// impl Numbers {
///     fn next(&self) -> MutexGuard<'_, u64> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
/// }
///
/// fn range(plan: &[u8]) -> Result<Range<u64>, BoxError> {
///     let (start, end) = std::str::from_utf8(plan)?.split_once("..").ok_or("no range")?;
///     Ok(start.parse()?..end.parse()?)
/// }
///
/// impl DirectSource<u64> for Numbers {
///     fn kind(&self) -> &'static str {
///         "numbers"
///     }
///
///     fn describe(&self) -> String {
///         "a hundred numbers a batch".to_owned()
///     }
///
///     fn plan(&self, time: Time, previous: Option<Time>) -> Result<Option<Planned>, BoxError> {
///         self.plan_at_most(time, previous, u64::MAX)
///     }
///
///     /// It can be held to a number.
///     fn plan_at_most(
///         &self,
///         _time: Time,
///         _previous: Option<Time>,
///         records: u64,
///     ) -> Result<Option<Planned>, BoxError> {
///         let (next, records) = (*self.next(), records.min(100));
///         let plan = format!("{next}..{}", next + records).into_bytes();
///         Ok(Some(Planned { plan, records: Some(records) }))
///     }
///
///     /// The second time changes nothing.
///     fn accept(&self, plan: &[u8]) -> Result<(), BoxError> {
///         let mut next = self.next();
///         *next = range(plan)?.end.max(*next);
///         Ok(())
///     }
///
///     fn position(&self) -> Vec<u8> {
///         self.next().to_string().into_bytes()
///     }
///
///     fn restore(&self, position: &[u8]) -> Result<(), BoxError> {
///         *self.next() = std::str::from_utf8(position)?.parse()?;
///         Ok(())
///     }
///
///     fn rdd(&self, plan: &[u8], executor: &Executor) -> Result<Rdd<u64>, BoxError> {
///         Ok(Rdd::in_memory(vec![range(plan)?.collect()], executor))
///     }
/// }
///
/// // What the engine does, with a restart in the middle.
/// let (source, first) = (Numbers::default(), Time::from_millis(1000));
/// let planned = source.plan(first, None)?.ok_or("it always has some")?;
/// source.accept(&planned.plan)?;
/// let restarted = Numbers::default();
/// restarted.restore(&source.position())?;
/// restarted.accept(&planned.plan)?;
/// let numbers = restarted.rdd(&planned.plan, &Executor::new(2, 1)?)?;
/// assert_eq!((numbers.count()?, restarted.position()), (100, b"100".to_vec()));
///
/// # let context = StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
/// let numbers = context.direct_stream_with("numbers", Numbers::default());
/// # numbers.print();
/// # Ok::<(), BoxError>(())
/// ```
pub trait DirectSource<T: ?Sized + Element>: Send + Sync + 'static {
    /// The operator's kind in graphs and uids.
    fn kind(&self) -> &'static str;

    /// Where it reads from, for people.
    fn describe(&self) -> String;

    /// Whether a plan can be read again after a restart.
    fn is_replayable(&self) -> bool {
        true
    }

    /// Called when the stream is declared: whether there can be such a source at all. It asks nobody.
    ///
    /// # Errors
    /// It is a mistake of the program: the context doesn't start.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Called at the first start of all, before the first plan; not after a restart.
    ///
    /// # Errors
    /// The context doesn't start.
    fn first_start(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// What the batch at `time` should read; `None` for nothing. Changes nothing: a plan counts when it
    /// is accepted. `previous` is the batch before, where there was one.
    ///
    /// # Errors
    /// The batch goes without this source, whose error is shown; nothing is lost.
    fn plan(&self, time: Time, previous: Option<Time>) -> Result<Option<Planned>, BoxError>;

    /// As [`plan`](Self::plan), of no more than `records` records: what back-pressure leaves a batch. The
    /// rest is for later batches. By default the source plans what it likes: one that doesn't know how many
    /// records it reads can't be held to a number, as it isn't in Spark.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    fn plan_at_most(
        &self,
        time: Time,
        previous: Option<Time>,
        records: u64,
    ) -> Result<Option<Planned>, BoxError> {
        let _ = records;
        self.plan(time, previous)
    }

    /// A plan has been logged: the next one goes on behind it.
    ///
    /// # Errors
    /// When the plan can't be understood.
    fn accept(&self, plan: &[u8]) -> Result<(), BoxError>;

    /// All that accepted plans have added up to, for a checkpoint.
    fn position(&self) -> Vec<u8>;

    /// Goes on from a checkpoint's position.
    ///
    /// # Errors
    /// When the position can't be understood.
    fn restore(&self, position: &[u8]) -> Result<(), BoxError>;

    /// What it knew of and left for later when it last planned; for metrics. By default nothing is known.
    fn waiting(&self) -> Waiting {
        Waiting::default()
    }

    /// No later batch of this run reads the batches up to and with the one at `through` again. After a
    /// restart they may be read again all the same.
    fn released(&self, _through: Time) {}

    /// The dataset that a plan stands for.
    ///
    /// # Errors
    /// When it can't be read any more.
    fn rdd(&self, plan: &[u8], executor: &Executor) -> Result<Rdd<T>, BoxError>;
}

/// A direct source whose element type is not known.
pub(crate) trait AnyDirectSource: Send + Sync {
    fn first_start(&self) -> Result<(), BoxError>;
    fn plan(
        &self,
        time: Time,
        previous: Option<Time>,
        most: Option<u64>,
    ) -> Result<Option<Planned>, BoxError>;
    fn accept(&self, plan: &[u8]) -> Result<(), BoxError>;
    fn position(&self) -> ByteBuf;
    fn restore(&self, position: &[u8]) -> Result<(), BoxError>;
    fn released(&self, through: Time);
    fn waiting(&self) -> Waiting;
    fn describe(&self) -> String;
    fn is_replayable(&self) -> bool;
}

/// Forgets the element type.
pub(crate) struct Erased<T: ?Sized, S>(
    pub(crate) std::sync::Arc<S>,
    pub(crate) std::marker::PhantomData<fn(&T)>,
);

impl<T: ?Sized + Element, S: DirectSource<T>> AnyDirectSource for Erased<T, S> {
    fn first_start(&self) -> Result<(), BoxError> {
        self.0.first_start()
    }
    fn plan(
        &self,
        time: Time,
        previous: Option<Time>,
        most: Option<u64>,
    ) -> Result<Option<Planned>, BoxError> {
        match most {
            Some(records) => self.0.plan_at_most(time, previous, records),
            None => self.0.plan(time, previous),
        }
    }
    fn accept(&self, plan: &[u8]) -> Result<(), BoxError> {
        self.0.accept(plan)
    }
    fn position(&self) -> ByteBuf {
        ByteBuf::from(self.0.position())
    }
    fn restore(&self, position: &[u8]) -> Result<(), BoxError> {
        self.0.restore(position)
    }
    fn released(&self, through: Time) {
        self.0.released(through);
    }
    fn waiting(&self) -> Waiting {
        self.0.waiting()
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn is_replayable(&self) -> bool {
        self.0.is_replayable()
    }
}
