//! [`LocalDisk`]: the real disk, through `std::fs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::disk::{DirEntry, Disk, DiskFile, Metadata};
use crate::error::{Error, Result};

/// The local disk. Paths are those of the operating system; it has no state of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

/// Whether an error says that nothing has the name (a file in place of a folder on the way included).
fn means_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Turns the "it need not exist" of the [`Disk`] trait into success.
fn or_absent(path: &Path, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if means_absent(&error) && fs::symlink_metadata(path).is_err() => Ok(()),
        other => other,
    }
}

fn describe(metadata: &fs::Metadata) -> Metadata {
    let is_dir = metadata.is_dir();
    Metadata {
        len: if is_dir { 0 } else { metadata.len() },
        is_dir,
        modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

/// Renames without ever replacing a folder: plain `rename` would replace an empty one.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(from)?.is_dir() {
        return fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system doesn't know the flag: the check has a gap, but one process owns the folder.
        Err(Errno::INVAL | Errno::NOSYS) if !to.try_exists()? => fs::rename(from, to),
        Err(Errno::INVAL | Errno::NOSYS) => Err(Errno::EXIST.into()),
        other => other.map_err(io::Error::from),
    }
}

impl Disk for LocalDisk {
    fn create_new(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        match OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(path)
        {
            Ok(file) => Ok(Box::new(LocalFile {
                file,
                path: path.to_owned(),
            })),
            Err(error) => Err(Error::io("create", path, error)),
        }
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => Ok(Box::new(LocalFile {
                file,
                path: path.to_owned(),
            })),
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    fn read(&self, path: &Path) -> Result<Bytes> {
        fs::read(path)
            .map(Bytes::from)
            .map_err(|error| Error::io("read", path, error))
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Bytes> {
        let read = || -> io::Result<Bytes> {
            let file = File::open(path)?;
            // Never reserve more than the file holds, whatever a damaged length field asks for.
            let rest = file.metadata()?.len().saturating_sub(offset);
            let len = usize::try_from(rest).unwrap_or(usize::MAX).min(len);
            let mut bytes = Vec::with_capacity(len);
            let mut from = &file;
            from.seek(SeekFrom::Start(offset))?;
            from.take(len as u64).read_to_end(&mut bytes)?;
            match bytes.len() == len {
                true => Ok(bytes.into()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        read().map_err(|error| Error::io("read", path, error))
    }

    fn rewrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
        let write = || {
            // Not through a handle of `open`: what is written there goes to the end, whatever the offset.
            let file = OpenOptions::new().write(true).open(path)?;
            if offset.saturating_add(bytes.len() as u64) > file.metadata()?.len() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            file.write_all_at(bytes, offset)
        };
        write().map_err(|error| Error::io("write over", path, error))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        rename(from, to).map_err(|error| Error::io("rename", from, error))
    }

    fn link_new(&self, from: &Path, to: &Path) -> Result<()> {
        fs::hard_link(from, to).map_err(|error| Error::io("link", to, error))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        or_absent(path, fs::remove_file(path)).map_err(|error| Error::io("remove", path, error))
    }

    fn remove_dir_all(&self, path: &Path) -> Result<()> {
        or_absent(path, fs::remove_dir_all(path)).map_err(|error| Error::io("remove", path, error))
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other.map_err(|error| Error::io("create folder", path, error)),
        }
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>> {
        let read = || -> io::Result<Vec<DirEntry>> {
            let mut entries = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let metadata = match fs::metadata(entry.path()) {
                    Ok(metadata) => describe(&metadata),
                    // Gone since the folder was read, or a link to nowhere.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                let name = entry.file_name().to_string_lossy().into_owned();
                entries.push(DirEntry { name, metadata });
            }
            entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        };
        read().map_err(|error| Error::io("list", path, error))
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(describe(&metadata))),
            Err(error) if means_absent(&error) => Ok(None),
            Err(error) => Err(Error::io("look up", path, error)),
        }
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        File::open(path)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| Error::io("sync folder", path, error))
    }

    fn free_space(&self, path: &Path) -> Result<Option<u64>> {
        // What is reserved for the superuser is not counted.
        rustix::fs::statvfs(path)
            .map(|found| Some(found.f_bavail.saturating_mul(found.f_frsize)))
            .map_err(|error| Error::io("look for free space at", path, error.into()))
    }
}

#[derive(Debug)]
struct LocalFile {
    file: File,
    path: PathBuf,
}

impl DiskFile for LocalFile {
    fn append(&mut self, mut buffers: &mut [IoSlice<'_>]) -> Result<()> {
        // Leading empty buffers would make a successful write look like "nothing written".
        IoSlice::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            match self.file.write_vectored(buffers) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(Error::io("append to", &self.path, error));
                }
                Ok(written) => IoSlice::advance_slices(&mut buffers, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("append to", &self.path, error)),
            }
        }
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata
            .map(|m| m.len())
            .map_err(|error| Error::io("look up", &self.path, error))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.file
            .set_len(len)
            .map_err(|error| Error::io("cut", &self.path, error))
    }

    fn sync_data(&mut self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|error| Error::io("sync", &self.path, error))
    }

    fn sync_all(&mut self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|error| Error::io("sync", &self.path, error))
    }
}
