//! [`FileSource`]: what files that appear in a folder hold, each file exactly once: lines, or the elements of
//! object files.
//!
//! A plan lists files by name, length and identity; it can be read again for as long as the files stay.
//! Files must appear whole: written elsewhere on the same file system and moved in, or written under a
//! name that is ignored (hidden, beginning with `_`, ending with `.tmp`) and renamed. Objects in a store
//! always do. What is appended to a file after it was listed isn't read. An empty file isn't read either, so
//! one that is still to be filled isn't mistaken for a finished one.
//!
//! Files whose names end with `.gz` or `.zst` are decompressed.
//!
//! Which files were read is known by name, and [`Remember`] says for how long. A file under a known name is
//! another one when it was put there anew: see `ListedFile::is_other`. A folder that loses its files for a
//! while (a file system that isn't mounted) and gets them back isn't read again; names that have been gone
//! for an hour are forgotten.

mod disk;
mod folder;
mod glob;
mod lines;
mod listing;
mod objects;
mod options;
mod seen;
mod store;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidemill_storage::Objects;

pub use glob::Glob;
pub(crate) use objects::object_file;
pub use options::{FileSourceOptions, Remember};

use super::codec::{decode, encode, encode_position};
use super::{DirectSource, Planned, Waiting};
use crate::rdd::{BoxError, Element, Executor, Rdd};
use crate::time::Time;
use folder::Folder;
use lines::FileLines;
use listing::ListedFile;
use objects::ObjectElements;
use seen::Seen;

/// What files that appear in a folder hold: their lines ([`FileSource::new`]), or the elements of object files
/// ([`FileSource::objects`]). Folders within it aren't read, unless
/// [the options](FileSourceOptions::batch_folders) say so.
///
/// The folder is a path, or a place in an object store: `s3://BUCKET/FOLDER`, `gs://`, `az://`, with credentials from
/// the environment. A place that is none, or that this build can't open, is a mistake that the start refuses.
pub struct FileSource<T: ?Sized + Element = str> {
    kind: &'static str,
    path: PathBuf,
    /// Or why there is none.
    folder: Result<Folder, String>,
    options: FileSourceOptions,
    seen: Mutex<Seen>,
    waiting: Mutex<Waiting>,
    read: Read<T>,
}

/// Makes a dataset of listed files in a folder.
type Read<T> = fn(&Folder, Vec<ListedFile>, &Executor) -> Rdd<T>;

impl<T: ?Sized + Element> fmt::Debug for FileSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
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
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::source::{FileSource, FileSourceOptions, Glob};
    ///
    /// let options = FileSourceOptions {
    ///     pattern: Some(Glob::new("*.log")),
    ///     ..FileSourceOptions::default()
    /// };
    /// let lines = context.direct_stream(FileSource::new("data/in", options));
    /// lines.print();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(folder: impl Into<PathBuf>, options: FileSourceOptions) -> Self {
        Self::reading(
            "text_file",
            folder.into(),
            options,
            |folder, files, executor| Rdd::new(FileLines::new(folder.clone(), files), executor),
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
                Rdd::new(ObjectElements::new(folder.clone(), files), executor)
            },
        )
    }
}

impl<T: ?Sized + Element> FileSource<T> {
    fn reading(
        kind: &'static str,
        path: PathBuf,
        options: FileSourceOptions,
        read: Read<T>,
    ) -> Self {
        Self {
            kind,
            folder: Folder::parse(&path).map_err(|error| error.to_string()),
            path,
            options,
            seen: Mutex::default(),
            waiting: Mutex::default(),
            read,
        }
    }

    /// Reads the folder in `objects`: its path is the name of a folder there.
    ///
    /// ```
    /// use tidemill::source::{FileSource, FileSourceOptions};
    /// use tidemill_storage::{Location, open_objects};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bucket = open_objects(&Location::of_path("memory:bucket")?)?;
    /// let lines = FileSource::new("in", FileSourceOptions::default()).stored_in(bucket);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stored_in(mut self, objects: Arc<dyn Objects>) -> Self {
        self.folder = Ok(Folder::stored_in(&self.path, objects));
        self
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self) -> Result<&Folder, BoxError> {
        self.folder.as_ref().map_err(|error| error.as_str().into())
    }

    fn list(&self, after: Option<&[u8]>) -> Result<Vec<ListedFile>, BoxError> {
        let listed = self.folder()?.list(&self.options, after);
        listed.map_err(|error| self.unlisted(&error))
    }

    fn unlisted(&self, error: &io::Error) -> BoxError {
        let folder = self.path.display();
        format!(
            "the watched folder {folder} can't be listed: {error}; its files are read when it can"
        )
        .into()
    }
}

impl<T: ?Sized + Element> DirectSource<T> for FileSource<T> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn describe(&self) -> String {
        let path = self.path.display();
        match &self.options.pattern {
            Some(pattern) => format!("files {pattern} in {path}"),
            None => format!("files in {path}"),
        }
    }

    fn check(&self) -> Result<(), BoxError> {
        self.folder().map(|_| ())
    }

    /// Notes which files are there already, if only new ones count. A folder that isn't there has none.
    fn first_start(&self) -> Result<(), BoxError> {
        if !self.options.new_files_only {
            return Ok(());
        }
        match self.folder()?.list(&self.options, None) {
            Ok(files) => self.seen().add(&files, self.options.remember),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.path.display(), "the folder to watch isn't there yet");
            }
            Err(error) => return Err(self.unlisted(&error)),
        }
        Ok(())
    }

    fn plan(&self, time: Time, _previous: Option<Time>) -> Result<Option<Planned>, BoxError> {
        let remember = self.options.remember;
        let by_name = remember == Remember::GreatestName;
        let after = self.seen().greatest().filter(|_| by_name);
        let listed = self.list(after.as_ref().map(|name| name.as_slice()))?;
        let mut seen = self.seen();
        seen.was_listed(time, &listed, remember);
        let mut files: Vec<ListedFile> = listed
            .into_iter()
            .filter(|file| file.length > 0 && seen.is_new(file))
            .collect();
        drop(seen);
        files.sort_by(|a, b| {
            let changed = |file: &ListedFile| (!by_name).then_some(file.changed_ns);
            (changed(a), &a.name).cmp(&(changed(b), &b.name))
        });
        let most = self.options.max_files_per_batch.unwrap_or(usize::MAX);
        let left = files.split_off(files.len().min(most.max(1)));
        *self.waiting() = listing::waiting(&left);
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
        let remember = self.options.remember;
        self.seen().accept(plan.time, &plan.files, remember);
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

    fn waiting(&self) -> Waiting {
        *Self::waiting(self)
    }

    fn rdd(&self, plan: &[u8], executor: &Executor) -> Result<Rdd<T>, BoxError> {
        let plan: Plan = decode("a file source's plan", plan)?;
        Ok((self.read)(self.folder()?, plan.files, executor))
    }
}

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
