//! [`Seen`]: which files have been planned, and so will be read exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Remember;
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
    /// No name up to this one is new: see [`Remember::GreatestName`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    greatest: Option<ByteBuf>,
    /// No file is new that changed no later, unless it is known: see [`Remember::Within`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten_ns: Option<i64>,
    /// The newest batch for which the folder was listed.
    #[serde(skip)]
    listed: Option<Time>,
    /// What then could be forgotten: nothing waited any more that changed no later.
    #[serde(skip)]
    settled_ns: Option<i64>,
}

/// A file that was planned.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    file: ListedFile,
    /// The first batch for which it wasn't in the folder any more.
    gone: Option<Time>,
}

impl Seen {
    /// The name behind which new ones are.
    pub(super) fn greatest(&self) -> Option<ByteBuf> {
        self.greatest.clone()
    }

    pub(super) fn is_new(&self, file: &ListedFile) -> bool {
        if self.is_passed(&file.name) {
            return false;
        }
        match self.files.get(&file.name) {
            None => self.forgotten_ns.is_none_or(|ns| file.changed_ns > ns),
            Some(known) => match known.gone {
                None => known.file.is_other(file),
                // It was away: what comes back changed was put there anew.
                Some(_) => !known.file.is_untouched(file),
            },
        }
    }

    fn is_passed(&self, name: &ByteBuf) -> bool {
        self.greatest
            .as_ref()
            .is_some_and(|greatest| name <= greatest)
    }

    pub(super) fn add(&mut self, files: &[ListedFile], remember: Remember) {
        if remember == Remember::GreatestName {
            let greatest = files.iter().map(|file| &file.name).max();
            self.greatest = self.greatest.take().max(greatest.cloned());
            return;
        }
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

    pub(super) fn accept(&mut self, time: Time, files: &[ListedFile], remember: Remember) {
        if self.through.is_none_or(|through| time > through) {
            self.add(files, remember);
            self.through = Some(time);
        }
    }

    /// Notes for the batch at `time` which names have left the folder. An empty folder says nothing: it
    /// may be that its file system isn't mounted.
    pub(super) fn was_listed(&mut self, time: Time, files: &[ListedFile], remember: Remember) {
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
        if let Remember::Within(window) = remember {
            let newest = files.iter().map(|file| file.changed_ns).max();
            let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
            let waiting = files
                .iter()
                .filter(|file| file.length > 0 && self.is_new(file));
            let before = waiting.map(|file| file.changed_ns.saturating_sub(1)).min();
            let settled = newest.map(|newest| newest.saturating_sub(window));
            self.settled_ns = settled.map(|settled| before.map_or(settled, |ns| ns.min(settled)));
        }
    }

    /// Forgets names that left the folder long ago, and those that needn't be known.
    pub(super) fn prune(&mut self) {
        self.forgotten_ns = self.forgotten_ns.max(self.settled_ns);
        let (now, forgotten) = (self.listed, self.forgotten_ns);
        let greatest = self.greatest.take();
        self.files.retain(|name, known| {
            let left_long_ago = || match (now, known.gone) {
                (Some(now), Some(gone)) => now.since(gone) >= KNOWN,
                _ => false,
            };
            !(left_long_ago()
                || greatest.as_ref().is_some_and(|greatest| name <= greatest)
                || forgotten.is_some_and(|ns| known.file.changed_ns <= ns))
        });
        self.greatest = greatest;
    }
}
