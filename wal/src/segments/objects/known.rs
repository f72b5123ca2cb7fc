//! [`Known`]: what is known of a slot without its frames.

use crate::format::header::{HEADER_BYTES, SegmentHeader};

/// A slot whose header has been read and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) header: SegmentHeader,
    pub(super) bytes: u32,
}

impl Known {
    /// A fence holds no frames; no group is without.
    pub(super) fn is_fence(&self) -> bool {
        self.bytes as usize == HEADER_BYTES
    }
}
