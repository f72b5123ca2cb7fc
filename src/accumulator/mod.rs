//! Accumulators: totals that closures add to from any task, read on the driver.
//!
//! Invariant: a value is what the batches that took effect have added, each of them once. What tasks add
//! waits, by the work that added it, until the batch takes effect (see `effects`), and then changes the
//! value in the same step as the batch changes the state. A checkpoint holds values and batches of one
//! moment; so a batch that is run again after a restart finds the value as it was before it.

mod book;
mod kinds;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use tidemill_checkpoint::ChunkBuilder;

pub use kinds::{Collection, Double, Long};

pub(crate) use book::{AccumulatorBook, SERIES};

use crate::effects::{self, Effect, EffectId, Effects};
use crate::rdd::BoxError;

/// A total of one's own: what can be added to it, and how totals of parts become that of the whole.
///
/// The default is neutral: each task begins with it. Parts are merged in no order that is promised, so
/// [`merge`](Self::merge) must be associative and commutative. (Spark's `AccumulatorV2`, whose `zero`,
/// `copy` and `reset` are `Default` and `Clone` here.)
///
/// ```
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
/// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
/// let longest = context.accumulator("longest", Longest::default());
/// # let (lines, _queue) = context.queue_stream::<str>();
/// let lengths = {
///     let longest = longest.clone();
///     lines.map(move |line| {
///         longest.add(line.len());
///         line.len()
///     })
/// };
/// ```
pub trait Accumulable:
    Default + Clone + Send + Sync + Serialize + DeserializeOwned + 'static
{
    /// What is added.
    type Input;
    /// What the driver reads.
    type Value: Serialize;

    /// Adds one thing.
    fn add(&mut self, input: Self::Input);
    /// Takes in the total of another part.
    fn merge(&mut self, other: Self);
    /// What the driver reads.
    fn value(&self) -> Self::Value;

    /// How it's shown on pages and by the API.
    ///
    /// ```
    /// use tidemill::accumulator::{Accumulable, Collection, Long};
    ///
    /// let mut bytes = Long::default();
    /// bytes.add(42);
    /// assert_eq!(bytes.show(), 42);
    /// let mut words = Collection::default();
    /// words.add("ebb".to_owned());
    /// // All of them could be many.
    /// assert_eq!(words.show(), serde_json::json!({ "count": 1 }));
    /// ```
    fn show(&self) -> serde_json::Value {
        serde_json::to_value(self.value()).unwrap_or_default()
    }

    /// How many pieces it has in checkpoints.
    #[doc(hidden)]
    fn pieces(&self) -> u64 {
        1
    }

    /// What a checkpoint must hold that has the first `written` pieces: the number of the first further
    /// one, and a total of only those. One piece, always written anew, unless the total only grows.
    #[doc(hidden)]
    fn since(&self, _written: u64) -> (u64, Self) {
        (0, self.clone())
    }

    /// The pieces of it.
    #[doc(hidden)]
    fn to_pieces(&self) -> Result<Vec<Vec<u8>>, BoxError> {
        Ok(vec![rmp_serde::to_vec_named(self)?])
    }

    /// The total of pieces, in order.
    #[doc(hidden)]
    fn from_pieces(pieces: &[Vec<u8>]) -> Result<Self, BoxError> {
        match pieces {
            [whole] => Ok(rmp_serde::from_slice(whole)?),
            _ => Err(format!("it has {} pieces instead of one", pieces.len()).into()),
        }
    }
}

/// A total that tasks add to and the driver reads: a handle to move into closures. Clones are handles to
/// the same total.
///
/// ```
/// use std::time::Duration;
/// use tidemill::StreamingContext;
///
/// # fn main() -> tidemill::Result<()> {
/// let context = StreamingContext::builder("doc", Duration::from_millis(10)).build()?;
/// let (lines, queue) = context.queue_stream::<str>();
/// let blank = context.long_accumulator("blank lines");
/// let filled = {
///     let blank = blank.clone();
///     lines.filter(move |line| {
///         if line.trim().is_empty() {
///             blank.add(1);
///         }
///         !line.trim().is_empty()
///     })
/// };
/// filled.print();
/// context.start()?;
/// queue.push_vec(vec!["one".to_owned(), " ".to_owned()]);
/// # while blank.value() < 1 { std::thread::sleep(Duration::from_millis(1)) }
/// # context.stop(true)?;
/// assert_eq!(blank.value(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Accumulator<A: Accumulable>(Arc<Core<A>>);

/// Whole numbers.
pub type LongAccumulator = Accumulator<Long>;
/// Numbers.
pub type DoubleAccumulator = Accumulator<Double>;
/// Everything that was added, one by one.
pub type CollectionAccumulator<T> = Accumulator<Collection<T>>;

