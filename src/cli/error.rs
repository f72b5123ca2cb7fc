//! [`CliError`]: why a command failed, and the exit code that says what to do about it.
//!
//! Codes: 0 done; 1 failed while running; 2 the configuration or the arguments are wrong, and nothing
//! was opened or written; 3 another driver owns the checkpoint location. A run that a second signal ends
//! at once exits with 128 and the signal's number, as a shell would report it.

use std::io;

use crate::admin::TokenError;
use crate::error::ErrorKind;

/// The exit code for wrong configuration or arguments.
pub(super) const USAGE: u8 = 2;
const FAILED: u8 = 1;
const OWNED: u8 = 3;

/// The result of a command.
pub(super) type Result<T, E = CliError> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum CliError {
    /// The pipeline has mistakes.
    #[error("the pipeline can't be used:\n{0}")]
    Pipeline(#[from] tidemill_config::ConfigErrors),
    /// An argument is wrong.
    #[error("{0}")]
    Usage(String),
    /// The token file can't be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] crate::Error),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    /// A live driver owns the location.
    #[error("{0}")]
    Owned(String),
    /// A second signal ended the run at once.
    #[error(
        "stopped at once by signal {0}; nothing acknowledged is lost, the next start goes on from here"
    )]
    Signal(u8),
    /// Whoever read standard output has gone, as `head` does: no failure.
    #[error("nobody reads the output")]
    NobodyReads,
}

impl CliError {
    /// The process's exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Pipeline(_) | Self::Usage(_) | Self::Token(_) => USAGE,
            Self::Engine(error) => match error.kind() {
                ErrorKind::Configuration => USAGE,
                ErrorKind::OwnedByAnother => OWNED,
                ErrorKind::Failed => FAILED,
            },
            Self::Failed(_) => FAILED,
            Self::Owned(_) => OWNED,
            Self::Signal(number) => 128u8.saturating_add(*number),
            Self::NobodyReads => 0,
        }
    }

    /// Its words, with each mistake of a pipeline by itself.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Pipeline(errors) => errors.errors().iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }

    /// Whether the process is to end without finishing anything: a second signal, or a successor.
    pub(super) fn is_at_once(&self) -> bool {
        match self {
            Self::Signal(_) => true,
            Self::Engine(error) => error.kind() == ErrorKind::OwnedByAnother,
            _ => false,
        }
    }

    /// What a failed write to standard output means.
    pub(super) fn writing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("can't write to standard output: {error}")),
        }
    }
}

impl From<tidemill_checkpoint::Error> for CliError {
    fn from(error: tidemill_checkpoint::Error) -> Self {
        Self::Engine(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let owned = crate::Error::OwnedByAnother("held".to_owned());
        assert_eq!(CliError::Usage(String::new()).code(), 2);
        assert_eq!(CliError::Engine(crate::Error::NoOutput).code(), 2);
        assert_eq!(
            CliError::Engine(crate::Error::Fatal(String::new())).code(),
            1
        );
        assert_eq!(CliError::Engine(owned).code(), 3);
        assert_eq!(CliError::Owned(String::new()).code(), 3);
        assert_eq!(CliError::Signal(15).code(), 143);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(CliError::writing(&closed), CliError::NobodyReads));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(CliError::writing(&full).code(), 1);
    }
}
