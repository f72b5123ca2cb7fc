//! [`FileSourceOptions`]: which files a source reads, and how it knows those that it has read.

use std::time::Duration;

use super::Glob;

/// Which files a [`FileSource`](super::FileSource) reads.
#[derive(Debug, Clone)]
pub struct FileSourceOptions {
    /// File names to take; `None`: all that aren't ignored.
    pub pattern: Option<Glob>,
    /// Whether files that are in the folder at the first start of all are left out.
    pub new_files_only: bool,
    /// How many a batch takes at most, those changed the longest ago first; `None`: all.
    pub max_files_per_batch: Option<usize>,
    /// Whether the parts in folders that hold a `_SUCCESS`, as file sinks write them, are read as well.
    pub batch_folders: bool,
    /// How files that were read are told from new ones.
    pub remember: Remember,
}

impl Default for FileSourceOptions {
    /// All new files.
    fn default() -> Self {
        Self {
            pattern: None,
            new_files_only: true,
            max_files_per_batch: None,
            batch_folders: false,
            remember: Remember::All,
        }
    }
}

/// What a [`FileSource`](super::FileSource) remembers of the files that it has read. It is in memory and in each
/// checkpoint, so a folder that nobody clears out makes both grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remember {
    /// The names of all that are still in the folder: each file is read once, whenever it appears and whatever
    /// its name.
    #[default]
    All,
    /// The names of those that changed within this time before the one that changed last. A file that appears later
    /// and changed before that isn't read, unless it was waiting.
    ///
    /// The original always does so, with the time that its streams are remembered, at least a minute; it goes by
    /// its own clock, where this goes by the folder's.
    Within(Duration),
    /// The greatest name only (in the order of bytes), for files whose names ascend, as those that begin with a
    /// time do: one that appears with a smaller name isn't read. Of an object store only what is behind that name is
    /// listed, so a batch costs what is new. A batch's folder that isn't whole yet holds up what is behind it.
    GreatestName,
}
