//! Recovery, from the lock to an engine that could run its first batch.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use tidemill_checkpoint::{
    CheckpointReader, CheckpointStore, ChunkRef, Holder, Location, Manifest, StoreOptions,
};
use tidemill_storage::failpoint;

use super::assemble::Parts;
use super::locations::{BLOCK_LOG_DIR, BLOCK_LOG_KIND, DRIVER_LOG_DIR, DRIVER_LOG_KIND, Locations};
use super::settings::Settings;
use super::steps::Step;
use super::timing::clock_for;
use super::upgrade::{Compared, glance, refused};
use super::{StartMode, StreamingContext, rewind};
use crate::block::BlockStore;
use crate::clock::wall_clock;
use crate::engine::{Engine, Reserve, room_to_start, saved_blocks};
use crate::error::{Error, Result};
use crate::graph::GraphDescriptor;
use crate::recovery::{Metadata, replay_driver_log, waiting_without_input};
use crate::time::{Time, millis};

impl StreamingContext {
    /// Everything up to the moment when the engine could run its first batch.
    pub(super) fn recover(&self, settings: &Settings, mode: StartMode) -> Result<Recovered> {
        let registry = &self.0.registry;
        let steps = &self.0.steps;
        steps.enter(Step::Opening, None, None);
        let locations = Locations::of(settings)?;
        let reserve = Reserve(settings.reserve);
        room_to_start(&locations.places(), reserve)?;
        let mut holder = Holder::current(&settings.name, wall_clock().as_millis());
        holder.admin.clone_from(&settings.admin);
        let mut options = StoreOptions::new(holder.clone());
        options.retain = settings.retain;
        let graph = GraphDescriptor::of(registry);
        self.look_before_taking_over(settings, &locations.checkpoint, mode)?;
        let store = CheckpointStore::open(&locations.checkpoint, options)?;
        let log_lock = locations.lock_logs(&holder)?;
        let place = locations.checkpoint.to_string();
        let savepoint = settings.savepoint.as_deref();
        let savepoint = savepoint.map(|name| (name, store.savepoint(name)));
        let found = rewind::find(store.newest(), savepoint, &place)?;
        for (id, error) in &found.newest.skipped {
            tracing::warn!(checkpoint = id.0, %error, "a checkpoint is damaged; an older one is used");
        }
        if let Some(savepoint) = &found.savepoint {
            store.start_from(savepoint)?;
        }
        // What is gone on from, and what was there besides.
        let base = found.base();
        let is_rewound = found.savepoint.is_some();
        let held = match base {
            Some(manifest) => {
                Some(self.reconciled(settings, &locations.checkpoint, manifest, mode)?)
            }
            None => None,
        };
        let (held, plan) = held.map(|held| (held.metadata, held.plan)).unzip();
        let renames = self.renames();
        store.rename_series(&renames.of_series());
        let is_new = held.is_none();
        let mut since = found.since(&place, &renames)?;
        let mut metadata = held.unwrap_or_else(|| {
            let now = settings.clock.as_ref().map(|clock| clock.now());
            first_metadata(settings, &graph, now.unwrap_or_else(wall_clock))
        });
        self.prepare_for(&metadata);
        if let Some(memory) =
            locations.state_memory(settings, || registry.executor.cache().folder())?
        {
            self.limit_states(&memory)?;
        }
        let held_bytes = base.map(|manifest| manifest.chunks().map(|chunk| chunk.bytes).sum());
        steps.enter(Step::State, held_bytes, None);
        let chunks = |reference: &ChunkRef| {
            let chunk = store.read_chunk(reference);
            steps.advance(reference.bytes);
            chunk
        };
        if let Some(manifest) = base {
            self.restore_accumulators(manifest, &chunks)?;
        }
        self.attach_states(base, &metadata, plan.as_ref(), &chunks)
            .map_err(|(uid, reason)| Error::Unreadable {
                place: format!("the state of `{uid}`"),
                reason,
            })?;

        let epoch = store.epoch().0;
        // The log goes on from the newest checkpoint, or from nowhere when only the savepoint is whole.
        let known_end = left_or_held(is_rewound, since.as_mut(), &mut metadata)
            .map_or(0, |newest| newest.tracker.replay_from);
        let (driver_log, driver_place) =
            locations.open_log(settings, DRIVER_LOG_DIR, DRIVER_LOG_KIND, epoch, known_end)?;
        if is_new && driver_log.next_sequence().0 > 0 {
            return Err(Error::Unreadable {
                place: driver_place,
                reason: format!(
                    "the log has entries, but {} holds no checkpoint to read them with; restore the \
                     checkpoint, or move the log away to start anew",
                    locations.checkpoint
                ),
            });
        }
        failpoint!("recovery::before_replay");
        let replayed = match left_or_held(is_rewound, since.as_mut(), &mut metadata) {
            Some(newest) => {
                let entries = driver_log.next_sequence().0;
                let behind = entries.saturating_sub(newest.tracker.replay_from);
                steps.enter(Step::DriverLog, Some(behind), None);
                let on_entry = || steps.advance(1);
                replay_driver_log(&driver_log, &driver_place, newest, &renames, on_entry)?
            }
            None => 0,
        };
        failpoint!("recovery::after_replay");
        let newest = since.as_ref().unwrap_or(&metadata);
        let known_end = newest.tracker.end_of_blocks();
        // Only now is the last batch known.
        let clock = clock_for(settings, newest.last_time());
        if is_rewound {
            rewind::carry_over(&mut metadata, since.as_ref(), clock.now());
        }
        let homeless = waiting_without_input(&metadata, &graph);
        if !homeless.is_empty() {
            return Err(Error::Incompatible {
                location: locations.checkpoint.to_string(),
                differences: homeless,
            });
        }
        let block_log = match settings.receiver_log {
            true => Some(
                locations
                    .open_log(settings, BLOCK_LOG_DIR, BLOCK_LOG_KIND, epoch, known_end)?
                    .0,
            ),
            false => None,
        };
        let unfinished = metadata.unfinished();
        if !is_new {
            tracing::info!(
                epoch,
                complete_through = metadata.complete_through.as_millis(),
                replayed,
                unfinished = unfinished.len(),
                "going on from a checkpoint"
            );
        }
        let store_of_blocks = BlockStore::new(block_log, settings.receiver.memory_bytes);
        if let Some(savepoint) = &found.savepoint {
            let unreadable = |reason| Error::Unreadable {
                place: format!("the blocks of the savepoint at {place}"),
                reason,
            };
            steps.enter(Step::State, None, None);
            let blocks = saved_blocks(savepoint, &chunks).map_err(unreadable)?;
            failpoint!("recovery::before_savepoint_blocks");
            rewind::take_back(
                &mut metadata,
                rewind::from_savepoint(blocks),
                &store_of_blocks,
            )?;
            failpoint!("recovery::after_savepoint_blocks");
            tracing::info!(
                savepoint = savepoint.name.as_deref().unwrap_or_default(),
                cut = savepoint.created_ms,
                "going back to a savepoint"
            );
        }
        let skipped = found.newest.skipped.iter();
        let skipped = skipped.map(|(id, error)| format!("{id}: {error}"));
        let engine = self.assemble(Parts {
            settings,
            is_new,
            savepoint: match &settings.savepoint {
                Some(_) => found
                    .savepoint
                    .map(|manifest| manifest.id.0)
                    .or(metadata.savepoint),
                None => None,
            },
            metadata,
            clock,
            skipped: skipped.collect(),
            store,
            driver_log,
            blocks: store_of_blocks,
            log_lock,
            locations: &locations,
        })?;
        Ok(Recovered {
            engine: Arc::new(engine),
            unfinished,
            is_new,
            is_rewound,
        })
    }

