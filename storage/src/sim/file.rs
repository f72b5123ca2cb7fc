//! [`FileNode`]: the bytes a file shows, those that are durable, and how the ones became the others.

use std::ops::Range;
use std::time::SystemTime;

use super::change::Change;
use super::tear::Tear;

/// A file: the bytes it shows, and those that a power cut leaves.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Both versions are the same up to here (but for `lost`), so that a sync costs what is new.
    common: usize,
    /// Visible bytes that a failed sync gave up: they read as zeros after a power cut.
    lost: Vec<Range<usize>>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
    pub(super) modified: SystemTime,
}

impl FileNode {
    pub(super) fn new(modified: SystemTime) -> Self {
        Self {
            bytes: Vec::new(),
            durable: Vec::new(),
            common: 0,
            lost: Vec::new(),
            unsynced: Vec::new(),
            modified,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn durable(&self) -> &[u8] {
        &self.durable
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.write(self.bytes.len(), bytes);
    }

    /// Writes over what is there, and on behind its end.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let written = offset..offset.saturating_add(bytes.len());
        self.common = self.common.min(offset);
        // What is written again will be tried again by the next sync.
        self.lost = self
            .lost
            .iter()
            .flat_map(|lost| {
                let before = lost.start..lost.end.min(written.start);
                let behind = lost.start.max(written.end)..lost.end;
                [before, behind]
            })
            .filter(|range| !range.is_empty())
            .collect();
        self.change(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.common = self.common.min(len);
        for range in &mut self.lost {
            *range = range.start.min(len)..range.end.min(len);
        }
        self.lost.retain(|range| !range.is_empty());
        self.change(Change::SetLen(len));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.bytes);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.truncate(self.common);
        self.durable
            .extend_from_slice(self.bytes.get(self.common..).unwrap_or_default());
        for range in &self.lost {
            if let Some(bytes) = self.durable.get_mut(range.clone()) {
                bytes.fill(0);
            }
        }
        self.common = self.bytes.len();
        self.unsynced.clear();
    }

    /// A sync failed: the kernel has marked the pages clean, though they were never written.
    pub(super) fn lose_unsynced(&mut self) {
        if self.common < self.bytes.len() {
            self.lost.push(self.common..self.bytes.len());
        }
    }

    /// Leaves what is durable, and of the rest what `tear` lets through.
    pub(super) fn power_cut(&mut self, tear: Option<&mut Tear>) {
        if let Some(tear) = tear {
            self.durable = tear.file(&self.durable, &self.unsynced);
        }
        self.bytes = self.durable.clone();
        self.common = self.bytes.len();
        self.lost.clear();
        self.unsynced.clear();
    }
}
