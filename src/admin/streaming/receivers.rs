//! `receivers`: the program's inputs and how they are doing. As in Spark, those without a receiver are among them,
//! with the rate of what batches read of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::super::{Admin, Shared};
use super::{Parts, number};
use crate::OperatorUid;
use crate::problem::Problem;
use crate::receiver::{ReceiverState, ReceiverStatus};
use crate::time::{Time, millis};
use crate::{SourceFreshness, SourceInfo};

/// The machine's name: receivers run in the driver.
static HOST: LazyLock<String> =
    LazyLock::new(|| String::from_utf8_lossy(rustix::system::uname().nodename().to_bytes()).into());

/// An input. One without a receiver has nothing that follows from having one.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ReceiverInfo {
    stream_id: usize,
    stream_name: OperatorUid,
    /// Records a second, on average over the kept batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_event_rate: Option<f64>,
    /// The kept batches, oldest first, each with the records of this input a second.
    event_rates: Vec<(Time, f64)>,
    /// Where it reads from.
    location: String,
    /// When its last record came; of an input without a receiver, the last batch that reads something of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_record_time: Option<Time>,
    /// Since when it has given nothing, where that is longer than it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_since: Option<Time>,
    #[serde(flatten)]
    receiver: Option<Receiving>,
}

/// What an input without a receiver doesn't have.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Receiving {
    is_active: bool,
    executor_id: &'static str,
    executor_host: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    state: ReceiverState,
    restarts: u64,
    /// Since when it hasn't received, failing again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    down_since: Option<Time>,
    /// When it is started again, while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<Time>,
    /// Records stored since the start.
    records: u64,
    /// Records a second that it may store at most, for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<f64>,
}

impl From<ReceiverStatus> for Receiving {
    fn from(status: ReceiverStatus) -> Self {
        Self {
            is_active: status.state == ReceiverState::Active,
            executor_id: "driver",
            executor_host: &HOST,
            last_error_time: status.last_error_time,
            last_error: status.last_error_message.clone(),
            last_error_message: status.last_error_message,
            state: status.state,
            restarts: status.restarts,
            down_since: status.down_since,
            next_try: status.next_try,
            records: status.records,
            rate_limit: status.rate_limit,
        }
    }
}

/// How many records of each input each kept batch holds, oldest first.
struct Kept {
    batches: Vec<(Time, std::sync::Arc<BTreeMap<OperatorUid, u64>>)>,
    seconds: f64,
    freshness: Vec<SourceFreshness>,
}

impl Kept {
    fn of(shared: &Shared) -> Self {
        let seconds = millis(shared.context.batch_interval()) as f64 / 1000.0;
        let batches = shared
            .context
            .progress()
            .retained(|info| (info.batch_time, std::sync::Arc::clone(&info.stream_records)));
        Self {
            batches,
            seconds,
            freshness: shared.context.freshness(),
        }
    }

    fn rates(&self, stream: &OperatorUid) -> Vec<(Time, f64)> {
        let rate = |records: &BTreeMap<OperatorUid, u64>| {
            records.get(stream).copied().unwrap_or_default() as f64 / self.seconds
        };
        let batches = self.batches.iter();
        batches
            .map(|(time, records)| (*time, rate(records)))
            .collect()
    }

    fn describe(
        &self,
        stream_id: usize,
        stream_name: OperatorUid,
        location: String,
        receiver: Option<ReceiverStatus>,
    ) -> ReceiverInfo {
        let event_rates = self.rates(&stream_name);
        let fresh = self.freshness.iter().find(|fresh| fresh.uid == stream_name);
        let sum: f64 = event_rates.iter().map(|(_, rate)| rate).sum();
        ReceiverInfo {
            stream_id,
            stream_name,
            avg_event_rate: (!event_rates.is_empty()).then(|| sum / event_rates.len() as f64),
            event_rates,
            location,
            last_record_time: fresh.and_then(|fresh| fresh.last_record),
            silent_since: fresh.and_then(|fresh| fresh.silent_since),
            receiver: receiver.map(Receiving::from),
        }
    }
}

/// A receiver, as the engine sees it now.
pub(in super::super) fn describe(shared: &Shared, status: ReceiverStatus) -> ReceiverInfo {
    let (name, location) = (status.stream_name.clone(), status.location.clone());
    Kept::of(shared).describe(status.stream_id, name, location, Some(status))
}

fn inputs(shared: &Shared) -> Vec<ReceiverInfo> {
    let kept = Kept::of(shared);
    let receivers = shared.context.receivers().into_iter();
    let mut receivers: BTreeMap<usize, ReceiverStatus> =
        receivers.map(|status| (status.stream_id, status)).collect();
    let describe = |source: SourceInfo| {
        let receiver = receivers
            .remove(&source.stream_id)
            .filter(|_| source.is_receiver);
        kept.describe(source.stream_id, source.uid, source.location, receiver)
    };
    shared.context.sources().into_iter().map(describe).collect()
}

pub(super) async fn all(
    State(shared): Admin,
    Path(app): Path<String>,
) -> Result<Json<Vec<ReceiverInfo>>, Problem> {
    shared.is_application(&app)?;
    Ok(Json(inputs(&shared)))
}

pub(super) async fn one(
    State(shared): Admin,
    Path([app, id]): Parts<2>,
) -> Result<Json<ReceiverInfo>, Problem> {
    shared.is_application(&app)?;
    let wanted = number("a receiver's id", &id)?;
    let mut inputs = inputs(&shared).into_iter();
    let found = inputs.find(|input| input.stream_id as u64 == wanted);
    let gone = || Problem::not_found(format!("there is no receiver {wanted}"));
    found.map(Json).ok_or_else(gone)
}
