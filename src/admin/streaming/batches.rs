//! `batches`: those that aren't complete and the completed ones of late, newest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;

use super::super::query::parameters;
use super::super::{Admin, Shared};
use super::{Parts, number};
use crate::OperatorUid;
use crate::problem::Problem;
use crate::scheduler::{BatchFailure, BatchInfo, OutputOperationInfo};
use crate::time::{Time, millis};

/// How far a batch has come. `Failed`: as often as it may; it is tried on all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "BatchStatus")]
enum Status {
    Queued,
    Processing,
    Completed,
    Failed,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Batch {
    /// Its time: there is one batch at a time.
    batch_id: Time,
    batch_time: Time,
    status: Status,
    batch_duration: u64,
    input_size: u64,
    submission_time: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    processing_start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processing_end_time: Option<Time>,
    /// Records of each input of which that is known.
    stream_records: Arc<BTreeMap<OperatorUid, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduling_delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processing_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_delay: Option<u64>,
    num_active_output_ops: usize,
    num_completed_output_ops: usize,
    num_failed_output_ops: usize,
    num_total_output_ops: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure_reason: Option<String>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OutputOperation")]
pub(in super::super) struct Operation {
    output_op_id: usize,
    name: String,
    /// The operation's uid.
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
    /// How often it failed.
    failures: u64,
    /// When it is tried again after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<Time>,
    /// An operation is one job here, and has its id.
    job_ids: [usize; 1],
}

fn describe(
    info: &BatchInfo,
    failing: &BTreeMap<Time, BatchFailure>,
    batch_duration: u64,
) -> Batch {
    let failure = failing.get(&info.batch_time);
    let status = match (
        info.processing_end_time,
        failure,
        info.processing_start_time,
    ) {
        (Some(_), _, _) => Status::Completed,
        (None, Some(_), _) => Status::Failed,
        (None, None, Some(_)) => Status::Processing,
        (None, None, None) => Status::Queued,
    };
    let count = |wanted: fn(&OutputOperationInfo) -> bool| {
        info.output_operations
            .iter()
            .filter(|operation| wanted(operation))
            .count()
    };
    let of_operations = || {
        info.output_operations
            .iter()
            .find_map(|operation| operation.failure_reason.clone())
    };
    Batch {
        batch_id: info.batch_time,
        batch_time: info.batch_time,
        status,
        batch_duration,
        input_size: info.num_records,
        submission_time: info.submission_time,
        processing_start_time: info.processing_start_time,
        processing_end_time: info.processing_end_time,
        stream_records: Arc::clone(&info.stream_records),
        scheduling_delay: info.scheduling_delay(),
        processing_time: info.processing_delay(),
        total_delay: info.total_delay(),
        num_active_output_ops: count(|operation| {
            let open = operation.start_time.is_some() && operation.end_time.is_none();
            open && operation.failure_reason.is_none()
        }),
        num_completed_output_ops: count(|operation| operation.end_time.is_some()),
        num_failed_output_ops: count(|operation| {
            operation.end_time.is_none() && operation.failure_reason.is_some()
        }),
        num_total_output_ops: info.output_operations.len(),
        first_failure_reason: of_operations()
            .or_else(|| failure.map(|failure| failure.reason.clone())),
    }
}

/// A batch, as the engine sees it now.
pub(in super::super) fn describe_now(shared: &Shared, info: &BatchInfo) -> Batch {
    let failing = shared.context.progress().failing();
    describe(info, &failing, millis(shared.context.batch_interval()))
}

fn describe_operation(info: &OutputOperationInfo) -> Operation {
    Operation {
        output_op_id: info.id,
        name: info.name.clone(),
        description: info.uid.to_string(),
        start_time: info.start_time,
        end_time: info.end_time,
        duration: info
            .start_time
            .zip(info.end_time)
            .map(|(start, end)| millis(end.since(start))),
        failure_reason: info.failure_reason.clone(),
        failures: info.failures,
        next_try: info.next_try,
        job_ids: [info.id],
    }
}

/// The statuses that a query asks for, as `status=failed&status=queued`; none: all.
fn wanted(query: Option<&str>) -> Result<Vec<Status>, Problem> {
    let parameters = parameters(query.unwrap_or_default())?;
    let status = parameters.iter().filter(|(name, _)| name == "status");
    status
        .flat_map(|(_, statuses)| statuses.split(','))
        .map(|status| match status.to_ascii_uppercase().as_str() {
            "QUEUED" => Ok(Status::Queued),
            "PROCESSING" => Ok(Status::Processing),
            "COMPLETED" => Ok(Status::Completed),
            "FAILED" => Ok(Status::Failed),
            _ => Err(Problem::bad_request(format!(
                "status is one of queued, processing, completed and failed, not `{status}`"
            ))),
        })
        .collect()
}

pub(super) async fn all(
    State(shared): Admin,
    Path(app): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Batch>>, Problem> {
    shared.is_application(&app)?;
    let wanted = wanted(query.as_deref())?;
    let (progress, interval) = (
        shared.context.progress(),
        millis(shared.context.batch_interval()),
    );
    let failing = progress.failing();
    let mut batches: BTreeMap<Time, BatchInfo> = BTreeMap::new();
    // A batch may be completed between the two: the second answer is the newer one.
    for info in progress
        .active()
        .into_iter()
        .chain(progress.completed_batches())
    {
        batches.insert(info.batch_time, info);
    }
    let described = batches
        .values()
        .rev()
        .map(|info| describe(info, &failing, interval));
    let asked = |batch: &Batch| wanted.is_empty() || wanted.contains(&batch.status);
    Ok(Json(described.filter(asked).collect()))
}

pub(super) fn find(shared: &Shared, app: &str, time: &str) -> Result<BatchInfo, Problem> {
    shared.is_application(app)?;
    let time = Time::from_millis(number("a batch's time", time)?);
    let gone = || {
        let detail = format!("the batch at {time} isn't known, or no longer");
        Problem::not_found(detail)
    };
    shared.context.progress().batch(time).ok_or_else(gone)
}

pub(super) async fn one(
    State(shared): Admin,
    Path([app, time]): Parts<2>,
) -> Result<Json<Batch>, Problem> {
    let info = find(&shared, &app, &time)?;
    Ok(Json(describe_now(&shared, &info)))
}

pub(super) async fn operations(
    State(shared): Admin,
    Path([app, time]): Parts<2>,
) -> Result<Json<Vec<Operation>>, Problem> {
    let info = find(&shared, &app, &time)?;
    Ok(Json(
        info.output_operations
            .iter()
            .map(describe_operation)
            .collect(),
    ))
}

pub(super) async fn operation(
    State(shared): Admin,
    Path([app, time, id]): Parts<3>,
) -> Result<Json<Operation>, Problem> {
    let info = find(&shared, &app, &time)?;
    let wanted = number("an output operation's id", &id)?;
    let mut operations = info.output_operations.iter();
    let found = operations.find(|operation| operation.id as u64 == wanted);
    let gone = || Problem::not_found(format!("the batch has no output operation {wanted}"));
    Ok(Json(describe_operation(found.ok_or_else(gone)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OperatorUid;

    fn at(ms: u64) -> Option<Time> {
        Some(Time::from_millis(ms))
    }

    fn operation(id: usize, end: Option<Time>, failure: Option<&str>) -> OutputOperationInfo {
        OutputOperationInfo {
            id,
            uid: OperatorUid::new("screen"),
            name: "print".to_owned(),
            start_time: at(1010),
            end_time: end,
            failures: u64::from(failure.is_some()),
            failure_reason: failure.map(str::to_owned),
            next_try: None,
        }
    }

    fn batch(end: Option<Time>, output_operations: Vec<OutputOperationInfo>) -> BatchInfo {
        BatchInfo {
            batch_time: Time::from_millis(1000),
            submission_time: Time::from_millis(1001),
            processing_start_time: at(1010),
            processing_end_time: end,
            num_records: 7,
            stream_records: Default::default(),
            output_operations,
        }
    }

    #[test]
    fn figures_have_sparks_names() {
        let info = batch(at(1030), vec![operation(0, at(1030), None)]);
        let json = serde_json::to_value(describe(&info, &BTreeMap::new(), 1000)).unwrap();
        let meant = serde_json::json!({
            "batchId": 1000, "batchTime": 1000, "status": "COMPLETED", "batchDuration": 1000,
            "inputSize": 7, "submissionTime": 1001, "processingStartTime": 1010,
            "processingEndTime": 1030, "streamRecords": {}, "schedulingDelay": 9, "processingTime": 20, "totalDelay": 29,
            "numActiveOutputOps": 0, "numCompletedOutputOps": 1, "numFailedOutputOps": 0,
            "numTotalOutputOps": 1,
        });
        assert_eq!(json, meant);
    }

    #[test]
    fn a_failing_batch_says_why() {
        let operations = vec![
            operation(0, at(1030), None),
            operation(1, None, Some("no disk")),
        ];
        let failure = BatchFailure {
            reason: "output: no disk".to_owned(),
            tries: 4,
            next_try: Time::from_millis(2000),
        };
        let failing = [(Time::from_millis(1000), failure)].into();
        let described = describe(&batch(None, operations), &failing, 1000);
        assert_eq!(described.status, Status::Failed);
        assert_eq!(
            (
                described.num_completed_output_ops,
                described.num_failed_output_ops
            ),
            (1, 1)
        );
        assert_eq!(described.first_failure_reason.as_deref(), Some("no disk"));
    }

    #[test]
    fn statuses_are_asked_for_by_name() {
        assert_eq!(wanted(None).unwrap(), []);
        let asked = wanted(Some("status=failed&limit=1&status=QUEUED")).unwrap();
        assert_eq!(asked, [Status::Failed, Status::Queued]);
        assert!(wanted(Some("status=lost")).is_err());
    }
}
