//! [`Tear`]: how much of what wasn't synced a torn power cut lets through.
//!
//! **Bytes.** A disk writes sectors of 512 bytes, each whole or not at all, in any order. So each
//! sector of a file is left as it was at some moment since the last sync, whatever moment its neighbours
//! show. The file's length is one field elsewhere, and is left as it was at some moment too: a
//! length may arrive without its bytes. Where it does there is a hole, which reads as zeros, as
//! noise, or as what a file that was there before had left (file systems without ordered data do that).
//!
//! **Names.** Of the changes made to a folder since its last sync any subset has happened, in the order
//! in which they were made. A journalling file system would leave a prefix, of all folders and of files'
//! lengths together; but neither POSIX nor file systems without a journal promise any order, and
//! code that needs one has to ask for it by a sync. A rename is one change, also between two folders:
//! no file system in use loses a file by half of it. A change is independent of the bytes of the file that it
//! names: an unsynced file may appear under its new name, empty.
//!
//! Chance alone would nearly never leave all or nothing, which are what a disk does most of the time: so
//! each file, and all names together, first draw a temper.

use super::change::{Change, ChangeId, NodeId};
use super::random::Random;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

#[derive(Debug)]
pub(super) struct Tear {
    seed: u64,
    /// Of 4 changes of names so many have happened.
    names: usize,
    /// The file that is being torn has its own chance.
    random: Random,
    /// Bytes of another file, for holes.
    stale: Vec<u8>,
}

/// What became of a file's sectors.
#[derive(Debug, Clone, Copy)]
enum Temper {
    Nothing,
    Everything,
    /// Each sector is the first or the last that it was.
    Either,
    /// Each sector is one of those that it was.
    Any,
}

impl Tear {
    pub(super) fn new(seed: u64, stale: Vec<u8>) -> Self {
        let mut random = Random::of(seed, 0);
        Self {
            seed,
            names: random.below(5),
            random,
            stale,
        }
    }

    /// Whose bytes show up in holes, of this many files.
    pub(super) fn stale_of(seed: u64, files: usize) -> usize {
        Random::of(seed, u64::MAX).below(files)
    }

    /// Whether a change of names has happened. Both halves of a rename get the same answer.
    pub(super) fn keeps(&self, change: ChangeId) -> bool {
        Random::of(!self.seed, change.0).below(4) < self.names
    }

    /// What follows concerns this node. Its chance doesn't depend on what other nodes there are.
    pub(super) fn turn_to(&mut self, node: NodeId) {
        self.random = Random::of(self.seed, node.0);
    }

    /// What is left of a file's bytes.
    pub(super) fn file(&mut self, durable: &[u8], changes: &[Change]) -> Vec<u8> {
        if changes.is_empty() {
            return durable.to_vec();
        }
        let temper = match self.random.below(6) {
            0 => Temper::Nothing,
            1 => Temper::Everything,
            2 | 3 => Temper::Either,
            _ => Temper::Any,
        };
        let len_moment = self.moment(temper, changes.len());
        let lens = lens(durable.len(), changes);
        let len = lens.get(len_moment).copied().unwrap_or_default();
        let mut wanted: Vec<(usize, usize)> = (0..len.div_ceil(SECTOR))
            .map(|sector| (self.moment(temper, changes.len()), sector))
            .collect();
        wanted.sort_unstable();

        let mut torn = vec![0; len];
        let mut image = durable.to_vec();
        let mut wanted = wanted.into_iter().peekable();
        for moment in 0..=changes.len() {
            if let Some(change) = moment.checked_sub(1).and_then(|last| changes.get(last)) {
                change.apply(&mut image);
            }
            while let Some((_, sector)) = wanted.next_if(|(wanted, _)| *wanted == moment) {
                let start = sector * SECTOR;
                let end = len.min(start + SECTOR);
                let Some(place) = torn.get_mut(start..end) else {
                    continue;
                };
                match image.get(start..end.min(image.len())) {
                    Some(found) if !found.is_empty() => {
                        for (to, from) in place.iter_mut().zip(found) {
                            *to = *from;
                        }
                    }
                    _ => self.fill_hole(place),
                }
            }
        }
        torn
    }

    /// After how many of `changes` something is left as it was.
    fn moment(&mut self, temper: Temper, changes: usize) -> usize {
        match temper {
            Temper::Nothing => 0,
            Temper::Everything => changes,
            Temper::Either => self.random.below(2) * changes,
            Temper::Any => self.random.below(changes + 1),
        }
    }

    fn fill_hole(&mut self, place: &mut [u8]) {
        match self.random.below(3) {
            0 => {}
            1 => place
                .iter_mut()
                .for_each(|byte| *byte = self.random.next().to_le_bytes()[0]),
            _ => {
                let sectors = self.stale.len().div_ceil(SECTOR);
                let start = self.random.below(sectors) * SECTOR;
                let found = self.stale.get(start..).unwrap_or_default();
                for (to, from) in place.iter_mut().zip(found) {
                    *to = *from;
                }
            }
        }
    }
}

/// The file's length at each moment.
fn lens(durable: usize, changes: &[Change]) -> Vec<usize> {
    let mut len = durable;
    let mut lens = vec![len];
    for change in changes {
        len = match change {
            Change::Write { offset, bytes } => len.max(offset.saturating_add(bytes.len())),
            Change::SetLen(len) => *len,
        };
        lens.push(len);
    }
    lens
}
