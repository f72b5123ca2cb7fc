//! [`Finding`]: one thing that isn't as it should be, as a story: where, what, what it means, what to do.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Severity {
    /// Worth knowing; nothing has to be done.
    Note,
    /// Nothing is lost, and something is weaker than it should be.
    Warning,
    /// Data is lost or will be refused.
    Error,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// What part of the pipeline it is about.
    pub(super) area: String,
    /// The file, folder, entry or checkpoint.
    pub(super) place: String,
    /// What is wrong.
    pub(super) problem: String,
    /// What it means.
    pub(super) meaning: String,
    /// What to do.
    pub(super) advice: String,
}

/// Gathers findings of one area.
pub(super) struct Findings<'a> {
    area: &'a str,
    all: &'a mut Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(super) fn of(area: &'a str, all: &'a mut Vec<Finding>) -> Self {
        Self { area, all }
    }

    pub(super) fn add(
        &mut self,
        severity: Severity,
        place: impl Into<String>,
        problem: impl Into<String>,
        meaning: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.all.push(Finding {
            severity,
            area: self.area.to_owned(),
            place: place.into(),
            problem: problem.into(),
            meaning: meaning.into(),
            advice: advice.into(),
        });
    }
}
