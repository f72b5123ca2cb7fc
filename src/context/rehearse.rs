//! Rehearsals: the next batches, run on a fork of a checkpoint, to see how a changed program does.
//!
//! The fork is a location of its own, in a folder that goes with the process: an empty checkpoint store, empty
//! logs, and copies of the blocks that the batches need. State is read where it is. Of the original nothing is
//! written, locked or claimed; no output is called, no receiver starts, and no direct source is told that what it
//! gave isn't needed any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tidemill_checkpoint::{CheckpointStore, Holder, Location, StoreOptions};
use tidemill_storage::LocalDisk;
use tidemill_wal::LogReader;

use super::assemble::Parts;
use super::examine::{Examined, Which};
use super::locations::{BLOCK_LOG_DIR, BLOCK_LOG_KIND, DRIVER_LOG_DIR, DRIVER_LOG_KIND, Locations};
use super::settings::Settings;
use super::start::{catchup, first_time};
use super::{ContextState, StreamingContext, rewind};
use crate::block::{Block, BlockInfo, BlockStore, block_in};
use crate::clock::wall_clock;
use crate::dstream::Shown;
use crate::engine::{Engine, Place, RehearsedBatch, Reserve, room_to_start, saved_blocks};
use crate::error::{Error, Result};
use crate::graph::{GraphDescriptor, longest_echo, longest_memory, resolve_remember, validate};
use crate::recovery::{Metadata, UpgradePlan};
use crate::scheduler::{GenerateBatch, tick_to_run};
use crate::time::Time;
use crate::uid::OperatorUid;

/// Bytes to be copied of which people are told first.
const LARGE: u64 = 256 << 20;

/// The folder of a fork, below the process's own.
const FOLDER: &str = "rehearsal";

/// How a [rehearsal](StreamingContext::rehearse) went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// What a restart would do with the checkpoint.
    pub plan: UpgradePlan,
    /// Bytes of received data that were copied for the batches, and are gone again.
    pub copied_bytes: u64,
    /// The batches that were run, up to the first that failed; none when the restart would be refused.
    pub batches: Vec<RehearsedBatch>,
}

impl Rehearsal {
    /// Whether the restart would be made, and every batch went well.
    ///
    /// ```
    /// # fn show(rehearsal: &tidemill::Rehearsal) {
    /// match rehearsal.succeeded() {
    ///     true => println!("{} batches went well", rehearsal.batches.len()),
    ///     false => println!("{:?}", rehearsal.batches.last()),
    /// }
    /// # }
    /// ```
    pub fn succeeded(&self) -> bool {
        self.plan.is_possible() && self.batches.iter().all(RehearsedBatch::succeeded)
    }
}

