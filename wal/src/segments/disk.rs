//! Segments as files in a folder.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{self as storage, Disk, DiskFile, failpoint};

use super::{CommitError, SegmentId, SegmentInfo, SegmentWriter, Segments, Truncation};
use crate::error::Result;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::options::WalOptions;
use crate::position::Sequence;

/// What the file of a whole segment ends with.
const SUFFIX: &str = ".wal";
/// What the file of a segment ends with until its header is durable.
const NEW_SUFFIX: &str = ".wal.new";

/// How much is written again at once.
const REWRITE_BYTES: usize = 1 << 20;

/// Segments as files `SEQUENCE.wal` in a folder.
#[derive(Debug)]
pub struct DiskSegments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl DiskSegments {
    /// The segments in `dir`.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
        }
    }

    fn path(&self, segment: SegmentId, suffix: &str) -> PathBuf {
        self.dir.join(format!("{:020}{suffix}", segment.0))
    }

    /// Writes and syncs the header under the name that isn't a segment's yet, and gives it its name.
    fn start(
        &self,
        header: &SegmentHeader,
        synced: &mut bool,
    ) -> storage::Result<Box<dyn DiskFile>> {
        let id = id_of(header.first);
        let new = self.path(id, NEW_SUFFIX);
        // Left over from a creation that was refused.
        self.disk.remove_file(&new)?;
        let mut file = self.disk.create_new(&new)?;
        file.append(&mut [IoSlice::new(&header.encode())])?;
        *synced = true;
        failpoint!("wal::before_header_sync");
        file.sync_all()?;
        failpoint!("wal::after_header_sync");
        self.disk.rename(&new, &self.path(id, SUFFIX))?;
        failpoint!("wal::before_dir_sync");
        self.disk.sync_dir(&self.dir)?;
        failpoint!("wal::after_dir_sync");
        Ok(file)
    }
}

/// A file is named by its segment's first sequence number.
fn id_of(first: Sequence) -> SegmentId {
    SegmentId(first.0)
}

/// The segment of a file's name; `None` for other files.
fn parse_name(name: &str) -> Option<SegmentId> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        digits.parse().ok().map(SegmentId)
    } else {
        None
    }
}

