//! [`Place`]: a folder that the engine writes to, and how much room there is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_storage::Disk;

use super::Reserve;
use crate::error::Error;

/// A folder that the engine writes to, on a disk that can be full. Object stores are none.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What lies there, in a word.
    pub(crate) name: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
}

impl Place {
    /// Bytes that may still be written there; `None` when the disk can't tell.
    pub(super) fn free(&self) -> tidemill_storage::Result<Option<u64>> {
        let existing = self.nearest_existing()?;
        self.disk.free_space(existing)
    }

    /// Refuses where fewer bytes than needed are free.
    pub(crate) fn has_room(&self, needed: u64) -> Result<(), Error> {
        // A disk that can't be asked is no reason to refuse: what is wrong with it will show.
        match self.free() {
            Ok(Some(free)) if free < needed => Err(Error::NoRoom {
                place: format!("{} ({})", self.folder.display(), self.name),
                free,
                needed,
            }),
            _ => Ok(()),
        }
    }

    /// The folder, or what it will be created in.
    fn nearest_existing(&self) -> tidemill_storage::Result<&Path> {
        for folder in self.folder.ancestors() {
            if !folder.as_os_str().is_empty() && self.disk.metadata(folder)?.is_some() {
                return Ok(folder);
            }
        }
        // A relative path of which nothing exists yet.
        Ok(Path::new("."))
    }
}

/// Refuses a start where it would soon be stuck: before anything is opened, created or taken over.
pub(crate) fn room_to_start(places: &[Place], reserve: Reserve) -> Result<(), Error> {
    let needed = reserve.to_start();
    if needed == 0 {
        return Ok(());
    }
    for place in places {
        place.has_room(needed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_storage::SimDisk;

    fn place(disk: &SimDisk, folder: &str) -> Place {
        Place {
            name: "logs",
            folder: folder.into(),
            disk: Arc::new(disk.clone()),
        }
    }

    #[test]
    fn a_folder_that_is_yet_to_be_made_has_its_parents_room() {
        let disk = SimDisk::new();
        disk.create_dir(Path::new("/data")).unwrap();
        disk.set_capacity(Some(1 << 20));
        let free = disk.free_bytes();
        for folder in ["/data", "/data/pipeline/wal", "/", "data/wal"] {
            assert_eq!(place(&disk, folder).free().unwrap(), free, "{folder}");
        }
    }

    #[test]
    fn a_start_takes_a_quarter_of_the_reserve() {
        let disk = SimDisk::new();
        let places = [place(&disk, "/wal")];
        room_to_start(&places, Reserve(1 << 20)).unwrap();
        disk.set_capacity(Some((1 << 18) - 1));
        let error = room_to_start(&places, Reserve(1 << 20)).unwrap_err();
        let told = error.to_string();
        for part in ["/wal", "262143 bytes", "262144"] {
            assert!(told.contains(part), "{part} isn't in: {told}");
        }
        room_to_start(&places, Reserve(0)).unwrap();
    }
}
