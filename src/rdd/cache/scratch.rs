//! [`Scratch`]: files that die with the process.
//!
//! Each process has a folder of its own below each root, with a lock that the kernel takes away with it. Folders
//! whose lock is free are leftovers, and are removed. Nothing is synced: what is lost is computed again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidemill_storage::{FileLock, Holder};

/// How the folders' names begin.
const PREFIX: &str = "tidemill-scratch-";

/// One root and, once it is needed, the folder in it.
pub(super) struct Scratch {
    root: PathBuf,
    own: Mutex<Option<Own>>,
    next: AtomicU64,
    /// Bytes of the files there are.
    bytes: Arc<AtomicU64>,
}

struct Own {
    path: PathBuf,
    _lock: FileLock,
}

impl Scratch {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            own: Mutex::new(None),
            next: AtomicU64::new(0),
            bytes: Arc::default(),
        }
    }

    /// Bytes of the files there are.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Removes what processes that died have left.
    pub(super) fn clear_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        for entry in entries.flatten() {
            if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            let path = entry.path();
            // One that has just been made may have no lock yet: it isn't touched.
            let is_dead = path.join("lock").exists()
                && FileLock::acquire(&path.join("lock"), &holder()).is_ok();
            if is_dead && let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(folder = %path.display(), %error, "old scratch files can't be removed");
            }
        }
    }

    /// Writes a file.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<ScratchFile> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let length = bytes.len() as u64;
        let path = self.folder()?.join(format!("{number}.part"));
        self.bytes.fetch_add(length, Ordering::Relaxed);
        let file = ScratchFile {
            path,
            length,
            all: Arc::clone(&self.bytes),
        };
        fs::write(&file.path, bytes)?;
        Ok(file)
    }

    /// The process's folder here, made when it is first asked for.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*own {
            return Ok(own.path.clone());
        }
        fs::create_dir_all(&self.root)?;
        self.clear_leftovers();
        let mut number = 0;
        let path = loop {
            let path = self
                .root
                .join(format!("{PREFIX}{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        let lock = FileLock::acquire(&path.join("lock"), &holder())
            .map_err(|error| io::Error::other(error.to_string()))?;
        *own = Some(Own {
            path: path.clone(),
            _lock: lock,
        });
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let own = self.own.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = own.take() {
            let _ = fs::remove_dir_all(own.path);
        }
    }
}

fn holder() -> Holder {
    Holder::current("scratch", 0)
}

/// A file that is removed with this.
pub(super) struct ScratchFile {
    path: PathBuf,
    length: u64,
    /// Bytes of all files of its folder.
    all: Arc<AtomicU64>,
}

impl ScratchFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        self.all.fetch_sub(self.length, Ordering::Relaxed);
    }
}
