//! [`Builder`]: how a context is set up.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use super::settings::Settings;
use super::{ContextState, Inner, Life, Owner, StreamingContext};
use crate::backpressure::PidSettings;
use crate::clock::Clock;
use crate::dead_letters::DeadLetterOffice;
use crate::dstream::Registry;
use crate::error::{Error, Result};
use crate::rdd::Executor;
use crate::scheduler::ListenerBus;
use crate::source::Ingest;
use crate::uid::OperatorUid;

/// Sets up a [`StreamingContext`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder(pub(super) Settings);

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($field:ident).+: $type:ty) $(= $wrap:path)?;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.0.$($field).+ = $($wrap)?(value);
            self
        }
    )*};
}

impl Builder {
    setters! {
        /// Writes received data ahead, too, so that it outlives the process [true]. Without it, only what
        /// the sources can send again is safe.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .receiver_write_ahead_log(false)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        receiver_write_ahead_log(receiver_log: bool);
        /// Bytes to be kept free on the disks of logs and checkpoints; 0: none [64 MiB]. Below it sources
        /// are held back, so that batches, checkpoints and clean-ups find room; they go on by themselves.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .disk_reserve(256 << 20)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        disk_reserve(reserve: u64);
        /// How many whole checkpoints are kept [2, never less].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .checkpoint_retain(5)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        checkpoint_retain(retain: usize);
        /// How much batch time passes between checkpoints [10 s, at least the batch interval].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .checkpoint_interval(Duration::from_secs(30))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        checkpoint_interval(checkpoint_interval: Duration) = Some;
        /// Bytes at which a log starts a new segment [64 MiB].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .segment_bytes(16 << 20)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        segment_bytes(segment_bytes: u64);
        /// Age at which a log starts a new segment [10 minutes].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .segment_age(Duration::from_secs(60))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        segment_age(segment_age: Duration);
        /// How often what a receiver stored is cut into a block [200 ms, or the batch interval when that
        /// is shorter].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .block_interval(Duration::from_millis(100))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        block_interval(receiver.limits.block_interval: Duration) = Some;
        /// Records a second that each receiver may store [no limit].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .receiver_max_rate(50_000.0)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        receiver_max_rate(receiver.limits.max_rate: f64) = Some;
        /// How long a receiver may be down before the context isn't ready [30 s].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .receiver_unready_after(Duration::from_secs(120))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        receiver_unready_after(receiver.unready_after: Duration);
        /// How many cut blocks of a receiver may wait to be written [10 blocks].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .block_queue(20)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        block_queue(receiver.queue: usize);
        /// Bytes at which a block is full [4 MiB].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .max_block_bytes(1 << 20)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        max_block_bytes(receiver.max_block_bytes: usize);
        /// Bytes of blocks to hold in memory [256 MiB]. Over it, logged blocks are read back from the log
        /// and sources of unlogged ones have to wait.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .receiver_memory_bytes(64 << 20)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        receiver_memory_bytes(receiver.memory_bytes: u64);
        /// Adapts the rate of each input to how fast batches are processed [false], as
        /// `spark.streaming.backpressure.enabled` does. Receivers are held back by their rate, direct
        /// sources by the number of records that a batch may hold, posts by HTTP are answered with 429. A
        /// receiver's `max_rate` stays above it.
        ///
        /// ```
        /// # use std::time::Duration;
        /// use tidemill::{PidSettings, StreamingContext};
        ///
        /// # fn main() -> tidemill::Result<()> {
        /// let context = StreamingContext::builder("paced", Duration::from_secs(1))
        ///     .backpressure(true)
        ///     .backpressure_initial_rate(10_000.0)
        ///     .backpressure_pid(PidSettings { min_rate: 500.0, ..PidSettings::default() })
        ///     .build()?;
        /// # Ok(())
        /// # }
        /// ```
        backpressure(backpressure.enabled: bool);
        /// Records a second and input until back-pressure has estimated a rate [no limit]. The rate that a
        /// checkpoint holds goes first, where Spark starts with this one again; and without back-pressure
        /// it means nothing, where Spark limits receivers by it all the same.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .backpressure_initial_rate(10_000.0)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        backpressure_initial_rate(backpressure.initial_rate: f64) = Some;
        /// How rates are estimated [Spark's factors].
        ///
        /// ```
        /// # use std::time::Duration;
        /// use tidemill::{PidSettings, StreamingContext};
        ///
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .backpressure_pid(PidSettings { min_rate: 500.0, ..PidSettings::default() })
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        backpressure_pid(backpressure.pid: PidSettings);
        /// Records of an input that a batch takes at most [any number]. What waits beyond is for later batches: so a
        /// program that was down doesn't begin with one batch of all that has come meanwhile. Sources that don't
        /// know how many records they read, as files, aren't held to it. Spark has it for Kafka only.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .catch_up_max_records(100_000)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        catch_up_max_records(catch_up.max_records: u64) = Some;
        /// How many times as fast as they come missed batches are made up for at most; above 1 [as fast as they
        /// are processed, a few ahead]. Spark makes up for all at once.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// // An hour is caught up with in seven minutes or more.
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .catch_up_max_speed(10.0)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        catch_up_max_speed(catch_up.max_speed: f64) = Some;
        /// How many records of a batch may become dead letters [10 000]. A batch with more fails: then it isn't
        /// the records that are wrong.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .max_dead_letters(100)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        max_dead_letters(max_dead_letters: u64);
        /// Jobs (output operations) that run at once [one job].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .concurrent_jobs(2)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        concurrent_jobs(concurrent_jobs: usize);
        /// How often a task or a job is tried before its failure is reported [4 times].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .max_failures(8)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        max_failures(max_failures: usize);
        /// Batch intervals after which it is told that a batch takes long, and what it is at, but not before 10 s;
        /// 0: never [10 intervals]. It is told again each time that has doubled.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .overdue_after(60)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        overdue_after(overdue_after: u64);
        /// The wait after a job's first failure, doubled each time [100 ms].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .retry_delay(Duration::from_millis(50))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        retry_delay(retry_delay: Duration);
        /// The longest wait between a job's failures [30 s].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .retry_delay_max(Duration::from_secs(5))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        retry_delay_max(retry_delay_max: Duration);
        /// Threads of the CPU pool [the machine's cores].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .parallelism(2)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        parallelism(parallelism: usize);
        /// Partitions of keyed results [as many as threads].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .default_partitions(8)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        default_partitions(partitions: usize) = Some;
        /// Keeps every dataset at least this long after its batch, for queries beside the stream [as long
        /// as later batches need it].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .remember(Duration::from_secs(60))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        remember(remember: Duration);
        /// Bytes of kept datasets to hold in memory, as far as they are known: what elements point to isn't
        /// counted [no limit]. Over it, those that were used the longest ago are moved to the scratch folder or let
        /// go, as their [`StorageLevel`](crate::rdd::StorageLevel) says.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .cached_memory(256 << 20)
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        cached_memory(cache.budget: u64) = Some;
        /// Bytes that shuffles (`group_by_key`, `reduce_by_key`, joins, ...) may hold in memory, all that there
        /// are at one time together [no limit]. They can't be written to a disk, as keys and values are of any
        /// type; so one that would hold more is worked off in slices of its keys, and what it is made of is
        /// computed again for each: give that a `persist` where it's dear. A batch in which all values of
        /// one key are too much fails, with an error that names its output and says what to do, and the process
        /// lives. Counted are tables, listed values and keys that are text, once a chunk; what other keys and
        /// values point to isn't known. Spark writes shuffles to disks.
        ///
        /// ```
        /// # use tidemill::StreamingContext;
        /// # let second = std::time::Duration::from_secs(1);
        /// let context = StreamingContext::builder("example", second).shuffle_memory(1 << 30).build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        shuffle_memory(shuffle_memory: u64) = Some;
        /// How long a graceful stop may take before it becomes an immediate one [60 s].
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .stop_timeout(Duration::from_secs(10))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        stop_timeout(stop_timeout: Duration);
        /// How much of the stop time-out receivers may take to end and to store what they hold [15 s]. What a
        /// slower one stores later is processed after the next start.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let context = StreamingContext::builder("words", Duration::from_secs(1))
        ///     .stop_receivers(Duration::from_secs(5))
        ///     .build()?;
        /// # Ok::<(), tidemill::Error>(())
        /// ```
        stop_receivers(stop_receivers: Duration);
        /// Of how many completed batches the figures are kept for pages and queries (1,000), as
        /// `spark.streaming.ui.retainedBatches` does. Each checkpoint holds them, as far as they fit in
        /// 64 KiB (a batch takes some twenty bytes), so unlike Spark's they are still there after a
        /// restart.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use tidemill::StreamingContext;
        /// let builder = StreamingContext::builder("a-day", Duration::from_secs(60)).retained_batches(1440);
        /// # let _ = builder;
        /// ```
        retained_batches(retained_batches: usize);
    }

