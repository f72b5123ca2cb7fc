//! The running engine: ties intake, scheduling, state and checkpoints together.
//!
//! Invariant: a checkpoint is cut only at a boundary, when no batch is in the middle of taking effect, so
//! what it says of batches, blocks and state is of one moment.

mod batches;
mod checkpoint_status;
mod checkpointer;
mod cleanup;
mod direct_input;
mod effects;
mod ownership;
mod rehearse;
mod savepoint;
mod space;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

pub use checkpoint_status::{CheckpointInfo, CheckpointStatus};
pub use rehearse::{RehearsedBatch, RehearsedOutput};
pub use space::{DiskSpace, SpaceStatus};

pub(crate) use checkpointer::Checkpointer;
pub(crate) use direct_input::DirectInput;
pub(crate) use ownership::LastProof;
pub(crate) use savepoint::{SavedBlocks, saved_blocks};
pub(crate) use space::{Place, Reserve, SpaceWatch, room_to_start};

use tidemill_storage::FileLock;

use crate::backpressure::Backpressure;
use crate::block::Intake;
use crate::clock::Clock;
use crate::dstream::Registry;
use crate::error::Error;
use crate::graph::GraphDescriptor;
use crate::scheduler::{JobScheduler, ListenerBus, Progress};
use crate::time::Time;
use crate::uid::OperatorUid;

/// What doesn't change while the engine runs and goes into each checkpoint.
pub(crate) struct Identity {
    pub(crate) application: String,
    pub(crate) batch_interval: Duration,
    pub(crate) zero_time: Time,
    pub(crate) hash_seed: u64,
    pub(crate) graph: GraphDescriptor,
    /// The savepoint that this life began from, while the program still names it.
    pub(crate) savepoint: Option<u64>,
    /// What the program calls it.
    pub(crate) savepoint_name: Option<String>,
}

/// The engine of a started context.
pub(crate) struct Engine {
    pub(crate) identity: Identity,
    /// The program's text, for people; it changes with its settings.
    pub(crate) program: Mutex<Option<String>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) direct: Vec<DirectInput>,
    /// The inputs that take records in as they come.
    pub(crate) receivers: Vec<OperatorUid>,
    pub(crate) backpressure: Backpressure,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) last_proof: LastProof,
    /// Held for as long as the engine may write to its logs.
    pub(crate) _log_lock: Option<FileLock>,
    pub(crate) space: SpaceWatch,
    /// Weak: the scheduler holds the engine.
    pub(crate) scheduler: OnceLock<Weak<JobScheduler>>,
    /// Where is told what happens.
    pub(crate) bus: ListenerBus,
    /// What people see of batches.
    pub(crate) progress: Arc<Progress>,
    /// How long after its batch data may still be read.
    pub(crate) memory: Duration,
    /// Held while a batch takes effect and while a checkpoint is cut.
    pub(crate) boundary: Mutex<Boundary>,
    /// Errors for whoever waits for the end.
    pub(crate) troubles: Troubles,
}

/// What has taken effect.
#[derive(Debug, Default)]
pub(crate) struct Boundary {
    /// Every batch up to this one is complete.
    pub(crate) complete_through: Time,
    /// Complete batches that are still allocated.
    pub(crate) completed: BTreeSet<Time>,
    /// Blocks of complete batches up to this one are out of memory.
    pub(crate) released_through: Time,
    /// A batch's changes are in some states and not in all: what is cut now would hold half a batch.
    pub(crate) is_taking_effect: bool,
}

impl Boundary {
    /// Notes a complete batch; `allocated` are all that are allocated.
    fn complete(&mut self, time: Time, allocated: &[Time]) {
        self.completed.insert(time);
        for time in allocated {
            if *time > self.complete_through {
                if !self.completed.contains(time) {
                    return;
                }
                self.complete_through = *time;
            }
        }
    }
}

/// Called when something failed.
pub(crate) type OnTrouble = Arc<dyn Fn(Trouble) + Send + Sync>;

/// Something that whoever waits for the end must know.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A batch failed as often as it may.
    Batch(Error),
    /// The engine can't go on.
    Fatal(Error),
}

/// Passes troubles on.
#[derive(Clone)]
pub(crate) struct Troubles(pub(crate) OnTrouble);

impl Troubles {
    pub(crate) fn fatal(&self, error: Error) {
        tracing::error!(%error, "the engine can't go on");
        (self.0)(Trouble::Fatal(error));
    }
}

impl Engine {
    pub(crate) fn boundary(&self) -> MutexGuard<'_, Boundary> {
        self.boundary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn scheduler(&self) -> Option<Arc<JobScheduler>> {
        self.scheduler.get().and_then(Weak::upgrade)
    }
}
