//! Where a setting was written: a place in a file, or the overlay that set it.

use std::fmt;
use std::sync::Arc;

/// A place in a pipeline file, or the name of the overlay (`--set a.b`, `environment TIDEMILL__A__B`)
/// that a setting came from.
///
/// Locations order as an editor would visit them, so sorted errors read from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file's name as it was given, or the overlay's.
    pub file: Arc<str>,
    /// Line, counted from 1; 0 where there is none (an overlay, or the file as a whole).
    pub line: u32,
    /// Column in characters, counted from 1; 0 where there is none.
    pub column: u32,
}

impl Location {
    /// A place in a file; line and column count from 1.
    pub fn new(file: Arc<str>, line: u32, column: u32) -> Self {
        Self { file, line, column }
    }

    /// The whole of a file, or an overlay by its name.
    pub fn whole(file: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
        }
    }

    /// Whether this is a place in a file, and not an overlay or a file as a whole.
    pub fn is_in_file(&self) -> bool {
        self.line > 0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_in_file() {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        } else {
            f.write_str(&self.file)
        }
    }
}
