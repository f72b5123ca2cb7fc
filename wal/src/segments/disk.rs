//! Segments as files in a folder.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidemill_storage::{self as storage, Disk, DiskFile, failpoint};

use super::{CommitError, SegmentInfo, SegmentWriter, Segments};
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::position::Sequence;

/// What the file of a whole segment ends with.
const SUFFIX: &str = ".wal";
/// What the file of a segment ends with until its header is durable.
const NEW_SUFFIX: &str = ".wal.new";

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

    fn path(&self, segment: Sequence, suffix: &str) -> PathBuf {
        self.dir.join(format!("{:020}{suffix}", segment.0))
    }

    /// Writes and syncs the header under the name that isn't a segment's yet, and gives it its name.
    fn start(
        &self,
        header: &SegmentHeader,
        synced: &mut bool,
    ) -> storage::Result<Box<dyn DiskFile>> {
        let new = self.path(header.first, NEW_SUFFIX);
        // Left over from a creation that was refused.
        self.disk.remove_file(&new)?;
        let mut file = self.disk.create_new(&new)?;
        file.append(&mut [IoSlice::new(&header.encode())])?;
        *synced = true;
        failpoint!("wal::before_header_sync");
        file.sync_all()?;
        failpoint!("wal::after_header_sync");
        self.disk.rename(&new, &self.path(header.first, SUFFIX))?;
        failpoint!("wal::before_dir_sync");
        self.disk.sync_dir(&self.dir)?;
        failpoint!("wal::after_dir_sync");
        Ok(file)
    }
}

/// The sequence number in a segment's file name; `None` for other files.
fn parse_name(name: &str) -> Option<Sequence> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain {
        digits.parse().ok().map(Sequence)
    } else {
        None
    }
}

impl Segments for DiskSegments {
    fn list(&self) -> storage::Result<Vec<SegmentInfo>> {
        let entries = self.disk.read_dir(&self.dir)?;
        let info = |entry: storage::DirEntry| {
            let first = parse_name(&entry.name)?;
            Some(SegmentInfo {
                first,
                bytes: entry.metadata.len,
            })
        };
        let mut segments: Vec<_> = entries.into_iter().filter_map(info).collect();
        segments.sort_unstable_by_key(|segment| segment.first);
        Ok(segments)
    }

    fn sweep(&self) -> storage::Result<()> {
        for entry in self.disk.read_dir(&self.dir)? {
            if entry.name.ends_with(NEW_SUFFIX) {
                self.disk.remove_file(&self.dir.join(&entry.name))?;
            }
        }
        Ok(())
    }

    fn create(&self, header: &SegmentHeader) -> Result<Box<dyn SegmentWriter>, CommitError> {
        let mut synced = false;
        match self.start(header, &mut synced) {
            Ok(file) => Ok(Box::new(DiskSegmentWriter {
                file,
                len: HEADER_BYTES as u64,
            })),
            Err(error) if error.is_full() && !synced => Err(CommitError::Refused(error)),
            Err(error) => Err(CommitError::Lost(error)),
        }
    }

    fn read(&self, segment: Sequence, offset: u64, len: usize) -> storage::Result<Bytes> {
        self.disk
            .read_range(&self.path(segment, SUFFIX), offset, len)
    }

    fn cut(&self, segment: Sequence, len: u64) -> storage::Result<()> {
        let mut file = self.disk.open(&self.path(segment, SUFFIX))?;
        failpoint!("wal::before_tail_cut");
        file.set_len(len)?;
        failpoint!("wal::after_tail_cut");
        file.sync_all()?;
        failpoint!("wal::after_tail_sync");
        Ok(())
    }

    fn delete(&self, segment: Sequence) -> storage::Result<()> {
        failpoint!("wal::before_segment_delete");
        self.disk.remove_file(&self.path(segment, SUFFIX))?;
        failpoint!("wal::after_segment_delete");
        self.disk.sync_dir(&self.dir)?;
        failpoint!("wal::after_segment_delete_sync");
        Ok(())
    }

    fn name(&self, segment: Sequence) -> String {
        self.path(segment, SUFFIX).display().to_string()
    }
}

#[derive(Debug)]
struct DiskSegmentWriter {
    file: Box<dyn DiskFile>,
    /// Bytes that are durable.
    len: u64,
}

impl SegmentWriter for DiskSegmentWriter {
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
