//! An engine, put together of what has been recovered.

use std::sync::{Arc, Mutex, OnceLock};

use tidemill_checkpoint::CheckpointStore;
use tidemill_storage::FileLock;
use tidemill_wal::Wal;

use super::StreamingContext;
use super::inputs::ReceiverInput;
use super::locations::Locations;
use super::settings::Settings;
use crate::backpressure::Backpressure;
use crate::block::{BlockStore, Gate, Intake, Tracker};
use crate::clock::Clock;
use crate::dstream::AnyNode;
use crate::engine::{
    Boundary, Checkpointer, DirectInput, Engine, Identity, LastProof, Reserve, SpaceWatch, Troubles,
};
use crate::error::{Error, Result};
use crate::graph::{GraphDescriptor, longest_echo, longest_memory};
use crate::recovery::Metadata;
use crate::time::Time;
use crate::uid::OperatorUid;

/// What an engine is made of, besides the program.
pub(super) struct Parts<'a> {
    pub(super) settings: &'a Settings,
    pub(super) locations: &'a Locations,
    /// What it goes on from, with all that the driver's log says since.
    pub(super) metadata: Metadata,
    /// Whether nothing was there to go on from.
    pub(super) is_new: bool,
    /// The savepoint that this life began from.
    pub(super) savepoint: Option<u64>,
    /// Checkpoints that were damaged.
    pub(super) skipped: Vec<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) store: CheckpointStore,
    pub(super) driver_log: Wal,
    pub(super) blocks: BlockStore,
    pub(super) log_lock: Option<FileLock>,
}

impl StreamingContext {
    /// Tells direct sources where they are, and makes the engine. States have been attached.
    pub(super) fn assemble(&self, parts: Parts<'_>) -> Result<Engine> {
        let Parts {
            settings,
            locations,
            metadata,
            clock,
            ..
        } = parts;
        let registry = &self.0.registry;
        let direct = std::mem::take(&mut self.inputs().direct);
        direct
            .iter()
            .try_for_each(|input| place(input, &metadata))?;
        let receivers: Vec<OperatorUid> = self.inputs().receivers.iter().map(uid_of).collect();
        let inputs = direct.iter().map(|input| input.node.core().uid());
        let backpressure = Backpressure::new(
            &settings.backpressure,
            settings.batch_interval,
            inputs.chain(receivers.iter().cloned()),
            &metadata.rates,
        );
        backpressure.limit_batches(settings.catch_up.max_records);
        let gate = Arc::new(Gate::new(Arc::clone(&clock)));
        let watching = (Arc::clone(&gate), Arc::clone(&clock));
        let reserve = Reserve(settings.reserve);
        let space = SpaceWatch::new(locations.places(), reserve, watching.0, watching.1);
        let intake = Arc::new(Intake {
            gate,
            tracker: Tracker::new(parts.driver_log, metadata.tracker.clone()),
            store: Arc::new(parts.blocks),
        });
        let _ = self.0.intake.set(Arc::clone(&intake));
        let interval = settings.checkpoint_interval();
        let checkpointer =
            Checkpointer::new(parts.store, &locations.checkpoint, interval, parts.skipped);
        self.0.progress.recall(metadata.history.into_batches());
        let inner = Arc::downgrade(&self.0.inner);
        let on_trouble = move |trouble| {
            if let Some(inner) = inner.upgrade() {
                inner.trouble(trouble);
            }
        };
        Ok(Engine {
            program: Mutex::new(settings.program.clone()),
            identity: Identity {
                application: settings.name.clone(),
                batch_interval: settings.batch_interval,
                zero_time: metadata.zero_time,
                hash_seed: metadata.hash_seed,
                graph: GraphDescriptor::of(registry),
                savepoint: parts.savepoint,
                savepoint_name: settings.savepoint.clone(),
            },
            memory: match parts.is_new || registry.nodes().iter().all(has_begun) {
                true => longest_memory(registry),
                // Should no checkpoint of this run be good, the next makes the windows of the same batches.
                false => longest_memory(registry).max(longest_echo(registry)),
            },
            registry: Arc::clone(registry),
            clock,
            intake,
            direct,
            receivers,
            backpressure,
            checkpointer,
            last_proof: LastProof::default(),
            _log_lock: parts.log_lock,
            space,
            scheduler: OnceLock::new(),
            bus: self.0.bus.clone(),
            progress: Arc::clone(&self.0.progress),
            boundary: Mutex::new(Boundary {
                complete_through: metadata.complete_through,
                completed: metadata.completed,
                released_through: Time::default(),
                is_taking_effect: false,
            }),
            troubles: Troubles(Arc::new(on_trouble)),
        })
    }
}

/// Tells a direct source its position, and of the plans made since.
pub(super) fn place(input: &DirectInput, metadata: &Metadata) -> Result<()> {
    let uid = input.node.core().uid();
    let unreadable = |error: crate::rdd::BoxError| Error::Unreadable {
        place: format!("the position of `{uid}`"),
        reason: error.to_string(),
    };
    match metadata.positions.get(&uid) {
        Some(position) => input.source.restore(position).map_err(unreadable)?,
        None => input.source.first_start().map_err(unreadable)?,
    }
    for allocation in metadata.tracker.allocated.values() {
        if let Some(plan) = allocation.plans.get(&uid) {
            input.source.accept(plan).map_err(unreadable)?;
        }
    }
    Ok(())
}

fn uid_of(receiver: &ReceiverInput) -> OperatorUid {
    receiver.node.core().uid()
}

/// Whether an operator's state, if it has one, was in the checkpoint.
fn has_begun(node: &Arc<dyn AnyNode>) -> bool {
    let state = node.core().state.as_ref();
    state.is_none_or(|state| state.has_begun())
}
