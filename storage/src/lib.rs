//! The seam between tidemill and disks or object stores.
//!
//! Everything that must survive a crash goes through two traits: [`Disk`] (files and folders, with
//! the syncs that make them durable) and [`Objects`] (named immutable byte strings with conditional
//! writes). The invariant of this crate: *what a call reports as durable is durable*, and what isn't
//! can be taken away by [`SimDisk::power_cut`] in a test. [`durable`] holds the few recipes (create,
//! replace, rename) in which the order of syncs matters, so that no other crate writes them again.

pub mod disk;
pub mod disk_objects;
pub mod durable;
pub mod error;
pub mod failpoint;
pub mod failpoints;
pub mod faulty_objects;
pub mod local;
pub mod lock;
pub mod memory;
pub mod objects;
pub mod remote;
pub mod sim;
pub mod temporary;
pub mod url;

pub use disk::{DirEntry, Disk, DiskFile, Metadata};
pub use disk_objects::DiskObjects;
pub use error::{Error, ErrorKind, Result};
pub use failpoint::failpoints_from_env;
pub use failpoints::FAILPOINTS;
pub use faulty_objects::{FaultyObjects, ObjectFault, ObjectRequest, RequestKind};
pub use local::LocalDisk;
pub use lock::{FileLock, Holder, LockError, read_holder};
pub use memory::memory_disk;
pub use objects::{ObjectEntry, Objects, PutOutcome, Version};
pub use remote::{RemoteObjects, RemoteOptions, RetryPolicy, open_objects, open_objects_with};
pub use sim::{Fault, Gate, Operation, OperationKind, SimDisk};
pub use url::{Location, LocationError};
