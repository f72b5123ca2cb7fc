//! [`Report`]: which rules hold.

use std::fmt;

use crate::rdd::BoxError;
use crate::sink::Guarantee;

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A sink opens, and its check passes and shows readers nothing.
    Check,
    /// A batch that was committed is there, whole.
    Whole,
    /// Committing it again, from this handle or a fresh one, in other partitions and order, changes nothing.
    Repeated,
    /// A computation that fails or panics shows nothing, and a later commit succeeds.
    FailedComputation,
    /// What was answered with `Ok` outlives a restart.
    Durable,
    /// A commit that is cut short, at any operation, is completed by the next, which may be cut short as well.
    Interrupted,
    /// Batches committed at the same time stay apart.
    SideBySide,
    /// Two handles that commit the same batch at the same time commit it once.
    Race,
    /// A commit in whose middle another handle commits the same batch changes nothing.
    Predecessor,
    /// An empty batch is committed like any other.
    Empty,
    /// Many batches, committed one after the other, all stay.
    Many,
    /// Records come out as they went in, whatever they hold.
    Unusual,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Check => "the check passes and shows nothing",
            Self::Whole => "a committed batch is there, whole",
            Self::Repeated => "a repeated commit changes nothing",
            Self::FailedComputation => "a failed computation shows nothing",
            Self::Durable => "a committed batch outlives a restart",
            Self::Interrupted => "an interrupted commit is completed by the next",
            Self::SideBySide => "batches committed at the same time stay apart",
            Self::Race => "two handles commit one batch once",
            Self::Predecessor => "a late predecessor changes nothing",
            Self::Empty => "an empty batch is a batch",
            Self::Many => "many batches all stay",
            Self::Unusual => "unusual records come out as they went in",
        })
    }
}

/// What was found out about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; how far that was tested.
    Holds(String),
    /// It is broken: what was expected, and what was found.
    Broken(String),
    /// It could not be tested, and why.
    Skipped(String),
}

/// A rule and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What was found out.
    pub verdict: Verdict,
}

/// What was found out about a sink. Displays as a table for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The sink's kind.
    pub kind: String,
    /// What it claims; `None` when it could not be opened.
    pub guarantee: Option<Guarantee>,
    /// Each rule, in the order of testing.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn not_opened(error: &BoxError) -> Self {
        Self {
            kind: "a sink".to_owned(),
            guarantee: None,
            findings: vec![Finding {
                rule: Rule::Check,
                verdict: Verdict::Broken(format!("it could not be opened: {error}")),
            }],
        }
    }

    /// Whether no rule is broken.
    ///
    /// ```
    /// # use tidemill::sink::conformance::{Harness, check};
    /// # fn of(harness: &impl Harness) {
    /// let report = check(harness);
    /// assert!(report.conforms(), "{report}");
    /// # }
    /// ```
    pub fn conforms(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The rules that are broken.
    ///
    /// ```
    /// # use tidemill::sink::conformance::{Harness, check};
    /// # fn of(harness: &impl Harness) {
    /// for rule in check(harness).broken() {
    ///     println!("{rule:?}");
    /// }
    /// # }
    /// ```
    pub fn broken(&self) -> impl Iterator<Item = Rule> {
        let is_broken = |finding: &&Finding| matches!(finding.verdict, Verdict::Broken(_));
        self.findings
            .iter()
            .filter(is_broken)
            .map(|finding| finding.rule)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match self.guarantee {
            Some(guarantee) => writeln!(f, ", which claims {guarantee}:")?,
            None => writeln!(f, ":")?,
        }
        for Finding { rule, verdict } in &self.findings {
            let (word, text) = match verdict {
                Verdict::Holds(text) => ("holds", text),
                Verdict::Broken(text) => ("BROKEN", text),
                Verdict::Skipped(text) => ("skipped", text),
            };
            writeln!(f, "  {word:7} {rule}: {text}")?;
        }
        Ok(())
    }
}