    /// Where checkpoints are kept: `sled:PATH`, `file:PATH`, `memory:NAME`, `s3://BUCKET/PREFIX`, ...
    /// Without one nothing outlives the process, and streams with state are refused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .checkpoint("sled:data/words/checkpoint")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn checkpoint(mut self, url: impl Into<String>) -> Self {
        self.0.checkpoint = Some(url.into());
        self
    }

    /// Where the logs are kept: `file:PATH` or `memory:NAME` [beside the checkpoint].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .checkpoint("s3://bucket/words/checkpoint")
    ///     .write_ahead_log("file:data/words/wal")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn write_ahead_log(mut self, url: impl Into<String>) -> Self {
        self.0.wal = Some(url.into());
        self
    }

    /// Where [dead letters](crate::dead_letters) go: a folder on the local disk, plain or as `file:PATH`, or a
    /// place in an object store such as `s3://BUCKET/PREFIX`. Each batch that has any writes the folder
    /// `letters-TIME_MS.jsonl` there, all at once, as [`TextFiles`](crate::sink::TextFiles) does.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .dead_letters("data/words/dead_letters")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn dead_letters(mut self, url: impl Into<String>) -> Self {
        self.0.dead_letters = Some(url.into());
        self
    }

    /// The folder below which kept datasets that don't lie in memory are, until the process ends [the system's folder
    /// for temporary files]. What processes that died have left there is removed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .scratch("data/words/scratch")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.cache.scratch = Some(folder.into());
        self
    }

    /// A second such folder, on another disk if there is one, for the levels that keep two copies.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .scratch("data/words/scratch")
    ///     .scratch_replica("other-disk/scratch")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn scratch_replica(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.cache.replica = Some(folder.into());
        self
    }

    /// Bytes of memory that all states, those of windows among them, may take, shared evenly among states and
    /// their partitions [no limit]. What is beyond it lies in a scratch folder on the disk, made anew at each
    /// start from the checkpoint. What a batch changes, and what changed since the last checkpoint, is held in
    /// memory beside it, as are eight bytes for each key of a state with a time-out.
    ///
    /// Of a window that combines, the partial results of closed panes go to the disk, where they are read once
    /// or twice before they leave. Its keys with their values, all of which it yields at each slide, and the
    /// newest pane stay in memory even where they are more than its share.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1)).state_memory(1 << 30);
    /// # let _ = builder;
    /// ```
    pub fn state_memory(mut self, bytes: u64) -> Self {
        self.0.state_memory = Some(bytes);
        self
    }

    /// A folder for states that have no room in memory, see [`Builder::state_memory`] [`scratch` beside the
    /// checkpoint or the logs where these are on this machine, or a temporary folder].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .state_memory(1 << 30)
    ///     .state_scratch("data/words/states")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn state_scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.0.state_scratch = Some(folder.into());
        self
    }

    /// Where time comes from [the machine].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::Time;
    /// use tidemill::clock::ManualClock;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .clock(ManualClock::new(Time::from_millis(1000)))
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.0.clock = Some(Arc::new(clock));
        self
    }

    /// The text of the program, kept in checkpoints for people: a pipeline file.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .program_text("words, counted")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn program_text(mut self, text: impl Into<String>) -> Self {
        self.0.program = Some(text.into());
        self
    }

    /// Where the admin server answers, told to whoever is refused the checkpoint location.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .admin_address("http://127.0.0.1:7878")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn admin_address(mut self, address: impl Into<String>) -> Self {
        self.0.admin = Some(address.into());
        self
    }

    /// Says that what checkpoints call `old` is `new` in this program: state, received data and positions
    /// follow. It may stay for ever, since it changes nothing once a checkpoint knows the new name. Nothing
    /// of the kind is in Spark.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1))
    ///     .rename_operator("lines.flat_map.count_by_value.update_state_by_key", "totals");
    /// ```
    pub fn rename_operator(mut self, old: impl AsRef<str>, new: impl AsRef<str>) -> Self {
        let (old, new) = (OperatorUid::new(old), OperatorUid::new(new));
        self.0.permits.renames.insert(old, new);
        self
    }

    /// Gives up the state that a checkpoint holds under `uid`, where the program has no place for it: without
    /// this such a start is refused. State that the program can go on with is kept all the same.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1)).drop_state("visits");
    /// ```
    pub fn drop_state(mut self, uid: impl AsRef<str>) -> Self {
        self.0.permits.drops.insert(OperatorUid::new(uid));
        self
    }

    /// Goes back to a savepoint, instead of on from the newest checkpoint: state, positions of direct sources
    /// and data that waited are as when it was cut. Batch times go on from now, and what had been
    /// acknowledged after it and was in no complete batch is processed; `docs/upgrades.md` says it exactly.
    ///
    /// Once begun, a restart with the same name goes on and not back again. To go back once more, start once
    /// without it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// let builder = StreamingContext::builder("totals", Duration::from_secs(1)).from_savepoint("before-v2");
    /// ```
    pub fn from_savepoint(mut self, name: impl Into<String>) -> Self {
        self.0.savepoint = Some(name.into());
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// When a setting makes no sense, or the CPU pool can't be had.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.name(), "words");
    /// // Without a batch interval there are no batches.
    /// assert!(StreamingContext::builder("words", Duration::ZERO).build().is_err());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn build(self) -> Result<StreamingContext> {
        let settings = self.0;
        let refuse = |what: &str| Err(Error::Setting(what.to_owned()));
        if settings.batch_interval < Duration::from_millis(1)
            || !settings
                .batch_interval
                .subsec_nanos()
                .is_multiple_of(1_000_000)
        {
            return refuse("the batch interval must be a positive whole number of milliseconds");
        }
        if settings.name.is_empty() {
            return refuse(
                "the application needs a name: checkpoints and outputs are told apart by it",
            );
        }
        if settings.receiver.limits.max_rate.is_some_and(is_no_rate) {
            return refuse("receiver_max_rate must be a positive number of records a second");
        }
        let mistake = settings.backpressure.mistake();
        if let Some(mistake) = mistake.or_else(|| settings.catch_up.mistake()) {
            return refuse(&mistake);
        }
        let executor = Executor::new(settings.parallelism, settings.max_failures)
            .map_err(|error| Error::Setting(format!("no CPU pool can be had: {error}")))?;
        let dead_letters = DeadLetterOffice::at(settings.dead_letters.as_deref())
            .map_err(|error| Error::Setting(format!("dead letters: {error}")))?;
        executor.cache().configure(settings.cache.clone());
        if let Some(bytes) = settings.shuffle_memory {
            executor.shuffles().limit(bytes);
        }
        let registry = Registry::new(
            settings.name.clone(),
            settings.batch_interval,
            executor,
            settings.partitions.unwrap_or(settings.parallelism),
            dead_letters,
        );
        registry.effects.allow(settings.max_dead_letters);
        Ok(StreamingContext(Arc::new(Owner::new(Inner {
            settings: Mutex::new(settings),
            registry: Arc::new(registry),
            inputs: Mutex::default(),
            ingest: Ingest::default(),
            intake: Arc::default(),
            bus: ListenerBus::default(),
            progress: Arc::default(),
            steps: super::steps::Steps::default(),
            runtime: OnceLock::new(),
            life: Mutex::new(Life {
                state: ContextState::Initialized,
                started: None,
                running: None,
                engine: None,
                batch_error: None,
                fatal: None,
                is_broken: false,
                is_fenced: false,
            }),
            changed: Condvar::new(),
        }))))
    }
}

/// Whether a number can't be a rate.
pub(super) fn is_no_rate(rate: f64) -> bool {
    !(rate > 0.0 && rate.is_finite())
}
