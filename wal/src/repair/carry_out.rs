//! [`carry_out()`]: a plan, done on a disk.

use std::path::{Path, PathBuf};

use tidemill_storage::durable::{create_dir_all_durable, rename_durable, write_durable};
use tidemill_storage::{Disk, failpoint};

use super::terms::{Action, Plan, SegmentPlan};
use crate::error::{Error, Result};

/// What the folders of damaged segments begin with, within the log's.
pub const QUARANTINE: &str = "quarantine-";

/// The file that says what was done, in such a folder.
const REPORT: &str = "report.json";

/// What is said about a repair, by whoever plans it, and kept beside the damaged segments.
#[derive(Debug, Clone, Copy)]
pub struct QuarantineReport<'a> {
    /// Names the folder: `quarantine-NAME`.
    pub name: &'a str,
    /// The report's bytes, as JSON.
    pub json: &'a [u8],
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where the damaged segments are now: a folder, or the URL of one.
    pub folder: String,
    /// Segments that were replaced by repaired ones.
    pub replaced: u64,
    /// Segments that were only set aside.
    pub set_aside: u64,
}

/// Repairs the log in `dir`. The caller holds the lock that keeps the log's owner out.
///
/// # Errors
/// When the disk fails, or a segment isn't as it was when it was examined. Each segment is then either as
/// it was or as planned, and repair can be run again.
pub fn carry_out(
    disk: &dyn Disk,
    dir: &Path,
    plan: &Plan,
    report: QuarantineReport<'_>,
) -> Result<Quarantined> {
    let folder = dir.join(format!("{QUARANTINE}{}", report.name));
    create_dir_all_durable(disk, &folder)?;
    write_durable(disk, &folder.join(REPORT), report.json)?;
    let mut done = Quarantined {
        folder: folder.display().to_string(),
        replaced: 0,
        set_aside: 0,
    };
    for segment in &plan.segments {
        if let Action::Replace { header, parts } = &segment.action {
            let damaged = unchanged(disk, segment)?;
            let repaired = plan.repaired(header, parts, &damaged);
            replace(disk, segment, &folder, &repaired)?;
            done.replaced += 1;
        }
    }
    // The newest first: what is left has no gap at any time.
    for segment in plan.segments.iter().rev() {
        if segment.action == Action::SetAside {
            failpoint!("wal::before_quarantine_move");
            rename_durable(disk, path(segment), &place_in(&folder, segment))?;
            failpoint!("wal::after_quarantine_move");
            done.set_aside += 1;
        }
    }
    Ok(done)
}

/// A second name for the damaged one, then the repaired one under its first.
fn replace(disk: &dyn Disk, segment: &SegmentPlan, folder: &Path, repaired: &[u8]) -> Result<()> {
    failpoint!("wal::before_quarantine_link");
    disk.link_new(path(segment), &place_in(folder, segment))?;
    disk.sync_dir(folder)?;
    failpoint!("wal::after_quarantine_link");
    write_durable(disk, path(segment), repaired)?;
    failpoint!("wal::after_quarantine_replace");
    Ok(())
}

/// The segment's bytes, which must be those that were examined.
fn unchanged(disk: &dyn Disk, segment: &SegmentPlan) -> Result<bytes::Bytes> {
    let bytes = disk.read(path(segment))?;
    let examined = &segment.segment;
    if bytes.len() as u64 == examined.bytes && crc32fast::hash(&bytes) == examined.checksum {
        return Ok(bytes);
    }
    Err(Error::Corrupt {
        file: examined.file.clone(),
        offset: 0,
        problem: "it has changed since repair looked at it: something writes to the log".to_owned(),
    })
}

fn path(segment: &SegmentPlan) -> &Path {
    Path::new(&segment.segment.file)
}

fn place_in(folder: &Path, segment: &SegmentPlan) -> PathBuf {
    folder.join(path(segment).file_name().unwrap_or_default())
}
