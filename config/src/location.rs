//! Where a setting was written: its layer, and the place in that.

use std::fmt;
use std::sync::Arc;

/// A layer of settings. Each is laid over those before it, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// The table of keys.
    Default,
    /// The pipeline file.
    File,
    /// A file of the folder beside it.
    DropIn,
    /// An environment variable.
    Environment,
    /// An argument, `--set KEY=VALUE`.
    Argument,
}

impl Layer {
    /// Its name, as programs read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::DropIn => "drop-in",
            Self::Environment => "environment",
            Self::Argument => "argument",
        }
    }
}

/// A place in a pipeline file or a drop-in, or the name of what else set a value (`--set a.b`,
/// `environment TIDEMILL__A__B`).
///
/// Locations order by layer, and in a file as an editor would visit them, so sorted errors read from top
/// to bottom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The layer.
    pub layer: Layer,
    /// The file's name as it was given, or that of what else set the value.
    pub file: Arc<str>,
    /// Line, counted from 1; 0 where there is none (an overlay, or the file as a whole).
    pub line: u32,
    /// Column in characters, counted from 1; 0 where there is none.
    pub column: u32,
}

impl Location {
    /// A place in a file; line and column count from 1.
    pub fn new(layer: Layer, file: Arc<str>, line: u32, column: u32) -> Self {
        Self {
            layer,
            file,
            line,
            column,
        }
    }

    /// The whole of a file, or what else sets values, by its name.
    pub fn whole(layer: Layer, name: impl Into<Arc<str>>) -> Self {
        Self::new(layer, name.into(), 0, 0)
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
