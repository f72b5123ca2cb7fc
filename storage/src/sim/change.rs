//! What happens to files and folders between two syncs, and how they are named.

/// Names a node, as an inode number does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) u64);

/// Names a change of names. Both halves of a rename have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChangeId(pub(super) u64);

/// What was done to a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Change {
    pub(super) fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset.saturating_add(bytes.len());
                if image.len() < end {
                    image.resize(end, 0);
                }
                if let Some(place) = image.get_mut(*offset..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::SetLen(len) => image.resize(*len, 0),
        }
    }
}
