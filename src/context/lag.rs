//! [`SourceLag`]: how far processing is behind each input, and what a crash now would lose.

use std::collections::BTreeMap;

use serde::Serialize;

use super::StreamingContext;
use super::settings::ReceiverLog;
use crate::block::Backlog;
use crate::engine::{DirectInput, Engine};
use crate::scheduler::BatchInfo;
use crate::time::Time;
use crate::uid::OperatorUid;

/// After what a record that was taken in can't be lost any more by a crash of process or machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurableAfter {
    /// At once: the source keeps it, and it is read again.
    Source,
    /// The logs on a disk are synced.
    Sync,
    /// It is in an object of a store.
    Put,
    /// Its batch is complete: until then it is in memory only.
    Processing,
}

impl DurableAfter {
    /// The word for it in JSON and metrics.
    ///
    /// ```
    /// assert_eq!(tidemill::DurableAfter::Sync.as_str(), "sync");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sync => "sync",
            Self::Put => "put",
            Self::Processing => "processing",
        }
    }

    /// What holds for receivers.
    fn of_receivers(log: ReceiverLog) -> Self {
        match log {
            ReceiverLog::Nowhere | ReceiverLog::Memory => Self::Processing,
            ReceiverLog::Disk => Self::Sync,
            ReceiverLog::Store => Self::Put,
        }
    }
}

/// How far processing is behind an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceLag {
    /// The input.
    pub uid: OperatorUid,
    /// Records that are known and whose batch isn't complete; `None` where only reading them would tell.
    pub records: Option<u64>,
    /// Their bytes; of a folder of files: those of files that are in no batch yet.
    pub bytes: Option<u64>,
    /// Files that are in no batch yet; `None` where it reads none.
    pub files: Option<u64>,
    /// Since when the oldest of it has been waiting; `None` when nothing does. Received records count from the
    /// cut of their block, at most a block interval after they came.
    pub oldest: Option<Time>,
    /// What is declared: after what its records can't be lost.
    pub durable_after: DurableAfter,
    /// What is held: since when there is a record that its source takes for delivered and that a crash now would
    /// lose; `None` when there is none.
    pub at_risk_since: Option<Time>,
}

impl StreamingContext {
    /// How far processing is behind each input, while it is active. Spark tells the number of records that came
    /// in, not of those that wait.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # let context = StreamingContext::builder("doc", Duration::from_secs(1)).build()?;
    /// use tidemill::DurableAfter;
    ///
    /// let (lines, _queue) = context.queue_stream::<str>();
    /// lines.print();
    /// context.start()?;
    /// // What was pushed to a queue lies in memory.
    /// assert_eq!(context.lags()[0].durable_after, DurableAfter::Processing);
    /// # context.stop(false)?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn lags(&self) -> Vec<SourceLag> {
        let Some(engine) = self.engine() else {
            return Vec::new();
        };
        let declared = DurableAfter::of_receivers(self.settings().receiver_log());
        let active = self.0.progress.active();
        let backlog = backlog(&engine, &active);
        let of = |uid: &OperatorUid| backlog.get(uid).copied().unwrap_or_default();
        let receivers: Vec<_> = {
            let inputs = self.inputs();
            let receivers = inputs.receivers.iter();
            receivers
                .map(|receiver| (receiver.status().stream_name, receiver.at_risk_since()))
                .collect()
        };
        let received = receivers
            .into_iter()
            .map(|(uid, taken)| received(of(&uid), uid, declared, taken));
        let direct = engine.direct.iter();
        let direct = direct.map(|input| direct_lag(input, of(&input.node.core().uid()), &active));
        received.chain(direct).collect()
    }

    /// What waits for a batch, or is in one that isn't complete, by input.
    pub(super) fn backlog(&self) -> BTreeMap<OperatorUid, Backlog> {
        let engine = self.engine();
        engine
            .map(|engine| backlog(&engine, &self.0.progress.active()))
            .unwrap_or_default()
    }

    /// The direct sources, each with why it can't be read, if it can't.
    pub(crate) fn source_troubles(&self) -> Vec<(OperatorUid, Option<String>)> {
        let engine = self.engine();
        let direct = engine
            .iter()
            .flat_map(|engine: &std::sync::Arc<Engine>| engine.direct.iter());
        direct
            .map(|input| (input.node.core().uid(), input.trouble()))
            .collect()
    }
}

