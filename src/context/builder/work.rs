//! How batches are worked on: jobs, tries, tasks, memory, the end.

use std::time::Duration;

use super::Builder;

impl Builder {
    setters! {
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
}
