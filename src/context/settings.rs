//! [`Settings`]: all that can be set on a context, with defaults.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidemill_storage::Location;

use crate::backpressure::BackpressureSettings;
use crate::clock::Clock;
use crate::rdd::CacheOptions;
use crate::receiver::ReceiverLimits;
use crate::recovery::Permits;
use crate::scheduler::{CatchUpSettings, RETAINED_BATCHES, Retries};

/// No batch takes long before this, however short the interval is.
const SOONEST_OVERDUE: Duration = Duration::from_secs(10);

/// A context's settings. Durations and sizes as their types say; defaults in brackets.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) batch_interval: Duration,
    /// Where checkpoints are kept; without one, nothing outlives the process.
    pub(crate) checkpoint: Option<String>,
    pub(crate) checkpoint_interval: Option<Duration>,
    pub(crate) retain: usize,
    /// Where the logs are kept [beside the checkpoint].
    pub(crate) wal: Option<String>,
    pub(crate) receiver_log: bool,
    /// Bytes to be kept free on the disks of logs and checkpoints.
    pub(crate) reserve: u64,
    /// Bytes of memory that states may take [no limit].
    pub(crate) state_memory: Option<u64>,
    /// Where states lie that have no room in memory [beside the checkpoint].
    pub(crate) state_scratch: Option<PathBuf>,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_age: Duration,
    pub(crate) receiver: ReceiverSettings,
    pub(crate) backpressure: BackpressureSettings,
    pub(crate) catch_up: CatchUpSettings,
    /// Where dead letters go.
    pub(crate) dead_letters: Option<String>,
    /// How many records of a batch may become dead letters.
    pub(crate) max_dead_letters: u64,
    pub(crate) concurrent_jobs: usize,
    pub(crate) max_failures: usize,
    /// Batch intervals after which a batch takes long [10].
    pub(crate) overdue_after: u64,
    pub(crate) retry_delay: Duration,
    pub(crate) retry_delay_max: Duration,
    pub(crate) parallelism: usize,
    pub(crate) partitions: Option<usize>,
    pub(crate) remember: Duration,
    pub(crate) cache: CacheOptions,
    pub(crate) shuffle_memory: Option<u64>,
    pub(crate) stop_timeout: Duration,
    /// How much of it receivers may take [15 s].
    pub(crate) stop_receivers: Duration,
    /// Completed batches of which figures are kept.
    pub(crate) retained_batches: usize,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) program: Option<String>,
    pub(crate) admin: Option<String>,
    /// What may happen to a checkpoint of another program.
    pub(crate) permits: Permits,
    /// The savepoint to go back to.
    pub(crate) savepoint: Option<String>,
}

/// How receivers' data is cut into blocks.
#[derive(Debug, Clone)]
pub(crate) struct ReceiverSettings {
    pub(crate) limits: ReceiverLimits,
    pub(crate) queue: usize,
    pub(crate) max_block_bytes: usize,
    pub(crate) memory_bytes: u64,
    /// How long one may be down before the context isn't ready [30 s].
    pub(crate) unready_after: Duration,
}

/// Where what receivers take in is written ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiverLog {
    Nowhere,
    Memory,
    Disk,
    Store,
}

impl Settings {
    pub(crate) fn new(name: String, batch_interval: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            name,
            batch_interval,
            checkpoint: None,
            checkpoint_interval: None,
            retain: 2,
            wal: None,
            receiver_log: true,
            reserve: 64 << 20,
            state_memory: None,
            state_scratch: None,
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(600),
            receiver: ReceiverSettings {
                limits: ReceiverLimits::default(),
                queue: 10,
                max_block_bytes: 4 << 20,
                memory_bytes: 256 << 20,
                unready_after: Duration::from_secs(30),
            },
            backpressure: BackpressureSettings::default(),
            catch_up: CatchUpSettings::default(),
            dead_letters: None,
            max_dead_letters: 10_000,
            concurrent_jobs: 1,
            max_failures: 4,
            overdue_after: 10,
            retry_delay: Duration::from_millis(100),
            retry_delay_max: Duration::from_secs(30),
            parallelism: cores,
            partitions: None,
            remember: Duration::ZERO,
            cache: CacheOptions::default(),
            shuffle_memory: None,
            stop_timeout: Duration::from_secs(60),
            stop_receivers: Duration::from_secs(15),
            retained_batches: RETAINED_BATCHES,
            clock: None,
            program: None,
            admin: None,
            permits: Permits::default(),
            savepoint: None,
        }
    }

    /// How often blocks are cut: 200 ms, or the batch interval when that is shorter.
    pub(crate) fn block_interval(&self, limits: &ReceiverLimits) -> Duration {
        let usual = Duration::from_millis(200).min(self.batch_interval);
        limits
            .block_interval
            .or(self.receiver.limits.block_interval)
            .unwrap_or(usual)
    }

    /// How long a batch may take until that is told: so many intervals, a few seconds at least; `None`: for ever.
    pub(crate) fn overdue_after(&self) -> Option<Duration> {
        let intervals = u32::try_from(self.overdue_after).unwrap_or(u32::MAX);
        let long = self.batch_interval.saturating_mul(intervals);
        (intervals > 0).then(|| long.max(SOONEST_OVERDUE))
    }

    /// How often, and when, failed batches are tried again.
    pub(crate) fn retries(&self) -> Retries {
        Retries {
            max_failures: self.max_failures as u64,
            delay: self.retry_delay,
            delay_max: self.retry_delay_max,
        }
    }

    /// Milliseconds of batch time between checkpoints: 10 s, or the batch interval when that is longer.
    pub(crate) fn checkpoint_interval(&self) -> Duration {
        self.checkpoint_interval
            .unwrap_or(Duration::from_secs(10))
            .max(self.batch_interval)
    }

    /// Where what receivers take in is written ahead.
    pub(crate) fn receiver_log(&self) -> ReceiverLog {
        let place = match (self.receiver_log, &self.checkpoint) {
            (true, Some(checkpoint)) => self.wal.as_ref().unwrap_or(checkpoint),
            _ => return ReceiverLog::Nowhere,
        };
        match place.parse() {
            Ok(Location::Memory(_)) => ReceiverLog::Memory,
            Ok(Location::File(_) | Location::Sled(_)) => ReceiverLog::Disk,
            Ok(_) => ReceiverLog::Store,
            Err(_) => ReceiverLog::Nowhere,
        }
    }
}
