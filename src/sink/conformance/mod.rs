//! The test of the sink contract, for sinks of one's own as for those of this crate.
//!
//! A [`Harness`] opens the sink and shows what a reader sees; [`check`] commits batches through it (again,
//! from other partitions, from failing computations, two at a time, cut short at every operation) and
//! reports for each [`Rule`] whether it holds. What is judged follows from the sink's own
//! [`Guarantee`](super::Guarantee): one that claims "at least once" is only held to lose nothing.
//!
//! ```no_run
//! use tidemill::rdd::BoxError;
//! use tidemill::sink::conformance::{self, Harness};
//! use tidemill::sink::{BatchIdentity, Sink, TextFiles};
//!
//! struct Files(tempfile::TempDir);
//!
//! impl Harness for Files {
//!     type Record = String;
//!
//!     fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
//!         let prefix = self.0.path().join("out").display().to_string();
//!         Ok(Box::new(TextFiles::open(&prefix, None)?))
//!     }
//!
//!     fn record(&self, text: &str) -> String {
//!         text.to_owned()
//!     }
//!
//!     fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
//!         let folder = self.0.path().join(format!("out-{}", batch.time.as_millis()));
//!         if !folder.join("_SUCCESS").exists() {
//!             return Ok(None);
//!         }
//!         let mut lines = Vec::new();
//!         for file in std::fs::read_dir(folder)? {
//!             let text = std::fs::read_to_string(file?.path())?;
//!             lines.extend(text.split_terminator('\n').map(str::to_owned));
//!         }
//!         Ok(Some(lines))
//!     }
//!
//!     /// Lines can't hold line ends.
//!     fn unusual(&self) -> Vec<String> {
//!         let mut records = conformance::unusual_records();
//!         records.retain(|record| !record.contains('\n'));
//!         records
//!     }
//! }
//!
//! # fn main() -> Result<(), BoxError> {
//! conformance::assert_conforms(&Files(tempfile::tempdir()?));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here is random. Threads are used where the contract speaks of several calls at once; how they
//! meet is the scheduler's, except under [`Rule::Predecessor`], where they are made to.

mod dataset;
mod report;
mod rules;
mod tester;

pub use report::{Finding, Report, Rule, Verdict};

use self::tester::Tester;
use super::{BatchIdentity, Sink};
use crate::rdd::{BoxError, Element};

/// Opens a sink under test and shows what it has committed. Begins with nothing committed.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
///
/// use tidemill::Time;
/// use tidemill::rdd::{BoxError, Rdd};
/// use tidemill::sink::conformance::{Harness, assert_conforms};
/// use tidemill::sink::{BatchIdentity, Guarantee, Sink};
///
/// /// A database of one table, whose connection can break.
/// #[derive(Clone, Default)]
/// struct Database(Arc<Mutex<Held>>);
///
/// #[derive(Default)]
/// struct Held {
///     rows: BTreeMap<Time, Vec<String>>,
///     /// How many statements are still answered.
///     left: Option<usize>,
/// }
///
/// impl Database {
///     fn statement(&self) -> Result<MutexGuard<'_, Held>, BoxError> {
///         let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         match &mut held.left {
///             Some(0) => return Err("the connection broke".into()),
///             Some(left) => *left -= 1,
///             None => {}
///         }
///         Ok(held)
///     }
/// }
///
/// impl Sink<String> for Database {
///     fn kind(&self) -> &'static str {
///         "database"
///     }
///     fn guarantee(&self) -> Guarantee {
///         Guarantee::Transactional
///     }
///     fn commit(&self, batch: &BatchIdentity, lines: &Rdd<String>) -> Result<(), BoxError> {
///         let lines = lines.collect()?;
///         self.statement()?.rows.entry(batch.time).or_insert(lines);
///         Ok(())
///     }
/// }
///
/// struct Broken(Database);
///
/// impl Harness for Broken {
///     type Record = String;
///
///     fn open(&self) -> Result<Box<dyn Sink<String>>, BoxError> {
///         Ok(Box::new(self.0.clone()))
///     }
///     fn record(&self, text: &str) -> String {
///         text.to_owned()
///     }
///     fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError> {
///         let held = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
///         Ok(held.rows.get(&batch.time).cloned())
///     }
///     fn interrupt(&self, operation: usize) -> bool {
///         self.0.0.lock().unwrap_or_else(PoisonError::into_inner).left = Some(operation);
///         true
///     }
///     fn restart(&self) -> bool {
///         let mut held = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
///         held.left.take() == Some(0)
///     }
/// }
///
/// assert_conforms(&Broken(Database::default()));
/// ```
pub trait Harness: Sync {
    /// What the sink takes.
    type Record: ?Sized + Element;

