//! Whether a program can go on from a checkpoint: every difference that would lose something, by uid.

use std::collections::BTreeMap;
use std::fmt;

use super::Metadata;
use crate::graph::GraphDescriptor;
use crate::uid::OperatorUid;

/// Something in a checkpoint that the program gives no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The operator, or the application's setting, that it is about.
    pub subject: String,
    /// What would be lost, and what to do.
    pub message: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.message)
    }
}

/// What of the checkpoint can't be reconciled with the program. `state_keys` tells how many keys each
/// checkpointed state holds.
pub(crate) fn irreconcilable(
    held: &Metadata,
    application: &str,
    batch_interval_ms: u64,
    graph: &GraphDescriptor,
    state_keys: &BTreeMap<String, u64>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut differ = |subject: &str, message: String| {
        differences.push(Difference {
            subject: subject.to_owned(),
            message,
        });
    };
    if held.application != application {
        differ(
            "name",
            format!(
                "the checkpoint belongs to the application `{}`, this is `{application}`; use another \
                 location, or the same name",
                held.application
            ),
        );
    }
    let unfinished = held.unfinished();
    let interval_changed = held.batch_interval_ms != batch_interval_ms;
    if interval_changed
        && (graph.has_windows() || held.graph.has_windows() || !unfinished.is_empty())
    {
        differ(
            "batch_interval",
            format!(
                "it was {} ms and is now {batch_interval_ms} ms, but {}; set it back{}",
                held.batch_interval_ms,
                match unfinished.len() {
                    0 => "windows are in phase with it".to_owned(),
                    n => format!("{n} batches of the old interval aren't complete"),
                },
                if unfinished.is_empty() {
                    ""
                } else {
                    ", stop gracefully, then change it"
                },
            ),
        );
    }
    for operator in &held.graph.operators {
        let Some(state) = &operator.state else {
            continue;
        };
        let uid = operator.uid.as_str();
        let keys = state_keys.get(uid).copied().unwrap_or_default();
        match graph.operator(&operator.uid) {
            None => differ(
                uid,
                format!(
                    "its state of {keys} keys has no operator in the program; declare the operator \
                     again under this uid, or start anew with --fresh"
                ),
            ),
            Some(new) if new.kind != operator.kind => differ(
                uid,
                format!(
                    "its state of {keys} keys belongs to a `{}`, the program has a `{}` there",
                    operator.kind, new.kind
                ),
            ),
            Some(new) => match &new.state {
                Some(new) if new.format == state.format => {}
                Some(new) => differ(
                    uid,
                    format!(
                        "its state is written in format {}, not {}",
                        state.format, new.format
                    ),
                ),
                None => differ(uid, "it has no state in the program".to_owned()),
            },
        }
    }
    for (uid, records) in waiting_data(held) {
        let is_input = graph
            .operator(&uid)
            .is_some_and(|operator| operator.is_input);
        if !is_input {
            differ(
                uid.as_str(),
                format!(
                    "{records} received records wait for a batch or are in one that isn't complete, and \
                     the program has no such input; declare it again until they are processed"
                ),
            );
        }
    }
    differences
}

/// The inputs whose data a restart must still process, with how many records that is.
fn waiting_data(held: &Metadata) -> BTreeMap<OperatorUid, u64> {
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
