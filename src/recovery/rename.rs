//! [`Renames`]: operators that have other names in the program than in a checkpoint.
//!
//! A rename is in effect while something knows the old name (a checkpoint, the log, a dead letter) and the
//! program doesn't. So it may stay in the program's settings for ever: once a checkpoint has been written under
//! the new name it changes nothing, and if that one turns out bad, it helps the older one again.

use std::collections::BTreeMap;

use super::Metadata;
use crate::block::{Allocation, BlockInfo, Event};
use crate::graph::GraphDescriptor;
use crate::uid::OperatorUid;

/// New uids by old ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Renames(pub(crate) BTreeMap<OperatorUid, OperatorUid>);

impl Renames {
    /// Those of the `wanted` that an earlier life may have needed: the program declares the new name, and not
    /// the old one.
    pub(crate) fn for_program(
        wanted: &BTreeMap<OperatorUid, OperatorUid>,
        graph: &GraphDescriptor,
    ) -> Self {
        let is_meant =
            |old: &OperatorUid, new: &OperatorUid| graph.declares(new) && !graph.declares(old);
        let meant = wanted.iter().filter(|(old, new)| is_meant(old, new));
        Self(meant.map(|(old, new)| (old.clone(), new.clone())).collect())
    }

    /// The uid by which the program knows what a checkpoint or an event calls `uid`.
    pub(crate) fn of(&self, uid: &OperatorUid) -> OperatorUid {
        self.0.get(uid).unwrap_or(uid).clone()
    }

    /// As the checkpoint store names states.
    pub(crate) fn of_series(&self) -> BTreeMap<String, String> {
        let names = self.0.iter();
        names
            .map(|(old, new)| (old.to_string(), new.to_string()))
            .collect()
    }

    /// The checkpoint in the program's names.
    pub(crate) fn apply(&self, held: &mut Metadata) {
        if self.0.is_empty() {
            return;
        }
        for operator in &mut held.graph.operators {
            operator.uid = self.of(&operator.uid);
            for parent in &mut operator.parents {
                *parent = self.of(parent);
            }
        }
        for output in &mut held.graph.outputs {
            output.uid = self.of(&output.uid);
            output.parent = self.of(&output.parent);
        }
        let unallocated = std::mem::take(&mut held.tracker.unallocated);
        for (uid, mut blocks) in unallocated {
            blocks
                .iter_mut()
                .for_each(|block| self.note_name(&uid, block));
            let queue = held.tracker.unallocated.entry(self.of(&uid)).or_default();
            queue.append(&mut blocks);
        }
        held.tracker
            .allocated
            .values_mut()
            .for_each(|allocation| self.rename_allocation(allocation));
        for (uid, mut batches) in std::mem::take(&mut held.tracker.requeued) {
            let of_stream = held.tracker.requeued.entry(self.of(&uid)).or_default();
            of_stream.append(&mut batches);
        }
        for (uid, mut blocks) in std::mem::take(&mut held.tracker.withdrawn) {
            let of_stream = held.tracker.withdrawn.entry(self.of(&uid)).or_default();
            of_stream.append(&mut blocks);
        }
        let positions = std::mem::take(&mut held.positions).into_iter();
        held.positions = positions
            .map(|(uid, position)| (self.of(&uid), position))
            .collect();
        let rates = std::mem::take(&mut held.rates).into_iter();
        held.rates = rates.map(|(uid, rate)| (self.of(&uid), rate)).collect();
        for stream in &mut held.history.streams {
            *stream = self.of(stream);
        }
        for (output, _) in &mut held.history.outputs {
            *output = self.of(output);
        }
    }

    fn rename_allocation(&self, allocation: &mut Allocation) {
        for (uid, mut blocks) in std::mem::take(&mut allocation.blocks) {
            blocks
                .iter_mut()
                .for_each(|block| self.note_name(&uid, block));
            let held = allocation.blocks.entry(self.of(&uid)).or_default();
            held.append(&mut blocks);
        }
        let plans = std::mem::take(&mut allocation.plans).into_iter();
        allocation.plans = plans.map(|(uid, plan)| (self.of(&uid), plan)).collect();
    }

    /// An event of the driver's log in the program's names.
    pub(crate) fn event(&self, event: Event) -> Event {
        if self.0.is_empty() {
            return event;
        }
        match event {
            Event::BlockAddition(mut added) => {
                self.note_name(&added.stream, &mut added.block);
                added.stream = self.of(&added.stream);
                Event::BlockAddition(added)
            }
            Event::BatchAllocation(mut batch) => {
                let mut blocks: BTreeMap<OperatorUid, Vec<_>> = BTreeMap::new();
                for (uid, mut ids) in std::mem::take(&mut batch.blocks) {
                    blocks.entry(self.of(&uid)).or_default().append(&mut ids);
                }
                batch.blocks = blocks;
                let plans = std::mem::take(&mut batch.plans).into_iter();
                batch.plans = plans.map(|(uid, plan)| (self.of(&uid), plan)).collect();
                Event::BatchAllocation(batch)
            }
            other => other,
        }
    }

    /// Notes in a block of `uid`, which is renamed, what the block log calls its stream.
    fn note_name(&self, uid: &OperatorUid, block: &mut BlockInfo) {
        if self.0.contains_key(uid) {
            block.logged_as.get_or_insert_with(|| uid.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BatchAllocationEvent, BlockAdditionEvent, BlockId};
    use crate::time::Time;

    fn uid(name: &str) -> OperatorUid {
        OperatorUid::new(name)
    }

    fn block(number: u64) -> BlockInfo {
        BlockInfo {
            id: BlockId { epoch: 1, number },
            records: 1,
            bytes: 1,
            cut_ms: 0,
            position: None,
            logged_as: None,
            requeued: None,
        }
    }

    #[test]
    fn a_log_written_under_both_names_is_one_stream() {
        let renames = Renames([(uid("old"), uid("new"))].into());
        let added = |stream: &str, number| {
            let (stream, block) = (uid(stream), block(number));
            Event::BlockAddition(BlockAdditionEvent { stream, block })
        };
        let batch = Event::BatchAllocation(BatchAllocationEvent {
            time: Time::from_millis(1),
            blocks: [
                (uid("old"), vec![block(0).id]),
                (uid("new"), vec![block(1).id]),
            ]
            .into(),
            plans: [(uid("old"), serde_bytes::ByteBuf::from(*b"plan"))].into(),
        });
        let mut tracker = crate::block::TrackerSnapshot::default();
        for (sequence, event) in [added("old", 0), added("new", 1), batch]
            .into_iter()
            .enumerate()
        {
            let event = renames.event(event);
            tracker
                .apply(sequence as u64, event, Time::default())
                .unwrap();
        }
        let allocation = &tracker.allocated[&Time::from_millis(1)];
        let blocks = allocation.blocks[&uid("new")].iter();
        let names: BTreeMap<u64, Option<OperatorUid>> = blocks
            .map(|block| (block.id.number, block.logged_as.clone()))
            .collect();
        assert_eq!(names, [(0, Some(uid("old"))), (1, None)].into());
        assert!(allocation.plans.contains_key(&uid("new")));
    }
}