impl StreamingContext {
    /// Runs the next `batches` batches on a fork of the newest checkpoint, committing nothing: those that it
    /// holds unfinished, then new ones at once. Outputs aren't called; what each would have been given is
    /// computed and counted. Receivers don't start, so new batches hold what waits there, and what direct
    /// sources plan. See `docs/upgrades.md`.
    ///
    /// Looks only: nothing of the location, its logs and the program's outputs is written, and a driver may be live
    /// meanwhile. Closures of operators do run, so what they do to the world they do. The context is
    /// used up by it: it can't be started. Nothing of the kind is in Spark.
    ///
    /// # Errors
    /// When the program is wrong by itself, there is no checkpoint, it or a log can't be read, or there is no
    /// room for the fork. A batch that fails is in the result.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # fn program() -> tidemill::Result<StreamingContext> {
    /// #     let context = StreamingContext::builder("totals", Duration::from_secs(1))
    /// #         .checkpoint("memory:doc-rehearse").disk_reserve(0).build()?;
    /// #     let (words, _queue) = context.queue_stream::<str>();
    /// #     words.count_by_value().print();
    /// #     Ok(context)
    /// # }
    /// # fn main() -> tidemill::Result<()> {
    /// # let context = program()?;
    /// # context.start()?;
    /// # context.stop(true)?;
    /// let rehearsal = program()?.rehearse(2)?;
    /// assert!(rehearsal.succeeded());
    /// assert_eq!(rehearsal.batches.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rehearse(&self, batches: usize) -> Result<Rehearsal> {
        let settings = self.settings().clone();
        let savepoint = settings.savepoint.as_deref();
        self.rehearse_on(None, savepoint, batches)?.ok_or_else(|| {
            let place = settings.checkpoint.as_deref().unwrap_or("nowhere");
            Error::Setting(format!(
                "there is no checkpoint to rehearse with at {place}: a start would begin with nothing"
            ))
        })
    }

    /// As [`StreamingContext::rehearse`], on the checkpoint of another location or a savepoint. `None` when there
    /// is none.
    pub(crate) fn rehearse_on(
        &self,
        against: Option<&Location>,
        savepoint: Option<&str>,
        batches: usize,
    ) -> Result<Option<Rehearsal>> {
        let settings =
            self.only_to_look("a context that has been started can't rehearse; make a new one")?;
        let Some(examined) = self.examined(against, Which::named(savepoint))? else {
            return Ok(None);
        };
        let mut rehearsal = Rehearsal {
            plan: examined.plan.clone(),
            copied_bytes: 0,
            batches: Vec::new(),
        };
        if rehearsal.plan.is_possible() {
            let work = |engine: &Engine, unfinished: &[Time]| run(engine, unfinished, batches);
            (rehearsal.batches, rehearsal.copied_bytes) =
                self.run_on_fork(&settings, examined, work)?;
        }
        Ok(Some(rehearsal))
    }

    /// Makes a context that hasn't been started one that never will be, for batches on a fork; `started` is the
    /// refusal of any other.
    pub(super) fn only_to_look(&self, started: &'static str) -> Result<Settings> {
        {
            let mut life = self.life();
            if life.state != ContextState::Initialized {
                return Err(Error::WrongState(started));
            }
            life.state = ContextState::Stopped;
        }
        let settings = self.settings().clone();
        let registry = &self.0.registry;
        registry.seal();
        validate(registry, settings.checkpoint.is_some())?;
        resolve_remember(registry, settings.remember);
        registry.dead_letters.hold_back();
        Ok(settings)
    }

    /// Does work with an engine on a fork of what was examined; it is given the unfinished batches. Returns, too, how
    /// many bytes of received data were copied for it.
    pub(super) fn run_on_fork<R>(
        &self,
        settings: &Settings,
        examined: Examined,
        work: impl FnOnce(&Engine, &[Time]) -> R,
    ) -> Result<(R, u64)> {
        let Examined {
            locations: original,
            reader,
            manifest,
            mut metadata,
            is_rewound,
            clock,
            ..
        } = examined;
        let saved = saved_blocks(&manifest, &|reference: &_| reader.read_chunk(reference));
        let saved = saved.map_err(|reason| Error::Unreadable {
            place: format!("the blocks of the savepoint at {}", original.checkpoint),
            reason,
        })?;
        self.forget_what_isnt_read(&mut metadata);
        let logged = metadata.tracker.blocks().map(|(_, block)| block);
        let copied_bytes: u64 = logged
            .filter(|block| block.position.is_some())
            .map(|block| block.bytes)
            .sum();

        let scratch = &self.0.registry.executor.cache();
        let no_folder = |error| Error::System {
            what: "make a folder for the rehearsal",
            error,
        };
        let folder = scratch.folder().map_err(no_folder)?.join(FOLDER);
        let place = Place {
            name: "the rehearsal's copies",
            folder: folder.clone(),
            disk: Arc::new(LocalDisk),
        };
        let reserve = Reserve(settings.reserve);
        room_to_start(std::slice::from_ref(&place), reserve)?;
        place.has_room(copied_bytes.saturating_add(settings.reserve))?;
        if copied_bytes >= LARGE {
            tracing::warn!(
                bytes = copied_bytes,
                folder = %folder.display(),
                "received data is copied for the rehearsal"
            );
        }
        let fork = Locations::in_folder(&folder);
        let holder = Holder::current(&settings.name, wall_clock().as_millis());
        let store = CheckpointStore::open(&fork.checkpoint, StoreOptions::new(holder))?;
        let epoch = store.epoch().0;
        let open = |name, kind| fork.open_log(settings, name, kind, epoch, 0);
        let (driver_log, _) = open(DRIVER_LOG_DIR, DRIVER_LOG_KIND)?;
        let (block_log, _) = open(BLOCK_LOG_DIR, BLOCK_LOG_KIND)?;
        let blocks = BlockStore::new(Some(block_log), settings.receiver.memory_bytes);
        let mut saved = rewind::from_savepoint(saved);
        let log = original.read_log(BLOCK_LOG_DIR)?;
        let find = |uid: &OperatorUid, info: &BlockInfo| match saved(uid, info)? {
            Some(block) => Ok(Some(block)),
            None => logged_block(log.as_ref(), uid, info, is_rewound),
        };
        rewind::take_back(&mut metadata, find, &blocks)?;
        let unfinished = metadata.unfinished();
        // What the fork becomes is of no use to anybody.
        let settings = Settings {
            checkpoint_interval: Some(Duration::MAX),
            ..settings.clone()
        };
        let engine = self.assemble(Parts {
            settings: &settings,
            locations: &fork,
            metadata,
            is_new: false,
            savepoint: None,
            skipped: Vec::new(),
            clock,
            store,
            driver_log,
            blocks,
            log_lock: None,
        })?;
        // Nobody frees the disk for it.
        engine.intake.gate.wait_no_longer_than(Instant::now());
        let done = work(&engine, &unfinished);
        let closed = engine.close_logs();
        drop(engine);
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "what was copied is removed later");
        }
        closed.map(|()| (done, copied_bytes))
    }

    /// Lets go of complete batches that no window of the program looks back on, as a clean-up would.
    fn forget_what_isnt_read(&self, metadata: &mut Metadata) {
        let registry = &self.0.registry;
        let echo = longest_echo(registry);
        let looks_back = echo > Duration::ZERO || GraphDescriptor::of(registry).reads_the_past();
        let memory = match looks_back {
            true => longest_memory(registry).max(echo),
            false => Duration::ZERO,
        };
        let unfinished = metadata.unfinished();
        let through = metadata.complete_through;
        let allocated = &mut metadata.tracker.allocated;
        allocated.retain(|time, _| unfinished.contains(time) || time.plus(memory) > through);
    }
}

