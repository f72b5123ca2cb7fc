//! What the simulated disk is about to do, and how a test lets it fail.

use std::path::PathBuf;
use std::time::Duration;

use super::gate::Gate;

/// What kind of operation is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// [`Disk::create_new`](crate::Disk::create_new).
    Create,
    /// [`Disk::open`](crate::Disk::open).
    Open,
    /// [`Disk::read`](crate::Disk::read) or [`Disk::read_range`](crate::Disk::read_range).
    Read,
    /// [`Disk::rewrite`](crate::Disk::rewrite).
    Rewrite,
    /// [`Disk::rename`](crate::Disk::rename).
    Rename,
    /// [`Disk::link_new`](crate::Disk::link_new).
    Link,
    /// [`Disk::remove_file`](crate::Disk::remove_file) or
    /// [`Disk::remove_dir_all`](crate::Disk::remove_dir_all).
    Remove,
    /// [`Disk::create_dir`](crate::Disk::create_dir).
    CreateDir,
    /// [`Disk::read_dir`](crate::Disk::read_dir), [`Disk::metadata`](crate::Disk::metadata) or
    /// [`Disk::free_space`](crate::Disk::free_space).
    List,
    /// [`Disk::sync_dir`](crate::Disk::sync_dir).
    SyncDir,
    /// [`DiskFile::append`](crate::DiskFile::append).
    Append,
    /// [`DiskFile::set_len`](crate::DiskFile::set_len).
    SetLen,
    /// [`DiskFile::sync_data`](crate::DiskFile::sync_data) or
    /// [`DiskFile::sync_all`](crate::DiskFile::sync_all).
    SyncFile,
}

impl OperationKind {
    /// Whether it can change what a reader sees or what a power cut leaves.
    pub fn changes_something(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List)
    }
}

/// An operation that is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// Its place among all operations of this disk, from 0.
    pub number: u64,
    /// What it is.
    pub kind: OperationKind,
    /// What it is done to (the old name of a rename, the new name of a link).
    pub path: PathBuf,
    /// How many bytes are to be written; 0 for anything else.
    pub bytes: u64,
}

/// What is to go wrong with an operation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// It fails with this error number, having changed nothing. A failed file sync leaves the bytes that
    /// weren't synced visible but lost: a later sync succeeds without them, as on Linux.
    Errno(i32),
    /// An append stops after so many bytes, then fails with this error number.
    ShortAppend {
        /// Bytes that are still appended.
        bytes: u64,
        /// The error number it then fails with.
        errno: i32,
    },
    /// The process was killed before it: nothing happens, not even what a failed sync does. Tests that let
    /// every later operation fail in this way, and then look at the disk afresh, have killed its user.
    Killed,
    /// It takes so much longer, during which the disk does what others ask of it, and then succeeds.
    Delay(Duration),
    /// As [`Fault::Delay`], until the gate is open.
    Stall(Gate),
}

/// What a failing operation does and answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) errno: i32,
    /// How much of an append is done before.
    pub(super) appended: u64,
    /// Whether a sync that fails gives the unsynced bytes up.
    pub(super) loses: bool,
}

impl Failure {
    pub(super) fn new(errno: i32) -> Self {
        Self {
            errno,
            appended: 0,
            loses: true,
        }
    }
}

/// What the system answers to a killed process (nobody sees it), when the device fails, and when the disk
/// is full.
pub(super) const INTERRUPTED: i32 = rustix::io::Errno::CANCELED.raw_os_error();
pub(super) const DEVICE_FAILED: i32 = rustix::io::Errno::IO.raw_os_error();
pub(super) const NO_SPACE: i32 = rustix::io::Errno::NOSPC.raw_os_error();
