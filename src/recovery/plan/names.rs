//! Which of a program's renames a checkpoint needs, and which can't be meant.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, Program};
use crate::recovery::{Metadata, Renames};
use crate::uid::OperatorUid;

/// The renames that are in effect.
pub(super) fn renames(
    program: &Program<'_>,
    held: &Metadata,
    refusals: &mut Vec<Difference>,
) -> Renames {
    let known = names(held);
    let mut taken = BTreeSet::new();
    let mut effective = BTreeMap::new();
    for (old, new) in &program.permits.renames {
        if !known.contains(old) {
            continue;
        }
        let problem = if program.graph.declares(old) {
            Some(format!(
                "it is to be renamed to `{new}`, but the program still declares `{old}`: give that operator \
                 another uid, or leave the rename out"
            ))
        } else if !program.graph.declares(new) {
            Some(format!(
                "it is to be renamed to `{new}`, which the program doesn't declare: give the operator this \
                 uid, or correct the rename"
            ))
        } else if known.contains(new) || !taken.insert(new) {
            Some(format!(
                "it is to be renamed to `{new}`, but the checkpoint holds something under that name, too: \
                 rename one of them to a name of its own"
            ))
        } else {
            effective.insert(old.clone(), new.clone());
            None
        };
        refusals.extend(problem.map(|message| Difference {
            subject: old.to_string(),
            message,
        }));
    }
    Renames(effective)
}

/// All uids under which a checkpoint holds anything.
fn names(held: &Metadata) -> BTreeSet<&OperatorUid> {
    let operators = held.graph.operators.iter().map(|operator| &operator.uid);
    let outputs = held.graph.outputs.iter().map(|output| &output.uid);
    let blocks = held.tracker.blocks().map(|(uid, _)| uid);
    operators
        .chain(outputs)
        .chain(blocks)
        .chain(held.positions.keys())
        .collect()
}
