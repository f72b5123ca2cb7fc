//! What a checkpoint and the program have to do with each other: the plan, and carrying it out.

use std::collections::BTreeMap;

use tidemill_checkpoint::{CheckpointReader, Location, Manifest};

use super::StreamingContext;
use super::locations::{DRIVER_LOG_DIR, Locations};
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::graph::{GraphDescriptor, validate};
use crate::recovery::{
    Change, Difference, Metadata, Program, StateOffer, UpgradePlan, held_states, replay_entries,
    waiting_without_input,
};
use crate::state::{ChunkSource, StateMemory};
use crate::time::millis;
use crate::uid::OperatorUid;

/// A checkpoint that this program may go on from, or not.
pub(super) struct Compared {
    /// The checkpoint, in the program's names.
    pub(super) metadata: Metadata,
    pub(super) plan: UpgradePlan,
}

/// A checkpoint that has been read whole.
pub(super) struct Examined {
    /// Where it is, and its logs.
    pub(super) locations: Locations,
    pub(super) reader: CheckpointReader,
    pub(super) manifest: Manifest,
    /// What it holds, with the driver's log behind it unless it is a savepoint, in the program's names.
    pub(super) metadata: Metadata,
    pub(super) plan: UpgradePlan,
}

impl StreamingContext {
    /// What a start would do with the checkpoint that is there: which state it keeps, migrates, drops or
    /// refuses, and what is new. `None` when there is no checkpoint yet. Looks only: takes no lock and no
    /// epoch, and writes nothing, so a driver may be live meanwhile.
    ///
    /// Whether the types of keys and values can be read shows at the start, or with
    /// `tidemill check --against`, which reads them all. Spark can't go on from a checkpoint once the program
    /// has changed.
    ///
    /// # Errors
    /// When the program is wrong by itself, there is no checkpoint location, or it can't be read.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # fn main() -> tidemill::Result<()> {
    /// # let context = StreamingContext::builder("totals", Duration::from_secs(1))
    /// #     .checkpoint("memory:doc-plan").build()?;
    /// # let (words, _queue) = context.queue_stream::<str>();
    /// words.count_by_value().print();
    /// assert!(context.upgrade_plan()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn upgrade_plan(&self) -> Result<Option<UpgradePlan>> {
        let settings = self.settings().clone();
        validate(&self.0.registry, settings.checkpoint.is_some())?;
        let location = Locations::of(&settings)?.checkpoint;
        let reader = match CheckpointReader::open(&location) {
            Err(tidemill_checkpoint::Error::NoStore { .. }) => return Ok(None),
            other => other?,
        };
        let newest = reader.newest_manifest()?;
        let compared = newest.map(|manifest| self.compare(&settings, &location, &manifest));
        compared
            .transpose()
            .map(|found| found.map(|found| found.plan))
    }

    /// As [`StreamingContext::upgrade_plan`], and everything that a start reads is read: the driver's log
    /// behind the checkpoint, and all state. For a context that is thrown away afterwards.
    pub(crate) fn examine(
        &self,
        against: Option<&Location>,
        savepoint: Option<&str>,
    ) -> Result<Option<UpgradePlan>> {
        let examined = self.examined(against, savepoint)?;
        Ok(examined.map(|examined| examined.plan))
    }

    /// As [`StreamingContext::examine`]; where the plan is possible, all states have been attached.
    pub(super) fn examined(
        &self,
        against: Option<&Location>,
        savepoint: Option<&str>,
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
        let found = match savepoint {
            Some(name) => Some(reader.savepoint(name)?),
            None => reader.newest_whole()?.manifest,
        };
        let Some(manifest) = found else {
            return Ok(None);
        };
        let Compared {
            mut metadata,
            mut plan,
        } = self.compare(&settings, &location, &manifest)?;
        let locations = Locations::of(&settings)?;
        if plan.is_possible() {
            metadata.take_interval(settings.batch_interval);
            // A savepoint needs no log. What waits there besides is of the newest checkpoint.
            let log = match savepoint {
                Some(_) => None,
                None => locations.read_log(DRIVER_LOG_DIR)?,
            };
            if let Some((log, place)) = log {
                replay_entries(log.entries(), &place, &mut metadata, &plan.renames())?;
            }
            if let Some(bytes) = settings.state_memory {
                self.limit_states(&self.states_of_its_own(bytes)?)?;
            }
            self.read_state(&reader, &manifest, &metadata, &mut plan);
        }
        Ok(Some(Examined {
            locations,
            reader,
            manifest,
            metadata,
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
        plan.refusals = waiting_without_input(metadata, &GraphDescriptor::of(registry));
        self.prepare_for(metadata);
        let chunks = |reference: &_| reader.read_chunk(reference);
        if let Err(error) = self.restore_accumulators(manifest, &chunks) {
            plan.refusals.push(Difference {
                subject: "accumulators".to_owned(),
                message: error.to_string(),
            });
        }
        if let Err((uid, reason)) =
            self.attach_states(Some(manifest), metadata, Some(plan), &chunks)
        {
            plan.refusals.push(Difference {
                subject: uid.to_string(),
                message: reason,
            });
        }
        let refused = plan
            .refusals
            .iter()
            .map(|difference| difference.subject.as_str());
        let refused: Vec<String> = refused.map(str::to_owned).collect();
        for operator in &mut plan.operators {
            if refused.iter().any(|uid| uid == operator.uid.as_str()) {
                operator.change = Change::Refuse;
            }
        }
    }

    /// Tells the program's parts where in time they are. Comes before their state.
    pub(super) fn prepare_for(&self, metadata: &Metadata) {
        let registry = &self.0.registry;
        registry.executor.set_hash_seed(metadata.hash_seed);
        registry.set_zero_time(metadata.zero_time);
        registry.set_complete_through(metadata.complete_through);
        let effects = &registry.effects;
        effects.recovered(metadata.complete_through, &metadata.completed);
    }

    /// What a start would do with this checkpoint.
    pub(crate) fn plan_for(&self, manifest: &Manifest) -> Result<UpgradePlan> {
        let settings = self.settings().clone();
        let location = Locations::of(&settings)?.checkpoint;
        let compared = self.compare(&settings, &location, manifest)?;
        Ok(compared.plan)
    }

    /// Holds the program against a checkpoint.
    pub(super) fn compare(
        &self,
        settings: &Settings,
        location: &Location,
        manifest: &Manifest,
    ) -> Result<Compared> {
        let place = format!("checkpoint {} at {location}", manifest.id);
        let mut metadata = Metadata::decode(&manifest.metadata, &place)?;
        let graph = GraphDescriptor::of(&self.0.registry);
        let states = self.offers();
        let program = Program {
            application: &settings.name,
            batch_interval_ms: millis(settings.batch_interval),
            graph: &graph,
            states: &states,
            permits: &settings.permits,
        };
        let held = held_states(manifest);
        let plan = program.plan(&location.to_string(), manifest.id.0, &metadata, &held);
        plan.renames().apply(&mut metadata);
        Ok(Compared { metadata, plan })
    }

    /// What the program's operators can take over.
    fn offers(&self) -> BTreeMap<OperatorUid, StateOffer> {
        let nodes = self.0.registry.nodes();
        let offer = |node: &std::sync::Arc<dyn crate::dstream::AnyNode>| {
            let state = node.core().state.as_ref()?;
            let migrations = state.migrations();
            let offer = StateOffer {
                partitions: state.partitions(),
                migrates_from: migrations
                    .map(|migrations| migrations.versions_left())
                    .unwrap_or_default(),
            };
            Some((node.core().uid(), offer))
        };
        nodes.iter().filter_map(offer).collect()
    }

    /// Fills every state: from the checkpoint as planned, or with what the program begins with. An error
    /// names the operator.
    pub(super) fn attach_states(
        &self,
        manifest: Option<&Manifest>,
        metadata: &Metadata,
        plan: Option<&UpgradePlan>,
        chunks: &ChunkSource<'_>,
    ) -> Result<(), (OperatorUid, String)> {
        let executor = &self.0.registry.executor;
        for node in self.0.registry.nodes() {
            let Some(state) = &node.core().state else {
                continue;
            };
            let uid = node.core().uid();
            let planned = plan.and_then(|plan| plan.operator(uid.as_str()));
            let held =
                planned.filter(|planned| matches!(planned.change, Change::Keep | Change::Migrate));
            let series = held.and_then(|held| {
                let name = held.renamed_from.as_ref().unwrap_or(&held.uid);
                manifest?.series(name.as_str())
            });
            let (Some(held), Some(series)) = (held, series) else {
                let first = metadata.complete_through.plus(node.core().slide);
                let begun = state.initialize(first, executor);
                begun.map_err(|error| (uid.clone(), error.to_string()))?;
                continue;
            };
            let written = metadata.graph.operator(&uid);
            let written = written.and_then(|operator| operator.state.as_ref());
            let through = metadata.complete_through;
            let restored = match (held.change, written) {
                (Change::Migrate, Some(written)) => {
                    state.restore_migrated(written.version, series, through, chunks, executor)
                }
                _ => state.restore(series, through, chunks, executor),
            };
            restored.map_err(|error| {
                let (key, value) = state.type_names();
                let wrote = written.map_or_else(String::new, |written| {
                    format!(
                        "; it was written as keys `{}` and values `{}` in version {}, and the program has \
                         `{key}` and `{value}`: where a type changed, raise .state_version and register \
                         .migrate_state::<Old, New> or .migrate_keys",
                        written.key_type, written.value_type, written.version
                    )
                });
                (uid.clone(), format!("{error}{wrote}"))
            })?;
        }
        Ok(())
    }
}

/// What a start says of a plan that can't be carried out.
pub(super) fn refused(plan: UpgradePlan) -> Error {
    Error::Incompatible {
        location: plan.location,
        differences: plan.refusals,
    }
}
