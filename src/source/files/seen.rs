//! [`Seen`]: which files have been planned, and so will be read exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::listing::ListedFile;
use crate::time::Time;

/// How long a name stays known after its file has left the folder.
const KNOWN: Duration = Duration::from_secs(3600);

/// All that accepted plans have added up to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    files: BTreeMap<ByteBuf, Known>,
    /// The newest batch whose plan is contained. Older plans change nothing: what they name may have
    /// been forgotten or replaced since.
    through: Option<Time>,
    /// The newest batch for which the folder was listed.
    #[serde(skip)]
    listed: Option<Time>,
}

/// A file that was planned.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    file: ListedFile,
    /// The first batch for which it wasn't in the folder any more.
    gone: Option<Time>,
}

impl Seen {
    pub(super) fn is_new(&self, file: &ListedFile) -> bool {
        self.files
            .get(&file.name)
            .is_none_or(|known| match known.gone {
                None => known.file.is_other(file),
                // It was away: what comes back changed was put there anew.
                Some(_) => !known.file.is_untouched(file),
            })
    }

    pub(super) fn add(&mut self, files: &[ListedFile]) {
        for file in files {
            self.files.insert(
                file.name.clone(),
                Known {
                    file: file.clone(),
                    gone: None,
                },
            );
        }
    }

    pub(super) fn accept(&mut self, time: Time, files: &[ListedFile]) {
        if self.through.is_none_or(|through| time > through) {
            self.add(files);
            self.through = Some(time);
        }
    }

    /// Notes for the batch at `time` which names have left the folder. An empty folder says nothing: it
    /// may be that its file system isn't mounted.
    pub(super) fn was_listed(&mut self, time: Time, files: &[ListedFile]) {
        if files.is_empty() {
            return;
        }
        let listed: BTreeSet<&ByteBuf> = files.iter().map(|file| &file.name).collect();
        for (name, known) in &mut self.files {
            if !listed.contains(name) {
                known.gone.get_or_insert(time);
            }
        }
        // One that has come back as it was is there again.
        for file in files {
            if let Some(known) = self.files.get_mut(&file.name)
                && known.gone.is_some()
                && known.file.is_untouched(file)
            {
                known.gone = None;
            }
        }
        self.listed = Some(time);
    }

    /// Forgets names that left the folder long ago.
    pub(super) fn prune(&mut self) {
        if let Some(now) = self.listed {
            self.files
                .retain(|_, known| known.gone.is_none_or(|gone| now.since(gone) < KNOWN));
        }
    }
}
