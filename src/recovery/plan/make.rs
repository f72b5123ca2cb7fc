//! Making a plan: each operator of checkpoint and program, by uid.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Difference, HeldState, OperatorPlan, Program, StatePlan};
use crate::graph::{OperatorDescriptor, StateDescriptor};
use crate::recovery::{Metadata, Renames};
use crate::uid::OperatorUid;

/// What a state is to become.
type Verdict = (Change, Vec<String>);

pub(super) fn plan(
    program: &Program<'_>,
    held: &Metadata,
    states: &BTreeMap<OperatorUid, HeldState>,
) -> (Vec<OperatorPlan>, Vec<Difference>) {
    let mut refusals = Vec::new();
    settings(program, held, &mut refusals);
    let renames = renames(program, held, &mut refusals);
    let old_names: BTreeMap<&OperatorUid, &OperatorUid> =
        renames.0.iter().map(|(old, new)| (new, old)).collect();
    let mut renamed = held.clone();
    renames.apply(&mut renamed);
    let waiting = waiting_data(&renamed);
    let mut plans = Vec::new();
    for operator in &renamed.graph.operators {
        let old_name = old_names.get(&operator.uid).copied();
        let size = states.get(old_name.unwrap_or(&operator.uid)).copied();
        let mut plan = of_held(program, &renamed, operator, size.unwrap_or_default());
        plan.renamed_from = old_name.cloned();
        if let Some(old) = old_name {
            plan.notes.push(format!("it was `{old}`"));
        }
        plans.push(plan);
    }
    for (uid, records) in waiting {
        if is_input(program, &uid) {
            continue;
        }
        let message = waits_in_vain(records);
        match plans.iter_mut().find(|plan| plan.uid == uid) {
            Some(plan) => {
                plan.change = Change::Refuse;
                plan.notes.insert(0, message);
            }
            None => plans.push(OperatorPlan {
                change: Change::Refuse,
                notes: vec![message],
                ..bare(&uid, "input", Change::Refuse)
            }),
        }
    }
    for plan in plans.iter().filter(|plan| plan.change == Change::Refuse) {
        let reason = plan.notes.first().cloned().unwrap_or_default();
        refusals.push(Difference {
            subject: plan.uid.to_string(),
            message: reason,
        });
    }
    for operator in &program.graph.operators {
        if renamed.graph.operator(&operator.uid).is_none() {
            plans.push(bare(&operator.uid, &operator.kind, Change::New));
        }
    }
    plans.extend(outputs(program, &renamed, &old_names));
    (plans, refusals)
}

fn bare(uid: &OperatorUid, kind: &str, change: Change) -> OperatorPlan {
    OperatorPlan {
        uid: uid.clone(),
        renamed_from: None,
        kind: kind.to_owned(),
        change,
        state: None,
        notes: Vec::new(),
    }
}

fn is_input(program: &Program<'_>, uid: &OperatorUid) -> bool {
    let operator = program.graph.operator(uid);
    operator.is_some_and(|operator| operator.is_input)
}

