//! [`PartFiles`]: a folder of files for each batch, in place all at once or not at all.
//!
//! The folder's name, `PREFIX-TIME_MS[.SUFFIX]`, carries the batch's identity; in it are `part-00000` and so
//! on, one a partition, and `_SUCCESS`. What a part's bytes are is its [`FileFormat`]'s. On a disk the folder is
//! written aside and renamed ([`disk`]). An object store has no rename: there `_SUCCESS` is what a reader waits
//! for, and what becomes visible before it was decided by one conditional write ([`objects`]).

mod decision;
mod disk;
mod objects;
mod part;
mod place;

use std::sync::Arc;

use tidemill_storage::{Disk, LocalDisk, Objects, open_objects};

pub(crate) use self::decision::Decision;
use self::disk::DiskFolder;
use self::objects::ObjectFolder;
pub(super) use self::part::Parts;
pub use self::part::{FileFormat, PartWriter};
pub(crate) use self::place::Place;
use crate::rdd::{BoxError, Element, Rdd};
use crate::time::Time;

/// The file that says that a folder is whole.
pub(crate) const SUCCESS: &str = "_SUCCESS";

/// Folders of part files.
#[derive(Debug, Clone)]
pub(super) struct PartFiles {
    /// What the folders' names begin with, below the root of the home.
    prefix: String,
    suffix: Option<String>,
    home: Home,
}

#[derive(Debug, Clone)]
enum Home {
    Disk(Arc<dyn Disk>),
    Objects {
        objects: Arc<dyn Objects>,
        /// The root, for people.
        shown: String,
    },
}

impl PartFiles {
    /// Where `prefix` says.
    pub(super) fn open(prefix: &str, suffix: Option<&str>) -> Result<Self, BoxError> {
        Ok(match Place::parse(prefix)? {
            Place::Disk(path) => Self::on_disk(path, suffix, Arc::new(LocalDisk)),
            Place::Objects { root, stem } => Self {
                home: Home::Objects {
                    objects: open_objects(&root)?,
                    shown: root.to_string(),
                },
                ..Self::on_disk(stem, suffix, Arc::new(LocalDisk))
            },
        })
    }

    /// On a disk.
    pub(super) fn on_disk(
        prefix: impl Into<String>,
        suffix: Option<&str>,
        disk: Arc<dyn Disk>,
    ) -> Self {
        let suffix = suffix
            .filter(|suffix| !suffix.is_empty())
            .map(str::to_owned);
        Self {
            prefix: prefix.into(),
            suffix,
            home: Home::Disk(disk),
        }
    }

    /// In an object store; the prefix is below its root.
    pub(super) fn on_objects(
        prefix: impl Into<String>,
        suffix: Option<&str>,
        objects: Arc<dyn Objects>,
    ) -> Self {
        Self {
            home: Home::Objects {
                shown: "the object store".to_owned(),
                objects,
            },
            ..Self::on_disk(prefix, suffix, Arc::new(LocalDisk))
        }
    }

    /// The path or name of the folder of the batch at `time`.
    pub(super) fn folder(&self, time: Time) -> String {
        match &self.suffix {
            Some(suffix) => format!("{}-{}.{suffix}", self.prefix, time.as_millis()),
            None => format!("{}-{}", self.prefix, time.as_millis()),
        }
    }

    /// Whether the batch at `time` has been committed, and not been removed since.
    pub(super) fn is_committed(&self, time: Time) -> Result<bool, BoxError> {
        match &self.home {
            Home::Disk(disk) => DiskFolder::new(&**disk, self.folder(time)).is_committed(),
            Home::Objects { objects, .. } => {
                ObjectFolder::new(&**objects, self.folder(time)).is_committed()
            }
        }
    }

    /// Tries whether folders can be written.
    pub(super) fn check(&self) -> Result<(), BoxError> {
        let folder = self.folder(Time::default());
        match &self.home {
            Home::Disk(disk) => DiskFolder::new(&**disk, folder).check(),
            Home::Objects { objects, shown } => ObjectFolder::new(&**objects, folder)
                .check()
                .map_err(|error| format!("outputs can't be written to {shown}: {error}").into()),
        }
    }

    /// Puts the folder of the batch at `time` in place, unless it is.
    pub(super) fn commit<T: ?Sized + Element>(
        &self,
        time: Time,
        rdd: &Rdd<T>,
        parts: &Parts<'_, impl FileFormat<T>>,
    ) -> Result<(), BoxError> {
        let folder = self.folder(time);
        // A batch without partitions has one empty part.
        let one_part = || Rdd::in_memory(vec![T::Buffer::default()], rdd.executor());
        let empty = (rdd.partitions() == 0).then(one_part);
        let rdd = empty.as_ref().unwrap_or(rdd);
        match &self.home {
            Home::Disk(disk) => DiskFolder::new(&**disk, folder).commit(rdd, parts),
            Home::Objects { objects, .. } => {
                ObjectFolder::new(&**objects, folder).commit(rdd, parts)
            }
        }
    }
}

/// The name of the batch's folder that the hidden folder of this name belongs to.
pub(crate) fn folder_of_hidden(name: &str) -> Option<&str> {
    let name = name.strip_prefix('.')?;
    if let Some(staged) = name.strip_suffix(objects::HIDDEN_SUFFIX) {
        return Some(staged);
    }
    let (staged, number) = name.strip_suffix(disk::HIDDEN_SUFFIX)?.rsplit_once('.')?;
    number.parse::<u32>().is_ok().then_some(staged)
}

/// The number in a part's name: `part-00007`, or `part-00007.gz`.
pub(crate) fn part_number(name: &str) -> Option<usize> {
    let behind = name.strip_prefix("part-")?;
    let digits = behind.split('.').next()?;
    digits.parse().ok()
}

/// The name of a part.
fn part_name(index: usize, extension: &str) -> String {
    format!("part-{index:05}{extension}")
}
