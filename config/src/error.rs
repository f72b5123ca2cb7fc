//! What can be wrong with a pipeline file, and the report that gathers all of it.
//!
//! Invariant: checking never stops at the first mistake. Each one is put into a [`Report`] with its
//! location, and only the finished report decides whether there is a pipeline. A mistake is
//! reported where it was made, once; what merely follows from it stays silent.

use std::collections::BTreeMap;
use std::fmt;

use crate::Location;

/// One kind of mistake; the text says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file can't be read, or isn't UTF-8.
    #[error("can't be read: {0}")]
    Unreadable(String),
    /// The text isn't TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A name that nothing has: a key, section, type, function, stream or the like.
    #[error("unknown {what} `{name}`{place}")]
    Unknown {
        /// What kind of name was looked for.
        what: &'static str,
        /// The name as written.
        name: String,
        /// Where it was looked for, with a leading space, or empty.
        place: String,
    },
    /// A known name whose implementation isn't in this build.
    #[error("{what} `{name}` is known, but not built in")]
    NotBuiltIn {
        /// What kind of thing it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A required key isn't there.
    #[error("`{key}` is missing: expected {expected}")]
    Missing {
        /// The dotted key.
        key: String,
        /// What its value would be.
        expected: String,
    },
    /// A value of a wrong type.
    #[error("`{key}`: expected {expected}, found {found}")]
    WrongType {
        /// The dotted key.
        key: String,
        /// The type that was expected.
        expected: String,
        /// The value that is there.
        found: String,
    },
    /// A value of the right type that can't be used.
    #[error("`{key}`: {reason}")]
    Invalid {
        /// The dotted key.
        key: String,
        /// Why not.
        reason: String,
    },
    /// An operator that can't work on what reaches it.
    #[error("{op} needs {needs}, but {trail} gives {gives}")]
    RecordKind {
        /// The operator.
        op: String,
        /// The kind of records it works on.
        needs: String,
        /// The operators before it.
        trail: String,
        /// The kind of records they give.
        gives: String,
    },
    /// Streams that feed each other.
    #[error("streams feed each other in a circle: {0}")]
    Cycle(String),
    /// The pipeline as a whole lacks something.
    #[error("{0}")]
    Incomplete(String),
}

/// One mistake, where it was made, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub location: Location,
    /// What is wrong.
    pub problem: Problem,
    /// What to write instead, if there is a good guess.
    pub help: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.problem)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Something that is allowed but probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub location: Location,
    /// What, and what to do about it.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: warning: {}", self.location, self.message)
    }
}

/// All mistakes of a pipeline, never empty, by layer and in the order of the file.
///
/// Displays as `file:line:column: message`, one a line, each followed by an indented line of help
/// where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// The mistakes by layer, and within a file in its order.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The mistakes and doubts found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
    /// Values of keys that nobody set and that follow from others, as TOML text, by dotted key.
    derived: BTreeMap<String, String>,
}

impl Report {
    pub fn error(&mut self, location: &Location, problem: Problem, help: Option<String>) {
        self.errors.push(ConfigError {
            location: location.clone(),
            problem,
            help,
        });
    }

    pub fn warn(&mut self, location: &Location, message: impl Into<String>) {
        self.warnings.push(Warning {
            location: location.clone(),
            message: message.into(),
        });
    }

    /// Notes the value of a key that nobody set.
    pub fn derive(&mut self, key: String, value: String) {
        self.derived.insert(key, value);
    }

    /// Whether there is text that isn't understood at all.
    pub fn has_syntax_errors(&self) -> bool {
        let mut problems = self.errors.iter().map(|error| &error.problem);
        problems.any(|problem| matches!(problem, Problem::Syntax(_)))
    }

    /// The warnings and the derived values, if there was no error; else all errors.
    pub fn finish(mut self) -> Result<(Vec<Warning>, BTreeMap<String, String>), ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(self.into_errors());
        }
        self.warnings.sort_by(|a, b| a.location.cmp(&b.location));
        Ok((self.warnings, self.derived))
    }

    /// The errors there are; called where there is at least one.
    pub fn into_errors(mut self) -> ConfigErrors {
        self.errors.sort_by(|a, b| a.location.cmp(&b.location));
        self.errors.dedup();
        ConfigErrors {
            errors: self.errors,
        }
    }
}
