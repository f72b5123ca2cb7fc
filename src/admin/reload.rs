//! `POST /api/v1/reload`: the program reads its settings again and goes on with those that can change while it
//! runs; all of them or, where one can't, none.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Value, json};

use super::Admin;
use crate::access::Caller;
use crate::problem::Problem;

/// A setting that differs from the running one. Values are JSON where they can be, and TOML text else.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReloadedSetting {
    /// The dotted key.
    pub key: String,
    /// The running value; null where there is none.
    pub running: Value,
    /// The new value.
    pub new: Value,
    /// Where the new value comes from: a place in a file, a variable, an argument.
    pub from: String,
    /// Why it needs a restart; none where a running program takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_restart: Option<String>,
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// The settings that are new; empty when nothing differed.
    pub changed: Vec<ReloadedSetting>,
}

/// Why a reload changed nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReloadError {
    /// The program starts or stops.
    NotActive,
    /// The new settings have mistakes; each with its place.
    Mistakes(Vec<String>),
    /// Some of the new settings need a restart; all that differ.
    NeedsRestart(Vec<ReloadedSetting>),
}

pub(super) async fn reload(
    State(shared): Admin,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Reloaded>, Problem> {
    // Files are read and locks waited for: off the server's threads.
    let done = tokio::task::spawn_blocking(move || {
        let reload = shared.options.on_reload.as_ref();
        reload.map(|reload| reload(&caller.to_string()))
    });
    let done = done.await.map_err(|error| {
        let detail = format!("it ended badly: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    match done {
        None => Err(Problem::not_found(
            "this program has no settings that it could read again",
        )),
        Some(reloaded) => reloaded.map(Json).map_err(problem),
    }
}

fn problem(error: ReloadError) -> Problem {
    match error {
        ReloadError::NotActive => Problem::not_active(),
        ReloadError::Mistakes(mistakes) => {
            let detail = "nothing was changed: the new settings have mistakes";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with_reasons(mistakes)
        }
        ReloadError::NeedsRestart(changes) => {
            let is_refused = |change: &&ReloadedSetting| change.needs_restart.is_some();
            let refused: Vec<&ReloadedSetting> = changes.iter().filter(is_refused).collect();
            let keys: Vec<&str> = refused.iter().map(|change| change.key.as_str()).collect();
            let detail = format!(
                "nothing was changed: {} can't change without a restart",
                keys.join(", ")
            );
            Problem::new(StatusCode::CONFLICT, detail).with_member("refused", json!(refused))
        }
    }
}
