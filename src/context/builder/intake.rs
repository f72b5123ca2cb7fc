//! How much comes in: blocks, rates, back-pressure, catching up.

use std::time::Duration;

use super::Builder;
use crate::backpressure::PidSettings;

impl Builder {
    setters! {
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
    }
}
