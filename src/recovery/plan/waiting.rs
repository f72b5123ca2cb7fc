//! Received data that a restart must still process.

use std::collections::BTreeMap;

use super::Difference;
use crate::graph::GraphDescriptor;
use crate::recovery::Metadata;
use crate::uid::OperatorUid;

/// Data that waits for inputs which the program hasn't got. `held` is in the program's names.
pub(crate) fn waiting_without_input(held: &Metadata, graph: &GraphDescriptor) -> Vec<Difference> {
    let has_input = |uid: &OperatorUid| {
        let operator = graph.operator(uid);
        operator.is_some_and(|operator| operator.is_input)
    };
    let homeless = waiting_data(held).into_iter();
    homeless
        .filter(|(uid, _)| !has_input(uid))
        .map(|(uid, records)| Difference {
            subject: uid.to_string(),
            message: waits_in_vain(records),
        })
        .collect()
}

pub(super) fn waits_in_vain(records: u64) -> String {
    format!(
        "{records} received records wait for a batch or are in one that isn't complete, and the program \
         has no such input; declare it again until they are processed"
    )
}

/// The inputs whose data a restart must still process, with how many records that is.
pub(super) fn waiting_data(held: &Metadata) -> BTreeMap<OperatorUid, u64> {
    let mut waiting = BTreeMap::new();
    let mut add = |uid: &OperatorUid, records: u64| {
        *waiting.entry(uid.clone()).or_default() += records;
    };
    for (uid, blocks) in &held.tracker.unallocated {
        if !blocks.is_empty() {
            add(uid, blocks.iter().map(|block| block.records).sum());
        }
    }
    for time in held.unfinished() {
        let Some(allocation) = held.tracker.allocated.get(&time) else {
            continue;
        };
        for (uid, blocks) in allocation
            .blocks
            .iter()
            .filter(|(_, blocks)| !blocks.is_empty())
        {
            add(uid, blocks.iter().map(|block| block.records).sum());
        }
        allocation.plans.keys().for_each(|uid| add(uid, 0));
    }
    waiting
}
