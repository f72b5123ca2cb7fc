//! [`Seen`]: which files have been planned, and so will be read exactly once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::listing::ListedFile;
use crate::time::Time;

/// All that accepted plans have added up to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    files: BTreeMap<ByteBuf, Identity>,
    /// The newest batch whose plan is contained. Older plans change nothing: what they name may have
    /// been forgotten or replaced since.
    through: Option<Time>,
    /// The names in the folder when it was last listed, since the start.
    #[serde(skip)]
    listed: Option<BTreeSet<ByteBuf>>,
}

/// What tells a file from another of the same name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Identity {
    inode: u64,
    changed_ns: i64,
}

impl Seen {
    pub(super) fn is_new(&self, file: &ListedFile) -> bool {
        self.files
            .get(&file.name)
            .is_none_or(|known| known.inode != file.inode && known.changed_ns != file.changed_ns)
    }

    pub(super) fn add(&mut self, files: &[ListedFile]) {
        for file in files {
            let identity = Identity {
                inode: file.inode,
                changed_ns: file.changed_ns,
            };
            self.files.insert(file.name.clone(), identity);
        }
    }

    pub(super) fn accept(&mut self, time: Time, files: &[ListedFile]) {
        if self.through.is_none_or(|through| time > through) {
            self.add(files);
            self.through = Some(time);
        }
    }

    pub(super) fn was_listed(&mut self, files: &[ListedFile]) {
        self.listed = Some(files.iter().map(|file| file.name.clone()).collect());
    }

    /// Forgets names that weren't in the folder when it was last listed. Before it has been listed,
    /// nothing is known to be gone.
    pub(super) fn prune(&mut self) {
        if let Some(listed) = &self.listed {
            self.files.retain(|name, _| listed.contains(name));
        }
    }
}
