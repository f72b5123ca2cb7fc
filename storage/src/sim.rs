//! [`SimDisk`]: a disk in memory that forgets what wasn't synced.
//!
//! Every file keeps two versions of its bytes, the one a reader sees and the one that would survive
//! a power cut; every folder keeps two versions of its names. Writes change the first,
//! [`DiskFile::sync_data`] and [`Disk::sync_dir`] copy it to the second, and
//! [`SimDisk::power_cut`] copies the second back. It is stricter than most real file systems
//! (which write things back by themselves, and sync a new file's name along with its bytes), so
//! whatever survives here survives there.
//!
//! Before it takes effect every operation is shown to one hook ([`SimDisk::set_faults`]), which can
//! let it fail. Determinism: no clock and no randomness; modification times count operations.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::disk::{DirEntry, Disk, DiskFile, Metadata};
use crate::error::{Error, Result};

mod node;
use node::{FileNode, Node, NodeId, Nodes};

/// What kind of operation is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// [`Disk::create_new`].
    Create,
    /// [`Disk::open`].
    Open,
    /// [`Disk::read`] or [`Disk::read_range`].
    Read,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::link_new`].
    Link,
    /// [`Disk::remove_file`] or [`Disk::remove_dir_all`].
    Remove,
    /// [`Disk::create_dir`].
    CreateDir,
    /// [`Disk::read_dir`] or [`Disk::metadata`].
    List,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// [`DiskFile::append`].
    Append,
    /// [`DiskFile::set_len`].
    SetLen,
    /// [`DiskFile::sync_data`] or [`DiskFile::sync_all`].
    SyncFile,
}

impl OperationKind {
    /// Whether it can change what a reader sees or what a power cut leaves.
    pub fn changes_something(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List)
    }
}

/// An operation that is about to happen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Operation {
    /// Its place among all operations of this disk, from 0.
    pub number: u64,
    /// What it is.
    pub kind: OperationKind,
    /// What it is done to (the old name of a rename, the new name of a link).
    pub path: PathBuf,
    /// How many bytes are to be appended; 0 for anything else.
    pub bytes: u64,
}

/// How an operation is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// With this error number, having changed nothing. A failed file sync leaves the bytes that
    /// weren't synced visible but lost: a later sync succeeds without them, as on Linux.
    Errno(i32),
    /// An append stops after so many bytes, then fails with this error number.
    ShortAppend {
        /// Bytes that are still appended.
        bytes: u64,
        /// The error number it then fails with.
        errno: i32,
    },
}

/// What the system answers when the disk is full.
const NO_SPACE: i32 = rustix::io::Errno::NOSPC.raw_os_error();

type FaultPlan = dyn Fn(&Operation) -> Option<Fault> + Send + Sync;

/// A simulated disk. Clones are handles to the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    nodes: Nodes,
    operations: u64,
    /// Counts power cuts: files opened before the last one are dead.
    generation: u64,
    faults: Option<Arc<FaultPlan>>,
    /// The most bytes that files may hold together.
    capacity: Option<u64>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk")
            .field("operations", &self.operations())
            .finish_non_exhaustive()
    }
}

impl SimDisk {
    /// An empty disk: a root folder (also what relative paths start from) and nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power and boots again: unsynced bytes and names are gone. Files that were open answer
    /// every further call with an error, as if their process had died.
    pub fn power_cut(&self) {
        let mut state = self.lock();
        state.generation += 1;
        state.nodes.power_cut();
    }

    /// An independent copy of the disk as it is now, without the hook.
    pub fn snapshot(&self) -> Self {
        let mut copy = self.lock().clone();
        copy.faults = None;
        Self {
            state: Arc::new(Mutex::new(copy)),
        }
    }

    /// Shows every operation from now on to `plan` before it takes effect. The plan must not use
    /// the disk itself.
    pub fn set_faults(&self, plan: impl Fn(&Operation) -> Option<Fault> + Send + Sync + 'static) {
        self.lock().faults = Some(Arc::new(plan));
    }

    /// Lets every operation succeed again.
    pub fn clear_faults(&self) {
        self.lock().faults = None;
    }

    /// Limits the bytes that all files hold together; `None`, as at first: no limit. An append that finds
    /// less room writes what fits and fails with "no space left", as on a real disk.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Bytes that can still be appended; `None` without a limit.
    pub fn free_bytes(&self) -> Option<u64> {
        self.lock().free_bytes()
    }

    /// How many operations there have been.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one operation, unless the hook lets it fail.
    fn run<T>(
        &self,
        kind: OperationKind,
        name: &'static str,
        path: &Path,
        work: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        let mut state = self.lock();
        let result = match state.consult(kind, path, 0) {
            Some(Fault::Errno(errno) | Fault::ShortAppend { errno, .. }) => {
                Err(io::Error::from_raw_os_error(errno))
            }
            None => work(&mut state),
        };
        result.map_err(|error| Error::io(name, path, error))
    }

    fn file(&self, path: &Path, id: NodeId, generation: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            id,
            generation,
        })
    }
}

impl State {
    fn consult(&mut self, kind: OperationKind, path: &Path, bytes: u64) -> Option<Fault> {
        let number = self.operations;
        self.operations += 1;
        let plan = self.faults.as_ref()?;
        plan(&Operation {
            number,
            kind,
            path: path.to_owned(),
            bytes,
        })
    }

    fn free_bytes(&self) -> Option<u64> {
        let capacity = self.capacity?;
        Some(capacity.saturating_sub(self.nodes.used_bytes()))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.operations)
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The parts of a path from the root; `.` is dropped and `..` resolved by name.
fn parts(path: &Path) -> Vec<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts
}

impl Disk for SimDisk {
    fn create_new(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.run(OperationKind::Create, "create", path, |state| {
            let node = Node::File(FileNode::new(state.now()));
            let id = state.nodes.insert_new(&parts(path), node)?;
            Ok(self.file(path, id, state.generation))
        })
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>> {
        self.run(OperationKind::Open, "open", path, |state| {
            let id = state.nodes.find(&parts(path)).ok_or_else(not_found)?;
            state.nodes.file_mut(id)?;
            Ok(self.file(path, id, state.generation))
        })
    }

    fn read(&self, path: &Path) -> Result<Bytes> {
        self.run(OperationKind::Read, "read", path, |state| {
            let id = state.nodes.find(&parts(path)).ok_or_else(not_found)?;
            Ok(Bytes::copy_from_slice(state.nodes.file_mut(id)?.bytes()))
        })
    }

    fn read_range(&self, path: &Path, offset: u64, len: usize) -> Result<Bytes> {
        self.run(OperationKind::Read, "read", path, |state| {
            let id = state.nodes.find(&parts(path)).ok_or_else(not_found)?;
            let bytes = state.nodes.file_mut(id)?.bytes();
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let end = start.saturating_add(len).min(bytes.len());
            Ok(Bytes::copy_from_slice(
                bytes.get(start..end).unwrap_or_default(),
            ))
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(OperationKind::Rename, "rename", from, |state| {
            state.nodes.rename(&parts(from), &parts(to))
        })
    }

    fn link_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(OperationKind::Link, "link", to, |state| {
            let id = state.nodes.find(&parts(from)).ok_or_else(not_found)?;
            state.nodes.file_mut(id)?;
            state.nodes.link_new(&parts(to), id)
        })
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.run(OperationKind::Remove, "remove", path, |state| {
            let Some(id) = state.nodes.find(&parts(path)) else {
                return Ok(());
            };
            state.nodes.file_mut(id)?;
            state.nodes.unlink(&parts(path))
        })
    }

    fn remove_dir_all(&self, path: &Path) -> Result<()> {
        self.run(OperationKind::Remove, "remove", path, |state| {
            let Some(id) = state.nodes.find(&parts(path)) else {
                return Ok(());
            };
            state.nodes.dir_mut(id)?;
            state.nodes.unlink(&parts(path))
        })
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.run(OperationKind::CreateDir, "create folder", path, |state| {
            let parts = parts(path);
            match state.nodes.find(&parts) {
                Some(id) => state.nodes.dir_mut(id).map(|_| ()),
                None => state
                    .nodes
                    .insert_new(&parts, Node::empty_dir())
                    .map(|_| ()),
            }
        })
    }

    fn read_dir(&self, path: &Path) -> Result<Vec<DirEntry>> {
        self.run(OperationKind::List, "list", path, |state| {
            let id = state.nodes.find(&parts(path)).ok_or_else(not_found)?;
            let names: BTreeMap<String, NodeId> = state.nodes.dir_mut(id)?.names.clone();
            let describe = |(name, id)| {
                Some(DirEntry {
                    name,
                    metadata: state.nodes.metadata(id)?,
                })
            };
            Ok(names.into_iter().filter_map(describe).collect())
        })
    }

    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        self.run(OperationKind::List, "look up", path, |state| {
            Ok(state
                .nodes
                .find(&parts(path))
                .and_then(|id| state.nodes.metadata(id)))
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.run(OperationKind::SyncDir, "sync folder", path, |state| {
            let id = state.nodes.find(&parts(path)).ok_or_else(not_found)?;
            let dir = state.nodes.dir_mut(id)?;
            dir.durable = dir.names.clone();
            Ok(())
        })
    }

    fn free_space(&self, path: &Path) -> Result<Option<u64>> {
        self.run(
            OperationKind::List,
            "look for free space at",
            path,
            |state| {
                state.nodes.find(&parts(path)).ok_or_else(not_found)?;
                Ok(state.free_bytes())
            },
        )
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    id: NodeId,
    generation: u64,
}

impl SimFile {
    /// As [`SimDisk::run`], for an operation on an open file; `faulty` does what is left of it when
    /// the hook lets it fail.
    fn run<T>(
        &self,
        (kind, name, bytes): (Option<OperationKind>, &'static str, u64),
        faulty: impl FnOnce(&mut FileNode, Fault),
        work: impl FnOnce(&mut FileNode) -> T,
    ) -> Result<T> {
        let mut state = self.disk.lock();
        let run = || {
            if state.generation != self.generation {
                return Err(io::Error::other(
                    "the power was cut since the file was opened",
                ));
            }
            let fault = kind.and_then(|kind| state.consult(kind, &self.path, bytes));
            let fault = fault.or_else(|| match (kind, state.free_bytes()) {
                (Some(OperationKind::Append), Some(free)) if free < bytes => {
                    Some(Fault::ShortAppend {
                        bytes: free,
                        errno: NO_SPACE,
                    })
                }
                _ => None,
            });
            let now = state.now();
            let file = state.nodes.file_mut(self.id)?;
            if let Some(fault) = fault {
                faulty(file, fault);
                let (Fault::Errno(errno) | Fault::ShortAppend { errno, .. }) = fault;
                return Err(io::Error::from_raw_os_error(errno));
            }
            if matches!(kind, Some(OperationKind::Append | OperationKind::SetLen)) {
                file.modified = now;
            }
            Ok(work(file))
        };
        run().map_err(|error| Error::io(name, &self.path, error))
    }

    fn sync(&mut self) -> Result<()> {
        let what = (Some(OperationKind::SyncFile), "sync", 0);
        self.run(what, |file, _| file.lose_unsynced(), FileNode::sync)
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<()> {
        let total = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        let what = (Some(OperationKind::Append), "append to", total);
        let short = |file: &mut FileNode, fault: Fault| {
            let Fault::ShortAppend { bytes, .. } = fault else {
                return;
            };
            let all: Vec<u8> = buffers
                .iter()
                .flat_map(|buffer| buffer.iter().copied())
                .collect();
            let kept = usize::try_from(bytes).unwrap_or(usize::MAX).min(all.len());
            file.append(all.get(..kept).unwrap_or_default());
        };
        self.run(what, short, |file| {
            buffers.iter().for_each(|buffer| file.append(buffer))
        })
    }

    fn len(&self) -> Result<u64> {
        self.run(
            (None, "look up", 0),
            |_, _| (),
            |file| file.bytes().len() as u64,
        )
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let what = (Some(OperationKind::SetLen), "cut", 0);
        self.run(
            what,
            |_, _| (),
            |file| file.set_len(usize::try_from(len).unwrap_or(usize::MAX)),
        )
    }

    fn sync_data(&mut self) -> Result<()> {
        self.sync()
    }

    fn sync_all(&mut self) -> Result<()> {
        self.sync()
    }
}
