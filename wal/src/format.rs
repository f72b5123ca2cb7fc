//! The bytes of a segment: one [`header`], then [`frame`]s; and the [`sealed`] records beside segments
//! in an object store. All numbers are little-endian.

pub mod frame;
pub mod header;
pub mod sealed;

/// The `N` bytes at `at`; `None` when there aren't so many.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
