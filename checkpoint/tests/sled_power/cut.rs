//! Rebuilding a folder as a power cut (or a kill) at some moment could have left it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::history::{Change, Data, History, Inode, Node, ROOT};
use crate::record::REPORTS;
use crate::rng::Rng;

const SECTOR: u64 = 512;

/// How much of what wasn't synced is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of it: what a kill leaves.
    All,
    Nothing,
    /// What was done first, up to some point of each file and folder: what an ordered journal leaves.
    Prefix,
    /// Any sectors and any names, each kept in so many of a hundred cases.
    Any(u64),
}

#[derive(Debug)]
pub struct Cut {
    pub moment: u64,
    pub kept: Kept,
}

impl Kept {
    pub fn any(rng: &mut Rng) -> Self {
        match rng.below(8) {
            0 => Self::All,
            1 => Self::Nothing,
            2 | 3 => Self::Prefix,
            _ => Self::Any(5 + rng.below(91)),
        }
    }
}

/// The changes that are there after a cut: each with whether it is so for certain.
fn surviving<'a, T>(
    inode: &'a Inode,
    changes: &'a [Change<T>],
    cut: &Cut,
    rng: &mut Rng,
) -> Vec<(&'a T, bool)> {
    let begun = changes
        .iter()
        .filter(|change| *change.time.start() <= cut.moment);
    let all: Vec<_> = begun
        .filter(|change| cut.kept != Kept::All || *change.time.end() <= cut.moment)
        .map(|change| (&change.what, inode.is_durable(change, cut.moment)))
        .collect();
    let unsynced = all.iter().filter(|(_, durable)| !durable).count() as u64;
    let mut left = match cut.kept {
        Kept::Nothing => 0,
        Kept::Prefix => rng.below(unsynced + 1),
        Kept::All | Kept::Any(_) => unsynced,
    };
    let keep = |(_, durable): &(&T, bool)| {
        let stays = *durable || left > 0;
        left = left.saturating_sub(u64::from(!durable));
        stays
    };
    all.into_iter().filter(keep).collect()
}

impl Cut {
    /// Whether a change (or a sector of it) that survived only perhaps is there.
    fn happens(&self, certain: bool, rng: &mut Rng) -> bool {
        match self.kept {
            Kept::Any(percent) if !certain => rng.chance(percent),
            _ => true,
        }
    }

    pub fn rebuild(&self, history: &History, rng: &mut Rng, into: &Path) {
        self.folder(history, ROOT, rng, into);
    }

    fn folder(&self, history: &History, node: Node, rng: &mut Rng, path: &Path) {
        let inode = &history.inodes[node];
        let mut names: BTreeMap<&String, Node> = BTreeMap::new();
        for (changes, certain) in surviving(inode, &inode.names, self, rng) {
            if !self.happens(certain, rng) {
                continue;
            }
            for (name, stands_for) in changes {
                match stands_for {
                    Some(node) => names.insert(name, *node),
                    None => names.remove(name),
                };
            }
        }
        for (name, node) in names {
            let path = path.join(name);
            if history.inodes[node].is_dir {
                std::fs::create_dir(&path).unwrap();
                self.folder(history, node, rng, &path);
            } else if name != REPORTS {
                std::fs::write(&path, self.bytes(&history.inodes[node], rng)).unwrap();
            }
        }
    }

    fn bytes(&self, inode: &Inode, rng: &mut Rng) -> Vec<u8> {
        let mut file = Vec::new();
        for (data, certain) in surviving(inode, &inode.data, self, rng) {
            match data {
                Data::Length(length) => {
                    if self.happens(certain, rng) {
                        file.resize(usize::try_from(*length).unwrap(), 0);
                    }
                }
                Data::Write { at, bytes } => {
                    // Where the new length isn't there, neither is what lies behind the old one.
                    let end = usize::try_from(*at).unwrap() + bytes.len();
                    if end > file.len() && self.happens(certain, rng) {
                        file.resize(end, 0);
                    }
                    self.sectors(&mut file, *at, bytes, certain, rng);
                }
            }
        }
        file
    }

    fn sectors(&self, file: &mut [u8], at: u64, bytes: &[u8], certain: bool, rng: &mut Rng) {
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let here = usize::try_from(SECTOR - at % SECTOR)
                .unwrap()
                .min(rest.len());
            let (sector, behind) = rest.split_at(here);
            let start = usize::try_from(at).unwrap();
            if self.happens(certain, rng)
                && let Some(room) = file.get_mut(start..)
            {
                let fits = room.len().min(here);
                room[..fits].copy_from_slice(&sector[..fits]);
            }
            (at, rest) = (at + here as u64, behind);
        }
    }
}