/// The application's name and its batch interval.
fn settings(program: &Program<'_>, held: &Metadata, refusals: &mut Vec<Difference>) {
    let mut refuse = |subject: &str, message: String| {
        refusals.push(Difference {
            subject: subject.to_owned(),
            message,
        });
    };
    if held.application != program.application {
        refuse(
            "name",
            format!(
                "the checkpoint belongs to the application `{}`, this is `{}`; use another location, \
                 or the same name",
                held.application, program.application
            ),
        );
    }
    let unfinished = held.unfinished();
    let interval_changed = held.batch_interval_ms != program.batch_interval_ms;
    let has_windows = program.graph.has_windows() || held.graph.has_windows();
    if interval_changed && (has_windows || !unfinished.is_empty()) {
        refuse(
            "batch_interval",
            format!(
                "it was {} ms and is now {} ms, but {}; set it back{}",
                held.batch_interval_ms,
                program.batch_interval_ms,
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
}

/// The renames that are in effect.
fn renames(program: &Program<'_>, held: &Metadata, refusals: &mut Vec<Difference>) -> Renames {
    let known = names(held);
    let declared = |uid: &OperatorUid| {
        let mut outputs = program.graph.outputs.iter();
        program.graph.operator(uid).is_some() || outputs.any(|output| output.uid == *uid)
    };
    let mut taken = BTreeSet::new();
    let mut effective = BTreeMap::new();
    for (old, new) in &program.permits.renames {
        if !known.contains(old) {
            continue;
        }
        let problem = if declared(old) {
            Some(format!(
                "it is to be renamed to `{new}`, but the program still declares `{old}`: give that operator \
                 another uid, or leave the rename out"
            ))
        } else if !declared(new) {
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

/// What becomes of an operator that the checkpoint knows.
fn of_held(
    program: &Program<'_>,
    held: &Metadata,
    operator: &OperatorDescriptor,
    size: HeldState,
) -> OperatorPlan {
    let uid = &operator.uid;
    let wanted = program.graph.operator(uid);
    let offer = program.states.get(uid);
    let mut plan = bare(uid, &operator.kind, Change::Keep);
    let Some(state) = &operator.state else {
        plan.change = match wanted {
            Some(_) => Change::Keep,
            None => Change::Drop,
        };
        return plan;
    };
    plan.state = Some(StatePlan {
        entries: size.entries,
        bytes: size.bytes,
        partitions: size.partitions,
        new_partitions: offer.and_then(|offer| offer.partitions),
    });
    let (change, notes) = match wanted {
        None => refuse(no_operator(program, held, operator, size)),
        Some(new) if new.kind != operator.kind => refuse(format!(
            "its state of {} entries belongs to a `{}`, the program has a `{}` there; give the new \
             operator a uid of its own",
            size.entries, operator.kind, new.kind
        )),
        Some(new) if new.pane_ms() != operator.pane_ms() => refuse(format!(
            "its window is kept in parts of {} ms, and the program's needs parts of {} ms: set its length \
             and slide back, or give it another uid",
            operator.pane_ms(),
            new.pane_ms()
        )),
        Some(new) => match (&new.state, offer) {
            (Some(new), Some(offer)) => of_state(state, new, offer),
            _ => refuse("it has no state in the program".to_owned()),
        },
    };
    (plan.change, plan.notes) = permitted(program, uid, (change, notes));
    let partitions = offer.and_then(|offer| offer.partitions);
    if let Some(partitions) = partitions
        && partitions != size.partitions
        && matches!(plan.change, Change::Keep | Change::Migrate)
    {
        plan.notes.push(format!(
            "its keys move from {} to {partitions} partitions",
            size.partitions
        ));
    }
    plan
}

fn refuse(message: String) -> Verdict {
    (Change::Refuse, vec![message])
}

/// A refusal becomes a drop where the program gives the state up by name.
fn permitted(program: &Program<'_>, uid: &OperatorUid, (change, mut notes): Verdict) -> Verdict {
    let may = program.permits.drops.contains(uid);
    match (change, may) {
        (Change::Refuse, true) => (
            Change::Drop,
            vec!["the program gives its state up".to_owned()],
        ),
        (Change::Refuse, false) => {
            if let Some(first) = notes.first_mut() {
                first.push_str(&format!(
                    "; or give the state up: [checkpoint] drop = [\"{uid}\"], --drop '{uid}'"
                ));
            }
            (change, notes)
        }
        (_, true) => {
            notes.push("the permission to drop it isn't needed".to_owned());
            (change, notes)
        }
        (_, false) => (change, notes),
    }
}

/// A state that no operator takes; says what it may have become.
fn no_operator(
    program: &Program<'_>,
    held: &Metadata,
    operator: &OperatorDescriptor,
    size: HeldState,
) -> String {
    let uid = &operator.uid;
    let newcomers = program.graph.operators.iter().filter(|new| {
        new.kind == operator.kind && new.state.is_some() && held.graph.operator(&new.uid).is_none()
    });
    let newcomers: Vec<&OperatorDescriptor> = newcomers.collect();
    let guess = match newcomers.as_slice() {
        [only] => format!(
            "; if it is `{0}` now, rename it: [checkpoint] renames = {{ \"{uid}\" = \"{0}\" }}",
            only.uid
        ),
        _ => String::new(),
    };
    format!(
        "its state of {} entries has no operator in the program; declare the operator again under this \
         uid{guess}",
        size.entries
    )
}

/// Whether an operator of the same kind can take a state over.
fn of_state(held: &StateDescriptor, new: &StateDescriptor, offer: &super::StateOffer) -> Verdict {
    if new.format != held.format {
        return refuse(format!(
            "its state is written in format {}, not {}",
            held.format, new.format
        ));
    }
    let types = || {
        let both = [
            ("key", &held.key_type, &new.key_type),
            ("value", &held.value_type, &new.value_type),
        ];
        let changed = both.into_iter().filter(|(_, before, now)| before != now);
        changed.map(|(what, before, now)| format!("the {what} type was `{before}` and is `{now}`"))
    };
    if held.version == new.version {
        let read = |change: String| format!("{change}: it is read as that by the fields' names");
        return (Change::Keep, types().map(read).collect());
    }
    if held.version > new.version {
        return refuse(format!(
            "its state has version {}, and the program's is {}: there is no way back; use the program \
             that wrote it, or start from a savepoint made before",
            held.version, new.version
        ));
    }
    let missing: Vec<String> = (held.version..new.version)
        .filter(|from| !offer.migrates_from.contains(from))
        .map(|from| format!("from {from} to {}", from.saturating_add(1)))
        .collect();
    if !missing.is_empty() {
        return refuse(format!(
            "its state has version {} (keys `{}`, values `{}`), the program's is {} (keys `{}`, values \
             `{}`), and no migration is registered {}: add .migrate_state or .migrate_keys for each",
            held.version,
            held.key_type,
            held.value_type,
            new.version,
            new.key_type,
            new.value_type,
            missing.join(", ")
        ));
    }
    let mut notes = vec![format!("version {} to {}", held.version, new.version)];
    notes.extend(types());
    (Change::Migrate, notes)
}

fn outputs(
    program: &Program<'_>,
    held: &Metadata,
    old_names: &BTreeMap<&OperatorUid, &OperatorUid>,
) -> Vec<OperatorPlan> {
    let unfinished = held.unfinished().len();
    let mut plans = Vec::new();
    for output in &held.graph.outputs {
        let kept = program
            .graph
            .outputs
            .iter()
            .any(|new| new.uid == output.uid);
        let mut plan = match kept {
            true => bare(&output.uid, &output.kind, Change::Keep),
            false => bare(&output.uid, &output.kind, Change::Drop),
        };
        if !kept && unfinished > 0 {
            plan.notes.push(format!(
                "{unfinished} batches aren't complete, and it won't get them"
            ));
        }
        if let Some(old) = old_names.get(&output.uid) {
            plan.renamed_from = Some((*old).clone());
            plan.notes.push(match unfinished {
                0 => format!("it was `{old}`"),
                n => format!(
                    "it was `{old}`; {n} batches that aren't complete are committed under the new name, \
                     though they may have been under the old one"
                ),
            });
        }
        plans.push(plan);
    }
    for output in &program.graph.outputs {
        if held.graph.outputs.iter().all(|old| old.uid != output.uid) {
            plans.push(bare(&output.uid, &output.kind, Change::New));
        }
    }
    plans
}

/// Data that waits for inputs which the program hasn't got. `held` is in the program's names.
pub(crate) fn waiting_without_input(
    held: &Metadata,
    graph: &crate::graph::GraphDescriptor,
) -> Vec<Difference> {
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

fn waits_in_vain(records: u64) -> String {
    format!(
        "{records} received records wait for a batch or are in one that isn't complete, and the program \
         has no such input; declare it again until they are processed"
    )
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
