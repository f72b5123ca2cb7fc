//! What becomes of an operator that a checkpoint knows, and of its state.

use super::window::reshaped;
use super::{Change, HeldState, OperatorPlan, Program, StateOffer, StatePlan};
use crate::graph::{OperatorDescriptor, StateDescriptor};
use crate::recovery::Metadata;
use crate::uid::OperatorUid;

/// What a state is to become, and why.
type Verdict = (Change, Vec<String>);

/// What becomes of an operator that the checkpoint knows.
pub(super) fn of_held(
    program: &Program<'_>,
    held: &Metadata,
    operator: &OperatorDescriptor,
    size: HeldState,
) -> OperatorPlan {
    let uid = &operator.uid;
    let wanted = program.graph.operator(uid);
    let offer = program.states.get(uid);
    let mut plan = OperatorPlan::bare(uid, &operator.kind, Change::Keep);
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
        Some(new) if new.kind == operator.kind => match (&new.state, offer) {
            (Some(new_state), Some(offer)) => {
                with_window(of_state(state, new_state, offer), operator, new)
            }
            _ => refuse("it has no state in the program".to_owned()),
        },
        // Nothing that isn't made of the inputs again, or the program would be refused by itself.
        _ if operator.saves_datasets() => (
            Change::Drop,
            vec!["its datasets are computed again where they are read".to_owned()],
        ),
        None => refuse(no_operator(program, held, operator, size)),
        Some(new) => refuse(format!(
            "its state of {} entries belongs to a `{}`, the program has a `{}` there; give the new \
             operator a uid of its own",
            size.entries, operator.kind, new.kind
        )),
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

/// What is said of a window's state, with what its length and slide add to it.
fn with_window(
    (change, mut notes): Verdict,
    held: &OperatorDescriptor,
    new: &OperatorDescriptor,
) -> Verdict {
    if change == Change::Refuse {
        return (change, notes);
    }
    match reshaped(held, new) {
        Ok(more) => {
            notes.extend(more);
            (change, notes)
        }
        Err(reason) => refuse(reason),
    }
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
fn of_state(held: &StateDescriptor, new: &StateDescriptor, offer: &StateOffer) -> Verdict {
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
