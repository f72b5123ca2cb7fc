//! [`examine()`]: every byte of a log, sorted into what is good and what is not.

use std::path::{Path, PathBuf};

use tidemill_storage::Disk;

use super::frames;
use super::terms::{Examined, ExaminedSegment, Piece};
use crate::error::{Error, Result};
use crate::format::array;
use crate::format::header::{HEADER_BYTES, SegmentHeader};
use crate::options::LogKind;
use crate::position::{Entry, Sequence};

/// Reads the segments in `dir`, a log of `kind`, and hands every entry that verifies to `each`, in order.
/// One segment is in memory at a time.
///
/// # Errors
/// When the disk fails; [`Error::NewerVersion`] and [`Error::OtherKind`] when a segment is intact and not
/// ours to repair.
pub fn examine(
    disk: &dyn Disk,
    dir: &Path,
    kind: LogKind,
    each: &mut dyn FnMut(Entry),
) -> Result<Examined> {
    let names = disk.read_dir(dir)?.into_iter();
    let mut segments: Vec<(Sequence, PathBuf)> = names
        .filter_map(|entry| Some((number_of(&entry.name)?, dir.join(&entry.name))))
        .collect();
    segments.sort_unstable();
    let mut examined = Vec::new();
    let mut epochs = vec![0];
    for (name, path) in segments {
        let (bytes, file) = (disk.read(&path)?, path.display().to_string());
        let segment = examine_one(kind, name, &file, &bytes, &epochs)?;
        if let Some(header) = &segment.header {
            epochs.push(header.epoch);
        }
        for piece in &segment.pieces {
            if let Piece::Good { offsets, .. } = piece {
                frames::entries(name, &bytes, offsets.clone(), each);
            }
        }
        examined.push(segment);
    }
    Ok(Examined {
        segments: examined,
        beside: Vec::new(),
        tears: true,
    })
}

/// The number that a segment's file is named by; `None` for other files.
fn number_of(name: &str) -> Option<Sequence> {
    let digits = name.strip_suffix(".wal")?;
    let is_plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain).map(Sequence)
}

fn examine_one(
    kind: LogKind,
    name: Sequence,
    file: &str,
    bytes: &[u8],
    epochs: &[u64],
) -> Result<ExaminedSegment> {
    let front = bytes.get(..HEADER_BYTES).unwrap_or(bytes);
    let (header, header_problem) = match SegmentHeader::decode(file, name, front) {
        Ok(header) if header.log_kind != kind => {
            return Err(Error::OtherKind {
                file: file.to_owned(),
                found: header.log_kind,
                expected: kind,
            });
        }
        Ok(header) => (Some(header), None),
        Err(Error::Corrupt { problem, .. }) => {
            (proven_header(kind, name, bytes, epochs), Some(problem))
        }
        Err(other) => return Err(other),
    };
    let pieces = header
        .as_ref()
        .map(|header| frames::pieces(header, bytes))
        .unwrap_or_default();
    Ok(ExaminedSegment {
        name,
        file: file.to_owned(),
        start: 0,
        bytes: bytes.len() as u64,
        checksum: crc32fast::hash(bytes),
        header,
        header_problem,
        pieces,
    })
}

/// The header that a segment must have had, since its first frame verifies under it. Only the epoch isn't
/// known: it is the field as it stands, that with one bit turned, or that of a segment before.
fn proven_header(
    kind: LogKind,
    name: Sequence,
    bytes: &[u8],
    epochs: &[u64],
) -> Option<SegmentHeader> {
    let field = array(bytes, 16).map(u64::from_le_bytes);
    let turned = field
        .into_iter()
        .flat_map(|field| (0..64).map(move |bit| field ^ (1 << bit)));
    let before = epochs.iter().rev().copied();
    let candidates = field.into_iter().chain(before).chain(turned);
    let headers = candidates.map(|epoch| SegmentHeader {
        log_kind: kind,
        epoch,
        first: name,
    });
    headers
        .into_iter()
        .find(|header| frames::proves(header, bytes))
}