impl Segments for DiskSegments {
    fn take_over(&self, _: &WalOptions) -> Result<()> {
        for entry in self.disk.read_dir(&self.dir)? {
            if entry.name.ends_with(NEW_SUFFIX) {
                self.disk.remove_file(&self.dir.join(&entry.name))?;
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<SegmentInfo>> {
        let entries = self.disk.read_dir(&self.dir)?;
        let info = |entry: storage::DirEntry| {
            let id = parse_name(&entry.name)?;
            let bytes = entry.metadata.len;
            Some(SegmentInfo { id, bytes })
        };
        let mut segments: Vec<_> = entries.into_iter().filter_map(info).collect();
        segments.sort_unstable_by_key(|segment| segment.id);
        Ok(segments)
    }

    fn header(&self, segment: SegmentId) -> Result<SegmentHeader> {
        let bytes = self.read(segment, 0, HEADER_BYTES)?;
        let (file, _) = self.place(segment, 0);
        SegmentHeader::decode(&file, Sequence(segment.0), &bytes)
    }

    /// Who opens the log holds a lock.
    fn seal(&self, _: Sequence) -> Result<bool> {
        Ok(true)
    }

    fn create(&self, header: &SegmentHeader) -> Result<Box<dyn SegmentWriter>, CommitError> {
        let mut synced = false;
        match self.start(header, &mut synced) {
            Ok(file) => Ok(Box::new(DiskSegmentWriter {
                id: id_of(header.first),
                file,
                len: HEADER_BYTES as u64,
            })),
            Err(error) if error.is_full() && !synced => Err(CommitError::Refused(error)),
            Err(error) => Err(CommitError::Lost(error)),
        }
    }

    fn read(&self, segment: SegmentId, offset: u64, len: usize) -> Result<Bytes> {
        let path = self.path(segment, SUFFIX);
        Ok(self.disk.read_range(&path, offset, len)?)
    }

    fn fetch(&self, _: &[SegmentId]) -> Result<Vec<Bytes>> {
        Ok(Vec::new())
    }

    fn gathers(&self) -> bool {
        true
    }

    fn tears(&self) -> bool {
        true
    }

    /// What a process before us wrote and didn't sync can be read, though a power cut would take it. A
    /// sync isn't enough: after one that failed the system takes bytes for written that never were, and
    /// the next one succeeds without them. So they are written again, over themselves: whatever part
    /// of that reaches the disk, bytes that were durable stay as they are.
    fn settle(&self, segment: SegmentId, synced: u64, len: u64) -> Result<()> {
        let path = self.path(segment, SUFFIX);
        let mut file = self.disk.open(&path)?;
        if file.len()? != len {
            failpoint!("wal::before_tail_cut");
            file.set_len(len)?;
            failpoint!("wal::after_tail_cut");
        }
        failpoint!("wal::before_tail_rewrite");
        let mut offset = synced;
        while offset < len {
            let rest = usize::try_from(len - offset).unwrap_or(usize::MAX);
            let bytes = self
                .disk
                .read_range(&path, offset, rest.min(REWRITE_BYTES))?;
            self.disk.rewrite(&path, offset, &bytes)?;
            offset = offset.saturating_add(bytes.len().max(1) as u64);
        }
        failpoint!("wal::after_tail_rewrite");
        file.sync_all()?;
        failpoint!("wal::after_tail_sync");
        Ok(())
    }

    /// Each is gone durably before the next, so that after a crash what is left has no gap.
    fn truncate(&self, older: &[SegmentId], _: SegmentId, _: Sequence) -> Truncation {
        let delete = |segment: &SegmentId| -> storage::Result<()> {
            failpoint!("wal::before_segment_delete");
            self.disk.remove_file(&self.path(*segment, SUFFIX))?;
            failpoint!("wal::after_segment_delete");
            self.disk.sync_dir(&self.dir)?;
            failpoint!("wal::after_segment_delete_sync");
            Ok(())
        };
        for (removed, segment) in older.iter().enumerate() {
            if let Err(error) = delete(segment) {
                let failure = Some(error.into());
                return Truncation { removed, failure };
            }
        }
        Truncation {
            removed: older.len(),
            failure: None,
        }
    }

    fn place(&self, segment: SegmentId, offset: u64) -> (String, u64) {
        (self.path(segment, SUFFIX).display().to_string(), offset)
    }
}

#[derive(Debug)]
struct DiskSegmentWriter {
    id: SegmentId,
    file: Box<dyn DiskFile>,
    /// Bytes that are durable.
    len: u64,
}

impl SegmentWriter for DiskSegmentWriter {
    fn id(&self) -> SegmentId {
        self.id
    }

    fn is_open(&self) -> bool {
        true
    }

    fn commit(&mut self, buffers: &mut [IoSlice<'_>]) -> Result<(), CommitError> {
        let added: u64 = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        failpoint!("wal::before_group_write");
        if let Err(error) = self.file.append(buffers) {
            // No sync has been tried, so cutting the file back leaves exactly what was durable; the
            // sync sees to it that none of the refused group comes back after a power cut.
            let undone = error.is_full()
                && self.file.set_len(self.len).is_ok()
                && self.file.sync_all().is_ok();
            return Err(if undone {
                CommitError::Refused(error)
            } else {
                CommitError::Lost(error)
            });
        }
        failpoint!("wal::after_group_write");
        self.file.sync_data().map_err(CommitError::Lost)?;
        failpoint!("wal::after_group_sync");
        self.len = self.len.saturating_add(added);
        Ok(())
    }
}