/// A block, from the original's log. What was in memory only is nowhere to be had; nor, for a program that
/// looks back further than that of the savepoint did, is what has been cleaned up since.
fn logged_block(
    log: Option<&(LogReader, String)>,
    uid: &OperatorUid,
    info: &BlockInfo,
    is_rewound: bool,
) -> Result<Option<Block>> {
    let (Some((log, place)), Some(position)) = (log, info.position) else {
        return Ok(None);
    };
    let entry = match log.read(position) {
        Err(tidemill_wal::Error::NotKept { .. }) if is_rewound => return Ok(None),
        read => read.map_err(|error| Error::Log {
            log: format!("{place} (a live driver may have cleaned up meanwhile: try again)"),
            error: Box::new(error),
        })?,
    };
    let block = block_in(entry, uid, info).map_err(|error| Error::Unreadable {
        place: place.clone(),
        reason: error.to_string(),
    })?;
    Ok(Some(block))
}

/// Runs so many batches, as long as all goes well.
fn run(engine: &Engine, unfinished: &[Time], batches: usize) -> Vec<RehearsedBatch> {
    let mut ran: Vec<RehearsedBatch> = Vec::new();
    let (interval, catchup) = (engine.identity.batch_interval, catchup(engine));
    let mut next = first_time(engine, false);
    while ran.len() < batches && ran.iter().all(RehearsedBatch::succeeded) {
        ran.push(match unfinished.get(ran.len()) {
            Some(time) => engine.rehearse_unfinished(*time, Shown::FEW),
            None => {
                // One whose time is to come isn't waited for.
                let now = engine.clock.now().max(next);
                let filled = engine.last_filled();
                let time = tick_to_run(catchup, next, now, filled, interval).unwrap_or(next);
                next = time.plus(interval);
                engine.rehearse_next(time)
            }
        });
    }
    ran
}
