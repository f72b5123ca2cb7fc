//! [`SourceFreshness`]: when an input last gave anything, and whether it has been silent for too long.

use std::time::Duration;

use serde::Serialize;

use super::StreamingContext;
use crate::dstream::{NodeCore, OnSilence, Silence};
use crate::time::{Time, millis};
use crate::uid::OperatorUid;

/// When an input last gave anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SourceFreshness {
    /// The input.
    pub uid: OperatorUid,
    /// When its last record came; of a direct source, the last batch that reads something of it. `None`: nothing
    /// since the start.
    pub last_record: Option<Time>,
    /// Milliseconds without a record after which it counts as silent, where that is set.
    pub silent_after: Option<u64>,
    /// Since when it is silent; `None` while it isn't.
    pub silent_since: Option<Time>,
    /// Whether the context isn't ready while it is silent.
    pub fails_readiness: bool,
}

impl SourceFreshness {
    fn of(core: &NodeCore, last_record: Option<Time>, started: Time, now: Time) -> Self {
        let silence = core.silence();
        Self {
            uid: core.uid(),
            last_record,
            silent_after: silence.map(|silence| millis(silence.after)),
            silent_since: silence
                .and_then(|silence| silent_since(silence.after, last_record, started, now)),
            fails_readiness: silence.is_some_and(|Silence { then, .. }| then == OnSilence::Unready),
        }
    }
}

/// Since when there was nothing, if that is too long.
fn silent_since(after: Duration, last: Option<Time>, started: Time, now: Time) -> Option<Time> {
    let since = last.unwrap_or(started);
    (now.since(since) >= after).then_some(since)
}

impl StreamingContext {
    /// When each input last gave anything, while it is active; see
    /// [`DStream::silent_after`](crate::DStream::silent_after). (Spark doesn't tell.)
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// context.start()?;
    /// assert_eq!(context.freshness()[0].last_record, None);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn freshness(&self) -> Vec<SourceFreshness> {
        let (engine, started) = {
            let life = self.life();
            (life.engine.clone(), life.started)
        };
        let (Some(engine), Some(started)) = (engine, started) else {
            return Vec::new();
        };
        let now = engine.clock.now();
        let mut all: Vec<SourceFreshness> = {
            let inputs = self.inputs();
            let receivers = inputs.receivers.iter();
            let of = |receiver: &super::inputs::ReceiverInput| {
                let core = receiver.node.core();
                SourceFreshness::of(core, receiver.last_record(), started, now)
            };
            receivers.map(of).collect()
        };
        let direct = engine.direct.iter();
        all.extend(direct.map(|input| {
            SourceFreshness::of(input.node.core(), input.last_record(), started, now)
        }));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_record_or_the_start() {
        let at = |seconds: u64| Time::from_millis(seconds * 1000);
        let of = |last: Option<u64>, now| {
            let minute = Duration::from_secs(60);
            silent_since(minute, last.map(at), at(100), at(now))
        };
        assert_eq!(of(None, 159), None);
        assert_eq!(of(None, 160), Some(at(100)));
        assert_eq!(of(Some(130), 189), None);
        assert_eq!(of(Some(130), 190), Some(at(130)));
    }
}
