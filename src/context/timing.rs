//! How the stream keeps time: how far behind it is, and how far from the wall clock.

use super::StreamingContext;
use crate::scheduler::CatchUp;

impl StreamingContext {
    /// How far it is behind after it was down, suspended, or slower than what came in; `None` while it keeps up.
    /// (Spark tells only how many batches wait.)
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// match context.catch_up() {
    ///     // "catching up, 57 batches to go, about 42 s left"
    ///     Some(behind) => println!("{behind}"),
    ///     None => println!("up to date"),
    /// }
    /// # assert!(context.catch_up().is_none());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn catch_up(&self) -> Option<CatchUp> {
        let behind = {
            let life = self.life();
            life.running.as_ref()?.generator.catch_up()?
        };
        let records = self.lags().into_iter().filter_map(|lag| lag.records).sum();
        Some(behind.with_records(records))
    }

    /// By how many milliseconds the machine's wall clock is ahead of the stream's time, behind it where negative.
    /// `None` while it isn't active, and with a clock of one's own. The stream's time doesn't follow a wall clock
    /// that is set; the next start takes the new time over, though never a time before the last batch.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.wall_clock_offset_ms().is_some());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn wall_clock_offset_ms(&self) -> Option<i64> {
        self.engine()?.clock.wall_offset_ms()
    }
}
