//! Holes: whole frames in the place of lost entries.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::format::frame::{FrameHeader, GROUP_START};
use crate::format::header::SegmentHeader;
use crate::position::{FRAME_HEADER_BYTES, Position, Sequence};

/// Appends frames for all of `lost` to a segment that holds what is in `out`. They fill it up to `end`
/// where that is given; where somebody noted an entry's position, its hole is just there.
pub(super) fn append(
    out: &mut Vec<u8>,
    header: &SegmentHeader,
    lost: Range<Sequence>,
    end: Option<usize>,
    kind: u8,
    noted: &BTreeMap<Sequence, Position>,
) {
    let noted_at = |number: u64| {
        let position = noted.get(&Sequence(number))?;
        let start = usize::try_from(position.offset).ok()?;
        (position.segment == header.first).then_some((start, position.len as usize))
    };
    for number in lost.start.0..lost.end.0 {
        let least = out.len().saturating_add(FRAME_HEADER_BYTES);
        let is_last = number.saturating_add(1) == lost.end.0;
        let next = noted_at(number.saturating_add(1)).map(|(start, _)| start);
        let own_end = noted_at(number)
            .filter(|(start, _)| *start == out.len())
            .map(|(_, len)| least.saturating_add(len));
        let until = match (is_last, end) {
            (true, Some(end)) => Some(end),
            (true, None) => own_end,
            (false, _) => next.or(own_end),
        };
        // Later holes need their own bytes.
        let left = usize::try_from(lost.end.0.saturating_sub(number.saturating_add(1)));
        let needed = left
            .unwrap_or(usize::MAX)
            .saturating_mul(FRAME_HEADER_BYTES);
        let most = end.map_or(usize::MAX, |end| end.saturating_sub(needed));
        let until = until.unwrap_or(least).min(most).max(least);
        push(out, header, Sequence(number), until - least, kind);
    }
}

fn push(out: &mut Vec<u8>, header: &SegmentHeader, sequence: Sequence, len: usize, kind: u8) {
    let mut frame = FrameHeader {
        len: u32::try_from(len).unwrap_or(u32::MAX),
        crc: 0,
        sequence,
        // The whole segment is synced before it has its name: nothing of it can be torn.
        tag: (kind & !GROUP_START) | GROUP_START,
    };
    let payload = vec![0; frame.len as usize];
    let mut hasher = frame.hasher(header.binding());
    hasher.update(&payload);
    frame.crc = hasher.finalize();
    frame.encode_into(out);
    out.extend_from_slice(&payload);
}
