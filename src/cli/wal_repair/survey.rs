//! [`Survey`]: the logs and the checkpoints of a pipeline read side by side, and a plan for each log.

use std::collections::BTreeMap;
use std::path::Path;

use tidemill_config::Pipeline;
use tidemill_wal::repair::{Examined, Plan, Policy, Quarantined};
use tidemill_wal::{Entry, Position, Sequence};

use super::super::args::WalArgs;
use super::super::error::{CliError, Result};
use super::super::held::Checkpoints;
use super::super::load;
use super::super::location::{self, WhichLog};
use super::super::terminal::Work;
use super::home::{self, Home, Read};
use super::known::Known;
use super::losses::{self, LossTold, Verdict};
use crate::block::{BlockInfo, Event, GIVEN_UP};
use crate::context::{BLOCK_LOG_KIND, DRIVER_LOG_KIND};
use crate::uid::OperatorUid;

/// A log with what is to be done about it.
pub(super) struct Surveyed {
    pub(super) which: WhichLog,
    /// What to call where it is.
    pub(super) place: String,
    pub(super) home: Home,
    pub(super) plan: Plan,
    /// What each of the plan's losses means.
    pub(super) told: Vec<LossTold>,
    /// What was done.
    pub(super) done: Option<Quarantined>,
}

/// The logs of a location.
pub(super) struct Survey {
    pub(super) logs: Vec<Surveyed>,
    /// Whether a checkpoint said how far they went.
    pub(super) is_end_known: bool,
}

impl Survey {
    pub(super) fn of(at: &WalArgs, pipeline: Option<&Pipeline>, work: &Work) -> Result<Self> {
        let at = location::log_home(at.location.as_str(), &at.sets.set)?;
        let mut known = Known::default();
        if let Some(pipeline) = pipeline {
            known.checkpoints = Checkpoints::of_pipeline(pipeline, |bytes| work.read(bytes))?;
        }
        let mut logs = Vec::new();
        for which in [WhichLog::Driver, WhichLog::Blocks] {
            logs.extend(survey(&at, which, which.name(), &mut known)?);
        }
        if logs.is_empty()
            && let Some(which) = home::own(&at)
        {
            logs.extend(survey(&at, which, "", &mut known)?);
        }
        match logs.is_empty() {
            false => Ok(Self {
                logs,
                is_end_known: !known.checkpoints.whole.is_empty(),
            }),
            true => Err(CliError::Failed(format!(
                "there are no logs at {}: neither `driver` nor `blocks` is in it",
                at.place()
            ))),
        }
    }

    /// What repairing all of it would cost.
    pub(super) fn verdict(&self) -> Verdict {
        let told = self.logs.iter().flat_map(|log| &log.told);
        told.map(|loss| loss.loses)
            .max()
            .unwrap_or(Verdict::Nothing)
    }
}

/// Reads the log below a name, if there is one, and plans for it.
fn survey(
    at: &location::Home,
    which: WhichLog,
    name: &str,
    known: &mut Known,
) -> Result<Option<Surveyed>> {
    let mut events = BTreeMap::new();
    let mut each = |entry: Entry| {
        if which == WhichLog::Driver
            && let Ok(event) = Event::decode(entry.kind, &entry.payload)
        {
            events.insert(entry.sequence.0, event);
        }
    };
    let kind = match which {
        WhichLog::Driver => DRIVER_LOG_KIND,
        WhichLog::Blocks => BLOCK_LOG_KIND,
    };
    let found = home::read(at, name, kind, &mut each)?;
    let is_there = found
        .as_ref()
        .is_some_and(|read| !read.examined.segments.is_empty());
    let end = known.tracker.end_of_blocks();
    if which == WhichLog::Blocks && !is_there && end > 0 {
        return Err(CliError::Failed(format!(
            "the block log at {}/{name} can't be repaired: it has no segment, and all its entries before {end} are \
             known to have been synced; restore the missing segments from a copy, or start anew with --fresh",
            at.place()
        )));
    }
    let Some(read) = found else {
        return Ok(None);
    };
    let Read {
        home,
        place,
        examined,
    } = read;
    let plan = match which {
        WhichLog::Driver => driver(&place, &examined, events, known)?,
        WhichLog::Blocks => blocks(&examined, known)?,
    };
    let told = losses::tell(which, &plan, known);
    Ok(Some(Surveyed {
        which,
        place,
        home,
        plan,
        told,
        done: None,
    }))
}

/// Plans for the driver's log, whose entries depend on one another.
fn driver(
    place: &str,
    examined: &Examined,
    events: BTreeMap<u64, Event>,
    known: &mut Known,
) -> Result<Plan> {
    let newest = known.checkpoints.whole.first();
    let needed = known.checkpoints.end_of_driver().unwrap_or_default();
    let first = examined.segments.first().map(|segment| segment.name.0);
    if let Some(newest) = newest
        && first.is_none_or(|first| first > needed)
        && (needed > 0 || first.is_some())
    {
        return Err(CliError::Failed(format!(
            "the driver's log in {place} can't be repaired: checkpoint {} needs it from entry {needed} on, and \
             {}; restore the missing segments from a copy, or start anew with --fresh",
            newest.id,
            match first {
                Some(first) => format!("it begins with entry {first}"),
                None => "it has no segment".to_owned(),
            }
        )));
    }
    let policy = Policy {
        log_kind: DRIVER_LOG_KIND,
        hole_kind: GIVEN_UP,
        cut_from: Some(Sequence(needed)),
        known_end: Sequence(needed),
        noted: BTreeMap::new(),
    };
    let plan = planned(examined, policy)?;
    let end = plan.cut_at.map_or(u64::MAX, |cut| cut.0);
    known.tracker = known
        .checkpoints
        .tracker_behind(&events, end)
        .unwrap_or_default();
    let mut name = |stream: &OperatorUid, block: &BlockInfo| {
        if let Some(position) = block.position {
            known
                .named
                .insert(position.sequence.0, (stream.clone(), block.clone()));
        }
    };
    for event in events.values() {
        if let Event::BlockAddition(added) = event {
            name(&added.stream, &added.block);
        }
    }
    for held in &known.checkpoints.whole {
        let blocks = held.metadata.tracker.blocks();
        blocks.for_each(|(stream, block)| name(stream, block));
    }
    known.is_cut = plan.cut_at.is_some();
    known.events = events;
    Ok(plan)
}

/// Plans for the block log, whose entries stand for themselves.
fn blocks(examined: &Examined, known: &Known) -> Result<Plan> {
    let positions = known.named.values().filter_map(|(_, block)| block.position);
    let noted: BTreeMap<Sequence, Position> = positions
        .map(|position| (position.sequence, position))
        .collect();
    let policy = Policy {
        log_kind: BLOCK_LOG_KIND,
        hole_kind: GIVEN_UP,
        cut_from: None,
        known_end: Sequence(known.tracker.end_of_blocks()),
        noted,
    };
    planned(examined, policy)
}

fn planned(examined: &Examined, policy: Policy) -> Result<Plan> {
    Plan::new(examined, policy).map_err(|error| CliError::Failed(error.to_string()))
}

/// The pipeline that a location names, if it names one.
pub(super) fn pipeline(at: &WalArgs) -> Result<Option<Pipeline>> {
    let path = Path::new(&at.location);
    match at.location.ends_with(".toml") || path.is_file() {
        true => load::load(path, &at.sets.set).map(Some),
        false if at.sets.set.is_empty() => Ok(None),
        false => Err(CliError::Usage(format!(
            "--set changes a PIPELINE.toml, and `{}` is none",
            at.location
        ))),
    }
}