    /// A fresh handle to the one place under test, as after a restart; called often.
    ///
    /// # Errors
    /// When it can't be opened; expected while an interruption lasts, and only then.
    fn open(&self) -> Result<Box<dyn Sink<Self::Record>>, BoxError>;

    /// The record that stands for `text`.
    fn record(&self, text: &str) -> <Self::Record as Element>::Own;

    /// The texts of the records that a reader sees of a batch, in any order; `None` when it sees no batch.
    ///
    /// # Errors
    /// When what is seen is no whole batch, or can't be read.
    fn committed(&self, batch: &BatchIdentity) -> Result<Option<Vec<String>>, BoxError>;

    /// Texts that a sink may stumble over. Leave out of [`unusual_records`] what yours can't take, and say
    /// so in its documentation.
    fn unusual(&self) -> Vec<String> {
        unusual_records()
    }

    /// Arms an interruption: the `operation`-th step (counted from 0) that sinks do on their storage from
    /// now on fails, or dies there. `false` when the harness can't do that, which skips the rule.
    fn interrupt(&self, _operation: usize) -> bool {
        false
    }

    /// Does what a restart of process and machine does: what isn't durable is gone, handles are dead, an armed
    /// interruption is over. Says whether that had been reached.
    fn restart(&self) -> bool {
        false
    }
}

/// Tests all rules.
///
/// ```
/// use tidemill::sink::conformance::{Harness, check};
///
/// fn show(harness: &impl Harness) {
///     // A line for each rule: whether it holds, and how far that was tested.
///     println!("{}", check(harness));
/// }
/// ```
pub fn check<H: Harness + ?Sized>(harness: &H) -> Report {
    let tester = match Tester::new(harness) {
        Ok(tester) => tester,
        Err(error) => return Report::not_opened(&error),
    };
    let findings = rules::all::<H>().into_iter().map(|(rule, test)| Finding {
        rule,
        verdict: test(&tester).unwrap_or_else(Verdict::Broken),
    });
    Report {
        kind: tester.kind.to_owned(),
        guarantee: Some(tester.guarantee),
        findings: findings.collect(),
    }
}

/// For tests: [`check`], with the report as the message of a panic when a rule is broken.
///
/// # Panics
/// When a rule is broken.
///
/// ```
/// use tidemill::sink::conformance::{Harness, assert_conforms};
///
/// /// What a sink's test is, but for its harness.
/// fn my_sink_conforms(harness: &impl Harness) {
///     assert_conforms(harness);
/// }
/// ```
#[track_caller]
pub fn assert_conforms<H: Harness + ?Sized>(harness: &H) {
    let report = check(harness);
    assert!(report.conforms(), "{report}");
}

/// Texts that sinks have stumbled over: none, blanks, line ends, quotes, NUL, what looks like a pair or a
/// query, beyond ASCII, one of a mebibyte, and two that are the same.
///
/// ```
/// let records = tidemill::sink::conformance::unusual_records();
/// assert!(records.contains(&String::new()));
/// ```
pub fn unusual_records() -> Vec<String> {
    let mut records: Vec<String> = [
        "",
        "",
        " ",
        " leading and trailing ",
        "a\tb",
        "two\nlines",
        "two\r\nlines",
        "ends in one\n",
        "\r",
        "nul\0nul",
        "\"double\" 'single' `back` \\ /",
        "a,b;c|d",
        "(pair,1)",
        "null",
        "'; DROP TABLE batches; --",
        "%s %d {} ${HOME}",
        "Grüße, 世界 🌊",
        "e\u{301} is not é",
        "same",
        "same",
    ]
    .map(str::to_owned)
    .to_vec();
    records.push("long ".repeat((1 << 20) / 5));
    records
}
