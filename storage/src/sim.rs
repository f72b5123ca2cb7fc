//! [`SimDisk`]: a disk in memory that forgets what wasn't synced.
//!
//! Every file keeps two versions of its bytes, the one a reader sees and the one that would survive
//! a power cut, and what led from one to the other; every folder does the same with its names. Writes
//! change the first, [`DiskFile::sync_data`] and [`Disk::sync_dir`] copy it to the second.
//!
//! Two power cuts end this. [`SimDisk::power_cut`] leaves what was synced and nothing else.
//! [`SimDisk::power_cut_torn`] also leaves an arbitrary part of the rest, sector by sector and name by
//! name, later ones without earlier ones; the essay of `tear` says which. Neither is the worse
//! one: code that counts on bytes being gone fails only on the second. Both are stricter than
//! most real file systems, so whatever survives here survives there.
//!
//! Before it takes effect every operation is shown to one hook ([`SimDisk::set_faults`]), which can
//! let it fail or take its time. Determinism: no clock, and no randomness but that of a seed;
//! modification times count operations.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::disk::{DirEntry, Disk, DiskFile, Metadata};
use crate::error::{Error, Result};

mod change;
mod dir;
mod fault;
mod file;
mod gate;
mod handle;
mod node;
mod random;
mod tear;

use change::NodeId;
use fault::{DEVICE_FAILED, Failure, INTERRUPTED, NO_SPACE};
pub use fault::{Fault, Operation, OperationKind};
use file::FileNode;
pub use gate::Gate;
use handle::SimFile;
use node::{Node, Nodes};

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
    /// All operations since recording began.
    recorded: Option<Vec<Operation>>,
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
    ///
    /// ```
    /// use std::path::Path;
    /// use tidemill_storage::{Disk, DiskFile, SimDisk, durable};
    ///
    /// let disk = SimDisk::new();
    /// durable::write_durable(&disk, Path::new("durable"), b"high")?;
    /// disk.create_new(Path::new("written"))?;
    /// disk.power_cut();
    /// assert_eq!(disk.read(Path::new("durable"))?, "high");
    /// assert!(disk.read(Path::new("written")).unwrap_err().is_not_found());
    /// # Ok::<(), tidemill_storage::Error>(())
    /// ```
    pub fn power_cut(&self) {
        self.boot(None);
    }

    /// As [`power_cut`](Self::power_cut), but any part of what wasn't synced may have reached the medium:
    /// any of a file's sectors, any of the lengths it had, and any of the changes made to a folder. The
    /// seed says which, so that what happened can be repeated.
    pub fn power_cut_torn(&self, seed: u64) {
        self.boot(Some(seed));
    }

    fn boot(&self, torn: Option<u64>) {
        let mut state = self.lock();
        state.generation += 1;
        state.nodes.power_cut(torn);
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

    /// Lets the next sync of a file or folder that `which` picks fail, and no other. See [`Fault::Errno`]
    /// for what that leaves.
    pub fn fail_sync_once(&self, which: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        let failed = AtomicBool::new(false);
        self.set_faults(move |operation| {
            let hit = is_sync(operation.kind) && which(&operation.path);
            let first = hit && !failed.swap(true, Ordering::Relaxed);
            first.then_some(Fault::Errno(DEVICE_FAILED))
        });
    }

    /// Lets every sync of a file or folder that `which` picks fail from now on.
    pub fn fail_sync_for_ever(&self, which: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.set_faults(move |operation| {
            let hit = is_sync(operation.kind) && which(&operation.path);
            hit.then_some(Fault::Errno(DEVICE_FAILED))
        });
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

    /// Remembers every operation from now on, for [`recorded`](Self::recorded).
    pub fn record(&self) {
        self.lock().recorded = Some(Vec::new());
    }

    /// The operations since [`record`](Self::record), those that failed included.
    pub fn recorded(&self) -> Vec<Operation> {
        self.lock().recorded.clone().unwrap_or_default()
    }

    /// How many operations there have been.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation and shows it to the hook; says how it is to fail, if it is.
    fn begin(
        &self,
        kind: OperationKind,
        path: &Path,
        bytes: u64,
    ) -> (MutexGuard<'_, State>, Option<Failure>) {
        let mut state = self.lock();
        match state.consult(kind, path, bytes) {
            None => (state, None),
            Some(Fault::Errno(errno)) => (state, Some(Failure::new(errno))),
            Some(Fault::ShortAppend { bytes, errno }) => {
                let mut failure = Failure::new(errno);
                failure.appended = bytes;
                (state, Some(failure))
            }
            Some(Fault::Killed) => {
                let mut failure = Failure::new(INTERRUPTED);
                failure.loses = false;
                (state, Some(failure))
            }
            Some(Fault::Delay(time)) => {
                drop(state);
                std::thread::sleep(time);
                (self.lock(), None)
            }
            Some(Fault::Stall(gate)) => {
                drop(state);
                gate.pass();
                (self.lock(), None)
            }
        }
    }

    /// Does one operation, unless the hook lets it fail.
    fn run<T>(
        &self,
        kind: OperationKind,
        name: &'static str,
        path: &Path,
        work: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        let (mut state, failure) = self.begin(kind, path, 0);
        let result = match failure {
            Some(failure) => Err(io::Error::from_raw_os_error(failure.errno)),
            None => work(&mut state),
        };
        result.map_err(|error| Error::io(name, path, error))
    }

    fn file(&self, path: &Path, id: NodeId, generation: u64) -> Box<dyn DiskFile> {
        Box::new(SimFile::new(self.clone(), path, id, generation))
    }
}

impl State {
    fn consult(&mut self, kind: OperationKind, path: &Path, bytes: u64) -> Option<Fault> {
        let operation = Operation {
            number: self.operations,
            kind,
            path: path.to_owned(),
            bytes,
        };
        self.operations += 1;
        let fault = self.faults.as_ref().and_then(|plan| plan(&operation));
        if let Some(recorded) = &mut self.recorded {
            recorded.push(operation);
        }
        fault
    }

    fn free_bytes(&self) -> Option<u64> {
        let capacity = self.capacity?;
        Some(capacity.saturating_sub(self.nodes.used_bytes()))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.operations)
    }
}

fn is_sync(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::SyncFile | OperationKind::SyncDir)
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

    fn rewrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
        self.run(OperationKind::Rewrite, "write over", path, |state| {
            let id = state.nodes.find(&parts(path)).ok_or_else(not_found)?;
            let now = state.now();
            let file = state.nodes.file_mut(id)?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            if start.saturating_add(bytes.len()) > file.bytes().len() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            file.write(start, bytes);
            file.modified = now;
            Ok(())
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
            state.nodes.unlink_all(&parts(path))
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
            let names: BTreeMap<String, NodeId> = state.nodes.dir_mut(id)?.names().clone();
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
            state.nodes.dir_mut(id)?.sync();
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
