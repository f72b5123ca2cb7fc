//! How the stream keeps time: how far behind it is, and how far from the wall clock.

use std::sync::Arc;
use std::time::Duration;

use super::StreamingContext;
use super::settings::Settings;
use crate::clock::{Clock, SystemClock, wall_clock};
use crate::scheduler::CatchUp;
use crate::time::Time;

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

/// The clock given, or the machine's; one that goes on from the last batch when the machine's is far
/// behind it. `last` is that of the newest checkpoint with the log behind it.
pub(super) fn clock_for(settings: &Settings, last: Time) -> Arc<dyn Clock> {
    if let Some(clock) = &settings.clock {
        return Arc::clone(clock);
    }
    let now = wall_clock();
    // A graceful stop cuts its last batch early: the clock may be up to an interval behind.
    if last > now.plus(settings.batch_interval * 2 + Duration::from_secs(1)) {
        tracing::warn!(
            clock = now.as_millis(),
            last_batch = last.as_millis(),
            "the machine's clock is behind the last batch; the stream's time goes on from there"
        );
        return Arc::new(SystemClock::starting_at(last));
    }
    Arc::new(SystemClock::starting_at(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// What the clock shows after a restart whose last batch was at `last`.
    fn goes_on_at(last: Time) -> Time {
        let settings = Settings::new("a".to_owned(), Duration::from_secs(1));
        clock_for(&settings, last).now()
    }

    fn is_about(shown: Time, meant: Time) -> bool {
        shown >= meant && shown.since(meant) < Duration::from_secs(60)
    }

    #[test]
    fn it_never_goes_back_behind_the_last_batch() {
        let now = wall_clock();
        // Down for an hour, which is to be made up for.
        assert!(is_about(goes_on_at(now.minus(HOUR)), now));
        // The wall clock was set back meanwhile.
        assert!(is_about(goes_on_at(now.plus(HOUR)), now.plus(HOUR)));
        // A graceful stop cuts its last batch early: that is waited for.
        let early = now.plus(Duration::from_millis(900));
        assert!(is_about(goes_on_at(early), now));
    }
}
