//! Moving the log's beginning, and deleting what isn't part of it any more.

use tidemill_storage::failpoint;

use super::home::{Home, side_by_side};
use super::layout::{Layout, Spot};
use super::names::{RunName, Slot};
use crate::error::Result;
use crate::format::header::HEADER_BYTES;
use crate::position::Sequence;
use crate::segments::Truncation;

impl Home {
    /// Begins the log with `oldest`, whose first number is `first`. Once the head says so, the rest is
    /// tidying up: what can't be deleted now is tried again next time.
    pub(super) fn truncate(&self, oldest: Slot, first: Sequence) -> Truncation {
        match self.move_beginning(oldest, first) {
            Ok(garbage) => {
                self.delete(garbage);
                Truncation {
                    removed: usize::MAX,
                    failure: None,
                }
            }
            Err(error) => Truncation {
                removed: 0,
                failure: Some(error),
            },
        }
    }

    fn move_beginning(&self, oldest: Slot, first: Sequence) -> Result<Vec<String>> {
        let garbage = self.change_head(
            |head| {
                head.oldest_slot = oldest.0;
                head.oldest_sequence = first;
                head.runs.retain(|run| run.last >= oldest.0);
                true
            },
            |head| {
                self.layout(|layout| {
                    let garbage = self.garbage_before(oldest, layout);
                    let kept = layout.runs().filter(|run| run.reference.last >= oldest.0);
                    let kept = kept.cloned().collect();
                    layout.apply(head, kept);
                    garbage
                })
            },
        )?;
        let mut garbage = garbage.unwrap_or_default();
        match self.sweep() {
            Ok(left) => garbage.extend(left),
            Err(error) => {
                tracing::warn!(%error, "couldn't look for what earlier owners of the log left");
            }
        }
        Ok(garbage)
    }

    /// The objects of which a log that begins with `oldest` needs nothing. Fences stay.
    fn garbage_before(&self, oldest: Slot, layout: &Layout) -> Vec<String> {
        let runs = layout.runs().map(|run| run.reference);
        let runs = runs.filter(|run| run.last < oldest.0);
        let runs = runs.map(|run| self.names.run(run.name()));
        let slots = layout.infos().into_iter().map(|info| Slot(info.id.0));
        let slots = slots.take_while(|slot| *slot < oldest);
        let alone = slots.filter(|slot| match layout.spot(*slot) {
            Some(Spot::Alone(known)) => !known.is_fence(),
            _ => false,
        });
        alone
            .map(|slot| self.names.slot(slot))
            .chain(runs)
            .collect()
    }

    /// What earlier owners left that isn't part of the log, found by listing; once in a life.
    fn sweep(&self) -> Result<Vec<String>> {
        if self.garbage(|garbage| garbage.is_swept) {
            return Ok(Vec::new());
        }
        let ours = self.owner()?;
        let [slots, runs] = self.names.folders();
        let mut left = Vec::new();
        let layout = self.layout(|layout| layout.clone());
        for (name, bytes) in self.objects.list(&slots)? {
            let is_fence = bytes <= HEADER_BYTES as u64;
            let is_over = |slot: Slot| slot < layout.oldest || layout.run_of(slot).is_some();
            if !is_fence && self.names.parse_slot(&name).is_some_and(is_over) {
                left.push(name);
            }
        }
        for (name, _) in self.objects.list(&runs)? {
            // One of our own epoch may be about to be named by the head.
            let is_over = |run: RunName| {
                let named = layout.run_of(run.first);
                run.epoch < ours.epoch && named.is_none_or(|named| named.reference.name() != run)
            };
            if self.names.parse_run(&name).is_some_and(is_over) {
                left.push(name);
            }
        }
        self.garbage(|garbage| garbage.is_swept = true);
        Ok(left)
    }

    /// Deletes objects, and those that couldn't be deleted before.
    pub(super) fn delete(&self, mut names: Vec<String>) {
        names.append(&mut self.garbage(|garbage| std::mem::take(&mut garbage.left)));
        names.sort_unstable();
        names.dedup();
        let answers = side_by_side(&names, |name| {
            failpoint!("wal::before_object_delete");
            let deleted = self.objects.delete(name);
            failpoint!("wal::after_object_delete");
            deleted
        });
        let mut left = Vec::new();
        for (answer, name) in answers.into_iter().zip(names) {
            if let Err(error) = answer {
                tracing::debug!(%error, "an object of the log stays behind for now");
                left.push(name);
            }
        }
        if !left.is_empty() {
            tracing::warn!(
                objects = left.len(),
                "objects of the log that aren't needed any more couldn't be deleted; the next \
                 truncation tries again"
            );
        }
        self.garbage(|garbage| garbage.left.append(&mut left));
    }
}