    /// Refuses, where no lock tells of a live driver, what would be refused after taking over: the wrong
    /// program must not stop the one that runs there.
    fn look_before_taking_over(
        &self,
        settings: &Settings,
        location: &Location,
        mode: StartMode,
    ) -> Result<()> {
        if location.is_local() {
            return Ok(());
        }
        let savepoint = settings.savepoint.as_deref();
        let look = CheckpointReader::open(location)
            .map_err(Error::from)
            .and_then(|reader| glance(&reader, savepoint, location));
        match look {
            Ok(Some(manifest)) => self
                .reconciled(settings, location, &manifest, mode)
                .map(drop),
            Ok(None) => Ok(()),
            // Whatever it is, the real reading tells it better.
            Err(error) => {
                tracing::debug!(%error, "a look at the checkpoint before taking it over failed");
                Ok(())
            }
        }
    }

    /// A checkpoint, if this program can go on from it.
    fn reconciled(
        &self,
        settings: &Settings,
        location: &Location,
        manifest: &Manifest,
        mode: StartMode,
    ) -> Result<Compared> {
        if mode == StartMode::CreateOnly {
            return Err(Error::Setting(format!(
                "{location} holds checkpoint {} already; use get_or_create to go on from it",
                manifest.id
            )));
        }
        let mut compared = self.compare(settings, location, manifest)?;
        if !compared.plan.is_possible() {
            return Err(refused(compared.plan));
        }
        compared.metadata.take_interval(settings.batch_interval);
        Ok(compared)
    }
}

/// What the driver's log goes on from: the newest checkpoint, whether it is gone back from or not.
pub(super) fn left_or_held<'a>(
    is_rewound: bool,
    since: Option<&'a mut Metadata>,
    held: &'a mut Metadata,
) -> Option<&'a mut Metadata> {
    match is_rewound {
        true => since,
        false => Some(held),
    }
}

/// What recovery hands to the start.
pub(super) struct Recovered {
    pub(super) engine: Arc<Engine>,
    pub(super) unfinished: Vec<Time>,
    pub(super) is_new: bool,
    /// Whether it goes back to a savepoint.
    pub(super) is_rewound: bool,
}

fn first_metadata(settings: &Settings, graph: &GraphDescriptor, now: Time) -> Metadata {
    let zero_time = now.floor(settings.batch_interval);
    Metadata {
        format: Metadata::FORMAT,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        application: settings.name.clone(),
        batch_interval_ms: millis(settings.batch_interval),
        zero_time,
        hash_seed: RandomState::new().build_hasher().finish(),
        graph: graph.clone(),
        program: settings.program.clone(),
        complete_through: zero_time,
        completed: Default::default(),
        tracker: Default::default(),
        positions: BTreeMap::new(),
        savepoint: None,
        savepoint_name: None,
        rate_estimate: None,
        rates: BTreeMap::new(),
        history: Default::default(),
    }
}