struct Core<A> {
    name: String,
    id: EffectId,
    held: Mutex<Held<A>>,
}

struct Held<A> {
    total: A,
    /// How many pieces of it are in checkpoints.
    written: u64,
    is_changed: bool,
}

/// What one task, or several of them, have added.
struct Part<A>(A);

impl<A: Accumulable> Effect for Part<A> {
    fn absorb(&mut self, other: Box<dyn Effect>) {
        if let Ok(other) = (other as Box<dyn std::any::Any>).downcast::<Self>() {
            self.0.merge(other.0);
        }
    }
}

impl<A: Accumulable> Clone for Accumulator<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Accumulable> fmt::Debug for Accumulator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulator")
            .field("name", &self.0.name)
            .field("value", &self.0.held().total.show())
            .finish()
    }
}

impl<A: Accumulable> Accumulator<A> {
    fn new(name: &str, initial: A) -> Self {
        Self(Arc::new(Core {
            name: name.to_owned(),
            id: EffectId::fresh(),
            held: Mutex::new(Held {
                total: initial,
                written: 0,
                is_changed: true,
            }),
        }))
    }

    /// The name under which checkpoints hold it.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// assert_eq!(context.long_accumulator("blank lines").name(), "blank lines");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Adds `input`.
    ///
    /// In a task, or in whatever else runs for a batch, it counts when the batch takes effect: once,
    /// however often the work is done again. No lock is taken and nothing is allocated, but for the first
    /// addition of a task. Outside of any batch it counts at once.
    ///
    /// What an operator of the graph adds is counted for all of its batch's data, also where an output
    /// looks only at part of it, as [`print`](crate::DStream::print) does. What is added by actions inside
    /// [`for_each_rdd`](crate::DStream::for_each_rdd) counts as often as they are run there. Spark counts
    /// additions in transformations each time a task computes them.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let total = context.long_accumulator("total");
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// let counted = {
    ///     let total = total.clone();
    ///     lines.map(move |line| total.add(line.len() as i64))
    /// };
    /// # let _ = counted;
    /// // Nothing has been processed yet; outside of batches it counts at once.
    /// assert_eq!(total.value(), 0);
    /// total.add(7);
    /// assert_eq!(total.value(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn add(&self, input: A::Input) {
        let added = effects::with(
            self.0.id,
            || Part(A::default()),
            |part: &mut Part<A>| part.0.add(input),
        );
        if let Err(add) = added {
            let mut part = Part(A::default());
            add(&mut part);
            let mut held = self.0.held();
            held.total.merge(part.0);
            held.is_changed = true;
        }
    }

    /// The total over all batches that have taken effect.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// let total = context.long_accumulator("total");
    /// total.add(2);
    /// total.add(3);
    /// assert_eq!(total.value(), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> A::Value {
        self.0.held().total.value()
    }
}

impl<A> Core<A> {
    fn held(&self) -> MutexGuard<'_, Held<A>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to go into the next checkpoint, yet to be encoded.
type Changes = Box<dyn FnOnce(&mut ChunkBuilder) -> Result<(), BoxError> + Send>;

/// An accumulator whose type is not known.
trait AnyAccumulator: Send + Sync {
    fn name(&self) -> &str;
    /// Adds what a batch left for it.
    fn take_in(&self, effects: &mut Effects);
    /// Becomes what a checkpoint holds.
    fn restore(&self, pieces: &[Vec<u8>]) -> Result<(), BoxError>;
    fn take_changes(&self) -> Option<Changes>;
    fn show(&self) -> serde_json::Value;
}

impl<A: Accumulable> AnyAccumulator for Core<A> {
    fn name(&self) -> &str {
        &self.name
    }

    fn take_in(&self, effects: &mut Effects) {
        if let Some(part) = effects.take::<Part<A>>(self.id) {
            let mut held = self.held();
            held.total.merge(part.0);
            held.is_changed = true;
        }
    }

    fn restore(&self, pieces: &[Vec<u8>]) -> Result<(), BoxError> {
        *self.held() = Held {
            total: A::from_pieces(pieces)?,
            written: pieces.len() as u64,
            is_changed: false,
        };
        Ok(())
    }

    fn take_changes(&self) -> Option<Changes> {
        let mut held = self.held();
        if !std::mem::take(&mut held.is_changed) {
            return None;
        }
        let (first, new) = held.total.since(held.written);
        let name = self.name.clone();
        held.written = held.total.pieces();
        Some(Box::new(move |builder| {
            for (number, piece) in (first..).zip(new.to_pieces()?) {
                builder.push(&book::key(&name, number)?, Some(&piece));
            }
            Ok(())
        }))
    }

    fn show(&self) -> serde_json::Value {
        self.held().total.show()
    }
}
