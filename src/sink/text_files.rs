//! [`TextFiles`]: a folder of text files for each batch, in place all at once or not at all.
//!
//! The folder's name, `PREFIX-TIME_MS[.SUFFIX]`, carries the batch's identity; in it are `part-00000` and so
//! on, one a partition, and `_SUCCESS`. On a disk the folder is written aside and renamed ([`disk`]). An
//! object store has no rename: there `_SUCCESS` is what a reader waits for, and what becomes visible
//! before it was decided by one conditional write ([`objects`]).

mod decision;
mod disk;
mod objects;
mod place;

use std::fmt::Write as _;
use std::sync::Arc;

use tidemill_storage::{Disk, LocalDisk, Objects, open_objects};

pub(crate) use self::decision::Decision;
use self::disk::DiskFolder;
use self::objects::ObjectFolder;
pub(crate) use self::place::Place;
use super::{BatchIdentity, Guarantee, Sink, TextForm};
use crate::rdd::{BoxError, Element, Partition, Rdd, TaskError};
use crate::time::Time;

/// The file that says that a folder is whole.
pub(crate) const SUCCESS: &str = "_SUCCESS";

/// How much text is gathered before it's written to a disk.
const WRITE_BYTES: usize = 1 << 20;

/// Writes each batch to a folder of text files, one a partition.
#[derive(Debug, Clone)]
pub struct TextFiles {
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

impl TextFiles {
    /// Folders `PREFIX-TIME_MS[.SUFFIX]`. The prefix is a path on the local disk, plain or as `file:PATH`,
    /// or `s3://BUCKET/PATH`, `gs://BUCKET/PATH`, `az://CONTAINER/PATH`, whose credentials come from the
    /// environment, or `memory:NAME/PATH`. Its last component is the beginning of a name.
    ///
    /// # Errors
    /// When the prefix isn't one of these, or this build can't open it. Nothing is read or written yet.
    pub fn open(prefix: &str, suffix: Option<&str>) -> Result<Self, BoxError> {
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
    pub fn on_disk(prefix: impl Into<String>, suffix: Option<&str>, disk: Arc<dyn Disk>) -> Self {
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
    pub fn on_objects(
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
    pub fn folder(&self, time: Time) -> String {
        match &self.suffix {
            Some(suffix) => format!("{}-{}.{suffix}", self.prefix, time.as_millis()),
            None => format!("{}-{}", self.prefix, time.as_millis()),
        }
    }

    /// Whether the batch at `time` has been committed, and not been removed since.
    ///
    /// # Errors
    /// When that can't be found out, or the name is taken by something else.
    pub fn is_committed(&self, time: Time) -> Result<bool, BoxError> {
        match &self.home {
            Home::Disk(disk) => DiskFolder::new(&**disk, self.folder(time)).is_committed(),
            Home::Objects { objects, .. } => {
                ObjectFolder::new(&**objects, self.folder(time)).is_committed()
            }
        }
    }
}

impl<T: ?Sized + Element + TextForm> Sink<T> for TextFiles {
    fn kind(&self) -> &'static str {
        "save_as_text_files"
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::Idempotent
    }

    fn check(&self) -> Result<(), BoxError> {
        let folder = self.folder(Time::default());
        match &self.home {
            Home::Disk(disk) => DiskFolder::new(&**disk, folder).check(),
            Home::Objects { objects, shown } => ObjectFolder::new(&**objects, folder)
                .check()
                .map_err(|error| format!("outputs can't be written to {shown}: {error}").into()),
        }
    }

    fn commit(&self, batch: &BatchIdentity, rdd: &Rdd<T>) -> Result<(), BoxError> {
        let folder = self.folder(batch.time);
        match &self.home {
            Home::Disk(disk) => DiskFolder::new(&**disk, folder).commit(rdd),
            Home::Objects { objects, .. } => ObjectFolder::new(&**objects, folder).commit(rdd),
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

/// The name of a part.
fn part_name(index: usize) -> String {
    format!("part-{index:05}")
}

/// Turns a partition into text, a line an element. `gathered` is shown the text after each line that
/// makes it longer than a write should be, and may take it out; the rest is returned.
fn write_lines<T: ?Sized + Element + TextForm>(
    partition: &Partition<'_, T>,
    mut gathered: impl FnMut(&mut String) -> Result<(), BoxError>,
) -> Result<String, TaskError> {
    let mut text = String::new();
    partition.try_for_each(|value| -> Result<(), BoxError> {
        value.write_text(&mut text)?;
        text.write_char('\n')?;
        if text.len() >= WRITE_BYTES {
            gathered(&mut text)?;
        }
        Ok(())
    })?;
    Ok(text)
}
