//! [`FileSource`]: what files that appear in a folder hold, each file exactly once: lines, or the elements of
//! object files.
//!
//! A plan lists files by name, length and identity; it can be read again for as long as the files stay.
//! Files must appear whole: written elsewhere on the same file system and moved in, or written under a
//! name that is ignored (hidden, beginning with `_`, ending with `.tmp`) and renamed. What is appended to
//! a file after it was listed isn't read. An empty file isn't read either, so one that is still to be
//! filled isn't mistaken for a finished one.
//!
//! Files whose names end with `.gz` or `.zst` are decompressed.
//!
//! Which files were read is known by name. A file under a known name is another one when it was put there
//! anew: see `ListedFile::is_other`. A folder that loses its files for a while (a file system that isn't
//! mounted) and gets them back isn't read again; names that have been gone for an hour are forgotten.

mod bytes;
mod glob;
mod lines;
mod listing;
mod objects;
mod seen;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use glob::Glob;
pub(crate) use objects::object_file;

use super::codec::{decode, encode, encode_position};
use super::{DirectSource, Planned};
use crate::rdd::{BoxError, Element, Executor, Rdd};
use crate::time::Time;
use lines::FileLines;
use listing::{ListedFile, list};
use objects::ObjectElements;
use seen::Seen;

/// Which files a [`FileSource`] reads.
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
}

impl Default for FileSourceOptions {
    /// All new files.
    fn default() -> Self {
        Self {
            pattern: None,
            new_files_only: true,
            max_files_per_batch: None,
            batch_folders: false,
        }
    }
}

/// What files that appear in a folder hold: their lines ([`FileSource::new`]), or the elements of object files
/// ([`FileSource::objects`]). Folders within it aren't read, unless
/// [the options](FileSourceOptions::batch_folders) say so.
pub struct FileSource<T: ?Sized + Element = str> {
    kind: &'static str,
    folder: PathBuf,
    options: FileSourceOptions,
    seen: Mutex<Seen>,
    read: Read<T>,
}

/// Makes a dataset of listed files in a folder.
type Read<T> = fn(&Path, Vec<ListedFile>, &Executor) -> Rdd<T>;

impl<T: ?Sized + Element> fmt::Debug for FileSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("folder", &self.folder)
            .field("options", &self.options)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    time: Time,
    files: Vec<ListedFile>,
}

impl FileSource {
    /// The lines of the files in `folder`, which may appear later.
    pub fn new(folder: impl Into<PathBuf>, options: FileSourceOptions) -> Self {
        Self::reading(
            "text_file",
            folder.into(),
            options,
            |folder, files, executor| Rdd::new(FileLines::new(folder.to_owned(), files), executor),
        )
    }
}

impl<T: ?Sized + Element> FileSource<T>
where
    T::Own: DeserializeOwned,
{
    /// The elements of the object files in `folder`, which may appear later. With
    /// [`batch_folders`](FileSourceOptions::batch_folders) it is the folder that
    /// [`save_as_object_files`](crate::DStream::save_as_object_files) writes batches to.
    ///
    /// ```
    /// use tidemill::source::{FileSource, FileSourceOptions};
    ///
    /// let options = FileSourceOptions { batch_folders: true, ..Default::default() };
    /// let counts = FileSource::<(String, u64)>::objects("data/out", options);
    /// ```
    pub fn objects(folder: impl Into<PathBuf>, options: FileSourceOptions) -> Self {
        Self::reading(
            "object_file",
            folder.into(),
            options,
            |folder, files, executor| {
                Rdd::new(ObjectElements::new(folder.to_owned(), files), executor)
            },
        )
    }
}

impl<T: ?Sized + Element> FileSource<T> {
    fn reading(
        kind: &'static str,
        folder: PathBuf,
        options: FileSourceOptions,
        read: Read<T>,
    ) -> Self {
        Self {
            kind,
            folder,
            options,
            seen: Mutex::default(),
            read,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self) -> Result<Vec<ListedFile>, BoxError> {
        list(&self.folder, &self.options).map_err(|error| {
            let folder = self.folder.display();
            format!(
                "the watched folder {folder} can't be listed: {error}; its files are read when it can"
            )
            .into()
        })
    }
}

impl<T: ?Sized + Element> DirectSource<T> for FileSource<T> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn describe(&self) -> String {
        match &self.options.pattern {
            Some(pattern) => format!("files {pattern} in {}", self.folder.display()),
            None => format!("files in {}", self.folder.display()),
        }
    }

    /// Notes which files are there already, if only new ones count. A folder that isn't there has none.
    fn first_start(&self) -> Result<(), BoxError> {
        if !self.options.new_files_only {
            return Ok(());
        }
        match list(&self.folder, &self.options) {
            Ok(files) => self.seen().add(&files),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.folder.display(), "the folder to watch isn't there yet");
            }
            Err(_) => {
                self.list()?;
            }
        }
        Ok(())
    }

    fn plan(&self, time: Time, _previous: Option<Time>) -> Result<Option<Planned>, BoxError> {
        let listed = self.list()?;
        let mut seen = self.seen();
        seen.was_listed(time, &listed);
        let mut files: Vec<ListedFile> = listed
            .into_iter()
            .filter(|file| file.length > 0 && seen.is_new(file))
            .collect();
        drop(seen);
        files.sort_by(|a, b| (a.changed_ns, &a.name).cmp(&(b.changed_ns, &b.name)));
        if let Some(most) = self.options.max_files_per_batch {
            files.truncate(most.max(1));
        }
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(Planned {
            plan: encode(&Plan { time, files })?,
            records: None,
        }))
    }

    fn accept(&self, plan: &[u8]) -> Result<(), BoxError> {
        let plan: Plan = decode("a file source's plan", plan)?;
        self.seen().accept(plan.time, &plan.files);
        Ok(())
    }

    fn position(&self) -> Vec<u8> {
        let mut seen = self.seen();
        seen.prune();
        encode_position(&*seen)
    }

    fn restore(&self, position: &[u8]) -> Result<(), BoxError> {
        *self.seen() = decode("a file source's position", position)?;
        Ok(())
    }

    fn rdd(&self, plan: &[u8], executor: &Executor) -> Result<Rdd<T>, BoxError> {
        let plan: Plan = decode("a file source's plan", plan)?;
        Ok((self.read)(&self.folder, plan.files, executor))
    }
}

#[cfg(test)]
mod tests;
