//! `/api/v1/checkpoint`: how checkpoints are doing, and cutting one.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::query::parameter;
use super::{Admin, Shared};
use crate::clock::wall_clock;
use crate::error::Error;
use crate::problem::Problem;
use crate::time::{Time, millis};
use crate::{CheckpointInfo, CheckpointStatus};

/// How long a checkpoint that was asked for may take: a boundary between batches must come first.
const CREATE_LIMIT: Duration = Duration::from_secs(60);

/// The status with the newest checkpoint's figures beside it, where scripts look for them.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Checkpoints")]
pub(super) struct Status {
    id: Option<u64>,
    time: Option<Time>,
    created: Option<Time>,
    bytes: Option<u64>,
    duration: Option<u64>,
    /// Milliseconds since it was cut.
    age: Option<u64>,
    /// Whether it is older than it should get.
    is_stale: bool,
    #[serde(flatten)]
    status: CheckpointStatus,
}

impl Status {
    /// What doesn't change by itself.
    pub(super) fn without_age(&self) -> (CheckpointStatus, bool) {
        (self.status.clone(), self.is_stale)
    }
}

/// `None` while the context isn't active.
pub(super) fn describe(shared: &Shared) -> Option<Status> {
    let status = shared.context.checkpoint_status()?;
    let newest = status.newest.as_ref();
    let now = wall_clock();
    Some(Status {
        is_stale: status.is_stale(now),
        id: newest.map(|newest| newest.id),
        time: newest.map(|newest| newest.time),
        created: newest.map(|newest| newest.created),
        bytes: newest.map(|newest| newest.bytes),
        duration: newest.map(|newest| newest.duration),
        age: newest.map(|newest| millis(now.since(newest.created))),
        status,
    })
}

pub(super) async fn status(State(shared): Admin) -> Result<Json<Status>, Problem> {
    describe(&shared).map(Json).ok_or_else(Problem::not_active)
}

/// What this driver wrote of late, newest first.
pub(super) async fn history(State(shared): Admin) -> Json<Vec<CheckpointInfo>> {
    Json(shared.context.checkpoint_history())
}

/// Cuts one and answers when it is durable; `?name=NAME` makes it a savepoint.
pub(super) async fn create(
    State(shared): Admin,
    RawQuery(query): RawQuery,
) -> Result<Json<CheckpointInfo>, Problem> {
    let name = parameter(query.as_deref(), "name")?;
    beside(move || cut(&shared, name.as_deref()))
        .await
        .map(Json)
}

/// Gives the savepoint `?name=NAME` up.
pub(super) async fn forget(
    State(shared): Admin,
    RawQuery(query): RawQuery,
) -> Result<Json<Forgotten>, Problem> {
    let name = parameter(query.as_deref(), "name")?
        .ok_or_else(|| Problem::bad_request("which savepoint? Add ?name=NAME".to_owned()))?;
    let forgotten = name.clone();
    beside(move || shared.context.forget_savepoint(&name).map_err(problem)).await?;
    Ok(Json(Forgotten { forgotten }))
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Forgotten {
    forgotten: String,
}

/// Runs what waits for a disk off the server's threads.
async fn beside<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Problem> + Send + 'static,
) -> Result<R, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("it ended badly: {error}"),
        )
    })?
}

fn cut(shared: &Arc<Shared>, name: Option<&str>) -> Result<CheckpointInfo, Problem> {
    let context = &shared.context;
    if context.checkpoint_status().is_none() {
        return Err(Problem::not_active());
    }
    let cut = match name {
        Some(name) => context.create_savepoint(name, CREATE_LIMIT),
        None => context.checkpoint_now(CREATE_LIMIT),
    };
    cut.map_err(problem)
}

fn problem(error: Error) -> Problem {
    let status = match &error {
        Error::WrongState(_) => StatusCode::GATEWAY_TIMEOUT,
        Error::Setting(_) => StatusCode::BAD_REQUEST,
        Error::Checkpoint(tidemill_checkpoint::Error::Savepoint { .. }) => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, error.to_string())
}