fn backlog(engine: &Engine, active: &[BatchInfo]) -> BTreeMap<OperatorUid, Backlog> {
    let open: Vec<Time> = active.iter().map(|info| info.batch_time).collect();
    engine.intake.tracker.backlog(&open)
}

fn received(
    backlog: Backlog,
    uid: OperatorUid,
    durable_after: DurableAfter,
    taken: Option<Time>,
) -> SourceLag {
    let unprocessed = backlog
        .oldest
        .filter(|_| durable_after == DurableAfter::Processing);
    SourceLag {
        uid,
        records: Some(backlog.records),
        bytes: Some(backlog.bytes),
        files: None,
        oldest: earlier(backlog.oldest, taken),
        durable_after,
        at_risk_since: earlier(unprocessed, taken),
    }
}

fn direct_lag(input: &DirectInput, backlog: Backlog, active: &[BatchInfo]) -> SourceLag {
    let (uid, waiting) = (input.node.core().uid(), input.source.waiting());
    let planned: Vec<u64> = active
        .iter()
        .filter_map(|info| info.stream_records.get(&uid).copied())
        .collect();
    let is_counted = !planned.is_empty() || waiting.records.is_some();
    let records = planned.iter().sum::<u64>() + waiting.records.unwrap_or_default();
    let durable_after = match input.source.is_replayable() {
        true => DurableAfter::Source,
        false => DurableAfter::Processing,
    };
    let oldest = earlier(backlog.oldest, waiting.oldest);
    SourceLag {
        uid,
        // Without anything planned or waiting there is nothing to count.
        records: (is_counted || oldest.is_none()).then_some(records),
        bytes: waiting.bytes,
        files: waiting.files,
        oldest,
        durable_after,
        at_risk_since: oldest.filter(|_| durable_after == DurableAfter::Processing),
    }
}

fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    fn backlog(oldest: u64) -> Backlog {
        Backlog {
            records: 3,
            bytes: 30,
            oldest: Some(Time::from_millis(oldest)),
        }
    }

    #[test]
    fn what_is_logged_can_wait_for_its_batch_without_risk() {
        let uid = || OperatorUid::new("lines");
        let taken = Some(Time::from_millis(70));
        let logged = received(backlog(50), uid(), DurableAfter::Sync, None);
        assert_eq!(
            (logged.oldest, logged.at_risk_since),
            (Some(Time::from_millis(50)), None)
        );
        let buffered = received(backlog(50), uid(), DurableAfter::Sync, taken);
        assert_eq!(buffered.at_risk_since, taken);
        let unlogged = received(backlog(50), uid(), DurableAfter::Processing, taken);
        assert_eq!(unlogged.at_risk_since, Some(Time::from_millis(50)));
    }

    #[test]
    fn the_place_of_the_logs_says_when_a_record_is_safe() {
        let of = |checkpoint: Option<&str>, wal: Option<&str>, receiver_log| {
            let settings = Settings {
                checkpoint: checkpoint.map(str::to_owned),
                wal: wal.map(str::to_owned),
                receiver_log,
                ..Settings::new("a".to_owned(), std::time::Duration::from_secs(1))
            };
            DurableAfter::of_receivers(settings.receiver_log())
        };
        assert_eq!(of(Some("sled:data/c"), None, true), DurableAfter::Sync);
        assert_eq!(of(Some("s3://b/c"), None, true), DurableAfter::Put);
        assert_eq!(
            of(Some("s3://b/c"), Some("file:w"), true),
            DurableAfter::Sync
        );
        assert_eq!(
            of(Some("sled:data/c"), None, false),
            DurableAfter::Processing
        );
        assert_eq!(of(None, None, true), DurableAfter::Processing);
        assert_eq!(of(Some("memory:c"), None, true), DurableAfter::Processing);
    }
}
