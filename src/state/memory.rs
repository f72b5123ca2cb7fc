//! [`StateMemory`]: how much memory states may take, and where the rest of them lies.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cold::{CACHE, Cold, Scratch};
use crate::rdd::BoxError;

/// A limit on the memory of all states, and a folder for what is beyond it.
#[derive(Debug)]
pub(crate) struct StateMemory {
    /// Bytes.
    bytes: u64,
    folder: PathBuf,
    files: AtomicUsize,
}

impl StateMemory {
    /// Makes the folder. Nobody else may use it: scratch files that are still to be seen there go.
    pub(crate) fn new(bytes: u64, folder: PathBuf) -> Result<Self, BoxError> {
        prepare(&folder).map_err(|error| {
            format!(
                "the scratch folder {} for states can't be used: {error}; set another `[state] scratch`",
                folder.display()
            )
        })?;
        Ok(Self {
            bytes,
            folder,
            files: AtomicUsize::new(0),
        })
    }

    /// What a partition of one of `states` states is given: bytes of memory, and a place for what is beyond
    /// them. A part of its share is for what the database of that place keeps in memory.
    pub(super) fn share(
        &self,
        states: usize,
        partitions: usize,
    ) -> Result<(usize, Cold), BoxError> {
        let each = self.bytes / states.max(1) as u64 / partitions.max(1) as u64;
        let each = usize::try_from(each).unwrap_or(usize::MAX);
        let cache = (each / 8).min(CACHE);
        Ok((each - cache, Cold::new(self.scratch()?, cache)))
    }

    fn scratch(&self) -> Result<Arc<dyn Scratch>, BoxError> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number:06}.{EXTENSION}"));
        Ok(Arc::new(ScratchFile::create(&path)?))
    }
}

/// How scratch files' names end.
const EXTENSION: &str = "scratch";

fn prepare(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
        {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A file that has lost its name: it goes with its process, however that ends.
struct ScratchFile {
    file: File,
    /// What it was called, for messages.
    path: PathBuf,
}

impl fmt::Debug for ScratchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl ScratchFile {
    fn create(path: &Path) -> Result<Self, BoxError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create_new(true);
        let file = options
            .open(path)
            .and_then(|file| std::fs::remove_file(path).map(|()| file))
            .map_err(|error| format!("{} can't be created: {error}", path.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }
}

impl Scratch for ScratchFile {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.file.set_len(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}
