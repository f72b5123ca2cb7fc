//! Making a plan: each operator of checkpoint and program, by uid.

use std::collections::BTreeMap;

use super::names::renames;
use super::verdict::of_held;
use super::waiting::{waiting_data, waits_in_vain};
use super::{Change, Difference, HeldState, OperatorPlan, Program};
use crate::recovery::Metadata;
use crate::uid::OperatorUid;

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
                ..OperatorPlan::bare(&uid, "input", Change::Refuse)
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
            plans.push(OperatorPlan::bare(
                &operator.uid,
                &operator.kind,
                Change::New,
            ));
        }
    }
    plans.extend(outputs(program, &renamed, &old_names));
    (plans, refusals)
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
            true => OperatorPlan::bare(&output.uid, &output.kind, Change::Keep),
            false => OperatorPlan::bare(&output.uid, &output.kind, Change::Drop),
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
            plans.push(OperatorPlan::bare(&output.uid, &output.kind, Change::New));
        }
    }
    plans
}
