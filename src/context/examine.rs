//! Looking at a checkpoint as a start would: all that it reads is read, and nothing is written.

use std::sync::Arc;

use tidemill_checkpoint::{CheckpointReader, Location, Manifest};

use super::StreamingContext;
use super::assemble::place;
use super::locations::{DRIVER_LOG_DIR, Locations};
use super::recover::left_or_held;
use super::rewind;
use super::timing::clock_for;
use super::upgrade::Compared;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::graph::GraphDescriptor;
use crate::recovery::{Metadata, UpgradePlan, replay_entries, waiting_without_input};
use crate::state::StateMemory;
use crate::time::Time;

/// Which checkpoint is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// The one that a start goes on from.
    Newest,
    /// The savepoint of this name.
    Savepoint(&'a str),
    /// The newest that doesn't contain the batch at this time.
    Before(Time),
}

impl<'a> Which<'a> {
    /// A savepoint, if one is named.
    pub(crate) fn named(savepoint: Option<&'a str>) -> Self {
        savepoint.map_or(Self::Newest, Self::Savepoint)
    }
}

/// A checkpoint that has been read whole.
pub(super) struct Examined {
    /// Where it is, and its logs.
    pub(super) locations: Locations,
    pub(super) reader: CheckpointReader,
    pub(super) manifest: Manifest,
    /// What a start would go on from, in the program's names: what it holds, with the driver's log behind it,
    /// or with what is left of the life since.
    pub(super) metadata: Metadata,
    /// Whether it is a savepoint that is gone back to.
    pub(super) is_rewound: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) plan: UpgradePlan,
}

impl StreamingContext {
    /// As [`StreamingContext::upgrade_plan`], and everything that a start reads is read: the driver's log
    /// behind the checkpoint, and all state. For a context that is thrown away afterwards.
    pub(crate) fn examine(
        &self,
        against: Option<&Location>,
        which: Which<'_>,
    ) -> Result<Option<UpgradePlan>> {
        let Some(Examined {
            metadata, mut plan, ..
        }) = self.examined(against, which)?
        else {
            return Ok(None);
        };
        if plan.is_possible() {
            let inputs = self.inputs();
            for input in &inputs.direct {
                if let Err(error) = place(input, &metadata) {
                    plan.refuse(input.node.core().uid().as_str(), error.to_string());
                }
            }
        }
        Ok(Some(plan))
    }

    /// As [`StreamingContext::examine`], but for direct sources; where the plan is possible, all states have been
    /// attached.
    pub(super) fn examined(
        &self,
        against: Option<&Location>,
        which: Which<'_>,
    ) -> Result<Option<Examined>> {
        let mut settings = self.settings().clone();
        let own = Locations::of(&settings)?.checkpoint;
        let location = against.cloned().unwrap_or_else(|| own.clone());
        if location.to_string() != own.to_string() {
            // Its logs, like its checkpoints, are another life's.
            settings.checkpoint = Some(location.to_string());
            settings.wal = None;
        }
        let reader = match CheckpointReader::open(&location) {
            Err(tidemill_checkpoint::Error::NoStore { .. }) => return Ok(None),
            other => other?,
        };
        let at = location.to_string();
        let (newest, savepoint) = match which {
            Which::Newest => (reader.newest_whole(), None),
            Which::Savepoint(name) => (reader.newest_whole(), Some((name, reader.savepoint(name)))),
            Which::Before(time) => (reader.newest_whole_before(time.as_millis()), None),
        };
        let found = rewind::find(newest, savepoint, &at)?;
        let Some(manifest) = found.base().cloned() else {
            return Ok(None);
        };
        let Compared {
            mut metadata,
            mut plan,
            renames,
        } = self.compare(&settings, &location, &manifest)?;
        let locations = Locations::of(&settings)?;
        let is_rewound = found.savepoint.is_some();
        let mut since = found.since(&at, &renames)?;
        if plan.is_possible() {
            metadata.take_interval(settings.batch_interval);
            let newest = left_or_held(is_rewound, since.as_mut(), &mut metadata);
            if let Some(newest) = newest
                && let Some((log, place)) = locations.read_log(DRIVER_LOG_DIR)?
            {
                replay_entries(log.entries(), &place, newest, &renames)?;
            }
            if is_rewound {
                let clock = clock_for(&settings, since.as_ref().unwrap_or(&metadata).last_time());
                rewind::carry_over(&mut metadata, since.as_ref(), clock.now());
            }
            if let Some(bytes) = settings.state_memory {
                self.limit_states(&self.states_of_its_own(bytes)?)?;
            }
            self.read_state(&reader, &manifest, &metadata, &mut plan);
        }
        Ok(Some(Examined {
            clock: clock_for(&settings, since.as_ref().unwrap_or(&metadata).last_time()),
            locations,
            reader,
            manifest,
            metadata,
            is_rewound,
            plan,
        }))
    }

    /// A limit on the memory of states, with a place for the rest that a live driver knows nothing of.
    fn states_of_its_own(&self, bytes: u64) -> Result<StateMemory> {
        let folder = self.0.registry.executor.cache().folder();
        let memory = folder.map(|folder| StateMemory::new(bytes, folder.join("states")));
        let no_folder = |error: std::io::Error| Error::System {
            what: "make a folder for states",
            error,
        };
        memory
            .map_err(no_folder)?
            .map_err(|error| Error::Setting(error.to_string()))
    }

    /// Reads all that the checkpoint holds for the program's operators; what can't be read is a refusal.
    fn read_state(
        &self,
        reader: &CheckpointReader,
        manifest: &Manifest,
        metadata: &Metadata,
        plan: &mut UpgradePlan,
    ) {
        let registry = &self.0.registry;
        for homeless in waiting_without_input(metadata, &GraphDescriptor::of(registry)) {
            plan.refuse(&homeless.subject, homeless.message);
        }
        self.prepare_for(metadata);
        let chunks = |reference: &_| reader.read_chunk(reference);
        if let Err(error) = self.restore_accumulators(manifest, &chunks) {
            plan.refuse("accumulators", error.to_string());
        }
        if let Err((uid, reason)) =
            self.attach_states(Some(manifest), metadata, Some(plan), &chunks)
        {
            plan.refuse(uid.as_str(), reason);
        }
    }
}
