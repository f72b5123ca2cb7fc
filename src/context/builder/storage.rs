//! Where things are kept, in what pieces and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::Builder;

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
}
