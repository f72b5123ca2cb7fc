//! [`Folder`]: where watched files lie, on a disk or in an object store.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_storage::{Location, Objects};

use super::FileSourceOptions;
use super::disk::{self, ListedBytes};
use super::listing::ListedFile;
use super::store::StoreFolder;
use crate::rdd::BoxError;

/// A folder of files.
#[derive(Debug, Clone)]
pub(super) enum Folder {
    Disk(PathBuf),
    Store(StoreFolder),
}

impl Folder {
    /// The folder that a path or a location names.
    pub(super) fn parse(path: &Path) -> Result<Self, BoxError> {
        match location(path)? {
            Location::File(path) => Ok(Self::Disk(path)),
            Location::Sled(_) => Err(format!(
                "{}: a database has no files to read: write file:PATH or a plain path",
                path.display()
            )
            .into()),
            location => StoreFolder::open(&location).map(Self::Store),
        }
    }

    /// This folder in `objects`, instead of where it is.
    pub(super) fn stored_in(path: &Path, objects: Arc<dyn Objects>) -> Self {
        let within = path.to_string_lossy();
        Self::Store(StoreFolder::new(objects, &within, within.to_string()))
    }

    /// A file in it, for people.
    pub(super) fn name_of(&self, file: &ListedFile) -> String {
        match self {
            Self::Disk(folder) => disk::path_of(folder, file).display().to_string(),
            Self::Store(store) => store.name_of(file),
        }
    }

    /// The files in it that aren't ignored; at least those whose names are behind `after`.
    pub(super) fn list(
        &self,
        options: &FileSourceOptions,
        after: Option<&[u8]>,
    ) -> io::Result<Vec<ListedFile>> {
        match self {
            Self::Disk(folder) => disk::list(folder, options),
            Self::Store(store) => store.list(options, after),
        }
    }

    /// The bytes of a file as it was listed.
    pub(super) fn open(&self, file: &ListedFile) -> Result<Box<dyn Read>, BoxError> {
        Ok(match self {
            Self::Disk(folder) => Box::new(ListedBytes::open(&disk::path_of(folder, file), file)?),
            Self::Store(store) => Box::new(store.bytes_of(file)),
        })
    }
}

/// What a path or location names.
pub(super) fn location(path: &Path) -> Result<Location, BoxError> {
    match path.to_str() {
        Some(text) => Ok(Location::of_path(text)?),
        None => Ok(Location::File(path.to_owned())),
    }
}

/// Names the file that can't be read.
pub(super) fn unreadable(name: &str, error: &io::Error) -> BoxError {
    format!("{name} can't be read: {error}").into()
}
