//! [`SimFile`]: an open file of a simulated disk.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::{Failure, FileNode, NO_SPACE, NodeId, OperationKind, SimDisk, State};
use crate::disk::DiskFile;
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    id: NodeId,
    generation: u64,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, path: &Path, id: NodeId, generation: u64) -> Self {
        Self {
            disk,
            path: path.to_owned(),
            id,
            generation,
        }
    }

    fn check_alive(&self, state: &State) -> io::Result<()> {
        if state.generation == self.generation {
            return Ok(());
        }
        let reason = "the power was cut since the file was opened";
        Err(io::Error::other(reason))
    }

    /// As [`SimDisk::run`], for an operation on an open file; `faulty` does what is left of it when
    /// it is to fail.
    fn run<T>(
        &self,
        (kind, name, bytes): (OperationKind, &'static str, u64),
        faulty: impl FnOnce(&mut FileNode, Failure),
        work: impl FnOnce(&mut FileNode) -> T,
    ) -> Result<T> {
        let run = || {
            self.check_alive(&self.disk.lock())?;
            let (mut state, failure) = self.disk.begin(kind, &self.path, bytes);
            // The power may have been cut while it waited.
            self.check_alive(&state)?;
            let failure = failure.or_else(|| {
                let free = state.free_bytes()?;
                let full = kind == OperationKind::Append && free < bytes;
                full.then(|| {
                    let mut failure = Failure::new(NO_SPACE);
                    failure.appended = free;
                    failure
                })
            });
            let now = state.now();
            let file = state.nodes.file_mut(self.id)?;
            if let Some(failure) = failure {
                faulty(file, failure);
                return Err(io::Error::from_raw_os_error(failure.errno));
            }
            if matches!(kind, OperationKind::Append | OperationKind::SetLen) {
                file.modified = now;
            }
            Ok(work(file))
        };
        run().map_err(|error| Error::io(name, &self.path, error))
    }

    fn sync(&mut self) -> Result<()> {
        let what = (OperationKind::SyncFile, "sync", 0);
        let lose = |file: &mut FileNode, failure: Failure| {
            if failure.loses {
                file.lose_unsynced();
            }
        };
        self.run(what, lose, FileNode::sync)
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<()> {
        let total = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        let what = (OperationKind::Append, "append to", total);
        // One write, not one a buffer: it is one system call.
        let all: Vec<u8> = buffers
            .iter()
            .flat_map(|buffer| buffer.iter().copied())
            .collect();
        let short = |file: &mut FileNode, failure: Failure| {
            let kept = usize::try_from(failure.appended).unwrap_or(usize::MAX);
            file.append(all.get(..kept.min(all.len())).unwrap_or_default());
        };
        self.run(what, short, |file| file.append(&all))
    }

    fn len(&self) -> Result<u64> {
        let look = || {
            let mut state = self.disk.lock();
            self.check_alive(&state)?;
            Ok(state.nodes.file_mut(self.id)?.bytes().len() as u64)
        };
        look().map_err(|error| Error::io("look up", &self.path, error))
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let what = (OperationKind::SetLen, "cut", 0);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.run(what, |_, _| (), |file| file.set_len(len))
    }

    fn sync_data(&mut self) -> Result<()> {
        self.sync()
    }

    fn sync_all(&mut self) -> Result<()> {
        self.sync()
    }
}
