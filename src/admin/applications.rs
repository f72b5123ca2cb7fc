//! `/api/v1/applications`: the one application there is, in the shape Spark publishes.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::{Admin, Shared};
use crate::ContextState;
use crate::clock::wall_clock;
use crate::problem::Problem;
use crate::time::{Time, millis};

#[derive(Serialize)]
pub(super) struct Application {
    id: String,
    name: String,
    attempts: [Attempt; 1],
}

/// This run of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    start_time: Time,
    last_updated: Time,
    /// Milliseconds since the start.
    duration: u64,
    completed: bool,
    state: ContextState,
    version: &'static str,
}

fn describe(shared: &Shared) -> Application {
    let (name, now, state) = (shared.context.name(), wall_clock(), shared.context.state());
    let start_time = shared.context.started_at().unwrap_or(shared.since);
    let attempt = Attempt {
        start_time,
        last_updated: now,
        duration: millis(now.since(start_time)),
        completed: state == ContextState::Stopped,
        state,
        version: env!("CARGO_PKG_VERSION"),
    };
    Application {
        id: name.clone(),
        name,
        attempts: [attempt],
    }
}

pub(super) async fn all(State(shared): Admin) -> Json<[Application; 1]> {
    Json([describe(&shared)])
}

pub(super) async fn one(
    State(shared): Admin,
    Path(app): Path<String>,
) -> Result<Json<Application>, Problem> {
    shared.is_application(&app)?;
    Ok(Json(describe(&shared)))
}

impl Shared {
    /// Refuses the name of an application that isn't this one.
    pub(super) fn is_application(&self, app: &str) -> Result<(), Problem> {
        let name = self.context.name();
        match app == name {
            true => Ok(()),
            false => Err(Problem::not_found(format!(
                "there is no application `{app}`, only `{name}`"
            ))),
        }
    }
}
