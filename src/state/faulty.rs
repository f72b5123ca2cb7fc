//! A scratch file for tests: in memory, and failing when it is told to.

use std::io;
use std::sync::{Arc, Mutex};

use super::cold::Scratch;

/// As many steps as there will ever be.
pub(super) const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Faulty(Mutex<Disk>);

#[derive(Debug)]
struct Disk {
    bytes: Vec<u8>,
    /// How many reads and writes succeed before one fails.
    good: u64,
    /// How many more succeed after a failure than before it; none if it stays as it is.
    recovers: Option<u64>,
    /// How many succeed after the last failure.
    span: u64,
}

impl Faulty {
    /// One that is whole.
    pub(super) fn new() -> Arc<Self> {
        Self::with(NEVER, None)
    }

    /// One that fails once after so many steps, and again and again, each time after more.
    pub(super) fn now_and_then(steps: u64) -> Arc<Self> {
        Self::with(steps, Some(50))
    }

    fn with(good: u64, recovers: Option<u64>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Disk {
            bytes: Vec::new(),
            good,
            recovers,
            span: good,
        })))
    }

    pub(super) fn fail_after(&self, good: u64) {
        self.0.lock().unwrap().good = good;
    }

    pub(super) fn is_whole(&self) -> bool {
        self.0.lock().unwrap().good == NEVER
    }
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        if self.good > 0 {
            self.good -= u64::from(self.good != NEVER);
            return Ok(());
        }
        if let Some(more) = self.recovers {
            self.span = self.span.saturating_add(more);
            self.good = self.span;
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }

    fn write(&mut self, offset: u64, new: &[u8]) {
        let end = offset as usize + new.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset as usize..end].copy_from_slice(new);
    }
}

impl Scratch for Faulty {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        disk.bytes.resize(len as usize, 0);
        Ok(())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        disk.step()?;
        out.copy_from_slice(&disk.bytes[offset as usize..offset as usize + out.len()]);
        Ok(())
    }

    /// A write that fails may be done in part.
    fn write(&self, offset: u64, new: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let stepped = disk.step();
        let written = if stepped.is_ok() {
            new.len()
        } else {
            new.len() / 2
        };
        disk.write(offset, &new[..written]);
        stepped
    }
}
