//! What can go wrong with storage, sorted by what the caller can do about it.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

/// The result of a storage operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed storage operation: what was tried, on which path, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}: {source}{}", kind.advice())]
#[non_exhaustive]
pub struct Error {
    /// What was tried, as a verb: `"append to"`, `"sync"`.
    pub operation: &'static str,
    /// The file, folder or object concerned.
    pub path: String,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The system's or the store's own words.
    pub source: Box<dyn StdError + Send + Sync>,
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file or object isn't there.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// No space or no quota is left; worth trying again once some is free.
    Full,
    /// The process lacks the permission; an operator has to grant it.
    Denied,
    /// What was read back isn't what was written.
    Corrupt,
    /// This build, file system or store can't do it.
    Unsupported,
    /// A store in the network gave no usable answer for as long as it was asked. Whether a write took
    /// effect is not known.
    Unavailable,
    /// A store in the network refuses, and will until its configuration or ours is changed.
    Refused,
    /// Anything else: a device, a network, a bug.
    Io,
}

impl ErrorKind {
    /// The kind of a system error.
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt,
            io::ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Io,
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Full => " (free some space or raise the quota)",
            Self::Denied => " (check owner and permissions)",
            Self::Unavailable => " (check the network and the store's state, then start again)",
            _ => "",
        }
    }
}

impl Error {
    /// An error of `kind`, explained by `source`.
    pub fn new(
        operation: &'static str,
        path: impl Into<String>,
        kind: ErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            operation,
            path: path.into(),
            kind,
            source: source.into(),
        }
    }

    /// A system error while doing `operation` on `path`.
    pub fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::new(
            operation,
            path.display().to_string(),
            ErrorKind::of(&source),
            source,
        )
    }

    /// Whether the file or object isn't there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether space or quota ran out.
    pub fn is_full(&self) -> bool {
        self.kind == ErrorKind::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_and_explained() {
        for errno in [28 /* ENOSPC */, 122 /* EDQUOT */] {
            let error = Error::io(
                "append to",
                Path::new("/a/b"),
                io::Error::from_raw_os_error(errno),
            );
            assert!(error.is_full());
            let text = error.to_string();
            assert!(text.starts_with("append to /a/b: "), "{text}");
            assert!(
                text.ends_with("(free some space or raise the quota)"),
                "{text}"
            );
        }
    }
}
