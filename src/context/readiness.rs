//! Whether a context is ready to work, why it isn't, and what may keep it from being so soon.

use std::time::Duration;

use super::{ContextState, StreamingContext};
use crate::time::Time;
use crate::utc::for_people;

/// Up to so far, and two batch intervals, the wall clock and the stream's time may differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(10);

/// Something that people should look at, though it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    /// What it is about: it is told once for as long as it lasts.
    pub(super) subject: String,
    /// How bad it is: when that rises, it is told again.
    pub(super) level: u32,
    pub(super) text: String,
}

impl StreamingContext {
    /// Why it isn't ready to work, each reason for people; empty when it is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.obstacles(), ["the context is initialized"]);
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.obstacles().is_empty());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn obstacles(&self) -> Vec<String> {
        let state = self.state();
        if state != ContextState::Active {
            let step = self.step();
            let step = step.map_or_else(String::new, |step| format!(": {step}"));
            return vec![format!(
                "the context is {}{step}",
                format!("{state:?}").to_lowercase()
            )];
        }
        let mut obstacles: Vec<String> = self
            .progress()
            .failing()
            .into_iter()
            .map(|(time, failure)| format!("the batch at {time} fails: {failure}"))
            .collect();
        let closed = self.0.ingest.closed_sources().into_iter();
        obstacles.extend(closed.map(|source| format!("the source `{source}` takes no lines")));
        obstacles.extend(self.receivers_down());
        let silent = self.freshness().into_iter();
        let silent = silent.filter(|source| source.fails_readiness);
        obstacles.extend(silent.filter_map(|source| {
            let since = source.silent_since?;
            Some(silent_text(source.uid.as_str(), since))
        }));
        let engine = self.engine();
        for input in engine.iter().flat_map(|engine| &engine.direct) {
            if let Some(trouble) = input.trouble() {
                obstacles.push(format!(
                    "`{}` can't be read: {trouble}",
                    input.node.core().uid()
                ));
            }
        }
        let shut = engine.as_ref().and_then(|engine| engine.intake.gate.shut());
        let shut = shut.into_iter().flat_map(|shut| shut.reasons);
        obstacles.extend(shut.map(|reason| format!("sources are held back: {reason}")));
        if self.life().is_broken {
            obstacles.push("a log or the checkpoint store failed; restart to recover".to_owned());
        }
        obstacles
    }

    /// What people should look at though it works, each for people: a silent source, a batch that takes long, a
    /// wall clock that was set. None of it keeps the context from being ready.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// # let (lines, queue) = context.queue_stream::<str>();
    /// # lines.print();
    /// context.start()?;
    /// assert!(context.warnings().is_empty());
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn warnings(&self) -> Vec<String> {
        let alarms = self.alarms().into_iter();
        alarms.map(|alarm| alarm.text).collect()
    }

    pub(super) fn alarms(&self) -> Vec<Alarm> {
        if self.state() != ContextState::Active {
            return Vec::new();
        }
        let silent = self.freshness().into_iter().filter_map(|source| {
            Some(Alarm {
                subject: format!("source {}", source.uid),
                level: 0,
                text: silent_text(source.uid.as_str(), source.silent_since?),
            })
        });
        silent
            .chain(self.overdue_batches())
            .chain(self.clock_alarm())
            .collect()
    }

    /// Receivers that have been down for longer than they may.
    fn receivers_down(&self) -> Vec<String> {
        let (Some(now), grace) = (self.now(), self.settings().receiver.unready_after) else {
            return Vec::new();
        };
        let receivers = self.receivers().into_iter();
        let down = receivers.filter_map(|receiver| {
            let since = receiver
                .down_since
                .filter(|since| now.since(*since) >= grace)?;
            let why = receiver.last_error_message.unwrap_or_default();
            Some(format!(
                "the receiver of `{}` ({}) has been down since {} UTC: {why}",
                receiver.stream_name,
                receiver.location,
                for_people(since)
            ))
        });
        down.collect()
    }

    /// Batches that have been under way for longer than they may.
    fn overdue_batches(&self) -> Vec<Alarm> {
        let (Some(now), Some(limit)) = (self.now(), self.settings().overdue_after()) else {
            return Vec::new();
        };
        let active = self.progress().active();
        let failing = self.progress().failing();
        let under_way = active.iter().filter(|info| {
            // Those behind the first may only be waiting for it; what fails is told as that.
            let is_first = Some(info.batch_time) == active.first().map(|info| info.batch_time);
            (is_first || info.processing_start_time.is_some())
                && !failing.contains_key(&info.batch_time)
        });
        let activity = self.0.registry.executor.activity();
        let alarm = |info: &crate::scheduler::BatchInfo| {
            let level = info.overdue(now, limit)?;
            Some(Alarm {
                subject: format!("batch {}", info.batch_time),
                level,
                text: info.what_it_is_at(activity.tasks_of(info.batch_time)),
            })
        };
        under_way.filter_map(alarm).collect()
    }

    fn clock_alarm(&self) -> Option<Alarm> {
        let offset = self.wall_clock_offset_ms()?;
        let far = Duration::from_millis(offset.unsigned_abs());
        if far <= CLOCK_TOLERANCE + 2 * self.batch_interval() {
            return None;
        }
        let side = if offset > 0 { "ahead of" } else { "behind" };
        Some(Alarm {
            subject: format!("clock {side}"),
            level: 0,
            text: format!(
                "the machine's clock is {} s {side} the stream's time: it was set, and the next start takes it over{}",
                far.as_secs(),
                match offset > 0 {
                    true => ", as if it had been down for so long",
                    false => " once it has come to the last batch",
                }
            ),
        })
    }
}

fn silent_text(source: &str, since: Time) -> String {
    format!(
        "the source `{source}` has been silent since {} UTC",
        for_people(since)
    )
}
