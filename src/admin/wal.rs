//! `/api/v1/wal`: how the logs are doing, and how much room there is for them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tidemill_wal::WalStatus;

use super::Admin;
use crate::SpaceStatus;
use crate::problem::Problem;

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Logs {
    logs: Vec<Log>,
    space: Option<SpaceStatus>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Log {
    name: &'static str,
    segments: u64,
    bytes: u64,
    next_sequence: u64,
    oldest_sequence: u64,
    /// When the last group became durable.
    last_sync: Option<u64>,
    appends: u64,
    syncs: u64,
    synced_bytes: u64,
    /// Why it takes no more appends.
    poisoned: Option<String>,
}

pub(super) async fn status(State(shared): Admin) -> Result<Json<Logs>, Problem> {
    let logs = shared.context.logs();
    if logs.is_empty() {
        return Err(Problem::not_active());
    }
    let describe = |log: crate::LogStatus| {
        let WalStatus {
            segments,
            bytes,
            appends,
            syncs,
            synced_bytes,
            ..
        } = log.status;
        Log {
            name: log.name,
            segments,
            bytes,
            next_sequence: log.status.next_sequence.0,
            oldest_sequence: log.status.oldest_sequence.0,
            last_sync: log.status.last_sync_ms,
            appends,
            syncs,
            synced_bytes,
            poisoned: log.status.poisoned,
        }
    };
    Ok(Json(Logs {
        logs: logs.into_iter().map(describe).collect(),
        space: shared.context.space(),
    }))
}
