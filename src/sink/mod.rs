//! Sinks: where batches are committed to, and what each of them guarantees.
//!
//! Invariant (R4): a batch is committed under its identity, (application, output operation, batch time).
//! A sink that is asked to commit an identity again must leave what the first commit wrote.
//!
//! [`Sink`] is the contract, rule by rule, and [`conformance`] is the test of it, for sinks of one's own as
//! for those that live here.

pub mod conformance;
mod console;
mod discard;
mod files;
#[cfg(test)]
mod files_power_tests;
#[cfg(test)]
mod files_tests;
mod formats;
mod part_files;
mod pool;
mod text_form;

use std::fmt;

use serde::Serialize;

pub use console::Console;
pub use discard::Discard;
pub use files::Files;
pub use formats::{Csv, JsonLines, Objects, SequenceFile, Text, Writable};
pub(crate) use part_files::{Decision, Place as PartPlace, SUCCESS, folder_of_hidden, part_number};
pub use part_files::{FileFormat, PartWriter};
pub use pool::{ConnectionPool, PoolStatus};
pub use text_form::TextForm;
use text_form::text_of;

use crate::rdd::{BoxError, Element, Rdd};
use crate::time::Time;
use crate::uid::OperatorUid;

/// Folders of text files, a line an element.
pub type TextFiles = Files<Text>;
/// Folders of object files, to be read back as what they were.
pub type ObjectFiles = Files<Objects>;

/// Names one commit for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BatchIdentity {
    /// The application's name.
    pub application: String,
    /// The output operation.
    pub output: OperatorUid,
    /// The batch.
    pub time: Time,
}

/// How often a batch's output can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Guarantee {
    /// Committed in a transaction together with the batch's identity.
    Transactional,
    /// Written under a name made of the identity: the second time changes nothing.
    Idempotent,
    /// Seen again when a batch is run again.
    AtLeastOnce,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transactional => "exactly once (transactional)",
            Self::Idempotent => "exactly once (idempotent)",
            Self::AtLeastOnce => "at least once",
        })
    }
}

/// Takes batches. The contract has eight rules; [`conformance`] tests all that a test can.
///
/// 1. **Whole or nothing.** A reader sees all records of a batch or none of them, at every instant. What "a
///    reader" must do for that (wait for a marker, read in a transaction) is the sink's to document.
/// 2. **Once.** [`commit`](Self::commit) is called again for the same identity after an error, after a
///    restart, and when it isn't known how the last call ended; on the same value or on a fresh one. Once
///    a call has answered `Ok`, further ones change nothing. The dataset then holds the same records, but
///    perhaps in other partitions and in another order (other cores, another release).
/// 3. **Durable.** After `Ok` neither a killed process nor a power cut takes the batch away: the engine
///    forgets it.
/// 4. **Failure.** After `Err` nothing of the batch is to be seen, or it is there whole; and the next call
///    completes it. A failed or panicking computation comes out of the dataset's actions as an error:
///    pass it on, and show nothing of the part that succeeded.
/// 5. **Sudden death.** The process may die at any instruction, and the value may be dropped at any time.
///    There is no "close": whatever an unfinished call left behind is dealt with by the next one.
/// 6. **Side by side.** Calls for different batches may run at the same time (`concurrent_jobs`), and in any
///    order of time.
/// 7. **Predecessors.** A process that was thought dead may be in the middle of a commit of the same
///    identity, and go on with it while this one commits, or long after. Before a batch's commits the
///    engine proves that it still owns its checkpoint location, but a pause right behind that proof is always
///    possible. So a conditional step must decide, and a late one must change nothing.
/// 8. **Empty batches** are batches. They may leave something to be seen, or nothing.
///
/// A sink that only claims [`Guarantee::AtLeastOnce`] is held to 3, 6 and, in the end, to lose nothing.
///
/// Calls come on threads that may block and are never cancelled: a call that hangs holds up the stream, so
/// give requests a time limit and answer with an error. A batch that failed is tried again for ever.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex, PoisonError};
///
/// use tidemill::rdd::{BoxError, Executor, Rdd};
/// use tidemill::sink::{BatchIdentity, Guarantee, Sink};
/// use tidemill::{OperatorUid, Time};
///
/// /// A table of sums, with the batch's time as its key. The map stands for a database.
/// #[derive(Clone, Default)]
/// struct Sums(Arc<Mutex<BTreeMap<Time, u64>>>);
///
/// impl Sink<u64> for Sums {
///     fn kind(&self) -> &'static str {
///         "sums"
///     }
///
///     fn guarantee(&self) -> Guarantee {
///         Guarantee::Transactional
///     }
///
///     fn commit(&self, batch: &BatchIdentity, numbers: &Rdd<u64>) -> Result<(), BoxError> {
///         // What fails does so before anything is to be seen.
///         let sum = numbers.reduce(|a, b| a + b)?.unwrap_or_default();
///         // `INSERT ... ON CONFLICT DO NOTHING`: what an earlier call committed stays.
///         let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         table.entry(batch.time).or_insert(sum);
///         Ok(())
///     }
///
///     fn show(&self, number: &u64) -> Option<String> {
///         Some(number.to_string())
///     }
/// }
///
/// let sums = Sums::default();
/// let numbers = Rdd::<u64>::in_memory(vec![vec![1, 2], vec![3]], &Executor::new(2, 1)?);
/// let batch = BatchIdentity {
///     application: "tides".to_owned(),
///     output: OperatorUid::new("sums"),
///     time: Time::from_millis(1000),
/// };
/// sums.check()?;
/// for _attempt in 0..2 {
///     sums.commit(&batch, &numbers)?;
/// }
/// assert_eq!(*sums.0.lock().unwrap(), BTreeMap::from([(batch.time, 6)]));
///
/// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
/// # let (amounts, _queue) = context.queue_stream::<u64>();
/// amounts.sink_with_uid(sums, "sums");
/// # Ok::<(), BoxError>(())
/// ```
pub trait Sink<T: ?Sized + Element>: Send + Sync + 'static {
    /// The operation's name in graphs and uids.
    fn kind(&self) -> &'static str;

    /// What it guarantees.
    fn guarantee(&self) -> Guarantee;

    /// Finds out before the start whether it can be written at all. Changes nothing that a reader sees.
    ///
    /// # Errors
    /// Says what is wrong and what to do.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// An element as people are shown it by a [rehearsal](crate::StreamingContext::rehearse), which counts what
    /// it would have given to the sink and commits nothing; `None`, where an element has no text.
    fn show(&self, value: &T) -> Option<String> {
        let _ = value;
        None
    }

    /// Writes a batch whole, or leaves nothing to be seen. Called again for the same identity after a
    /// failure or a restart.
    ///
    /// # Errors
    /// The batch is tried again.
    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError>;
}
