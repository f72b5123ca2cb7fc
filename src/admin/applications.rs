//! `/api/v1/applications`: the one application there is, in the shape Spark publishes.

mod wanted;

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;

use self::wanted::Wanted;
use super::{Admin, Shared};
use crate::ContextState;
use crate::clock::wall_clock;
use crate::problem::Problem;
use crate::time::{Time, millis};

/// What Spark gives for the end of what hasn't ended.
const NO_END: i64 = -1;

/// Who runs it.
static USER: LazyLock<String> = LazyLock::new(|| {
    let named = ["USER", "LOGNAME"].map(|name| std::env::var(name).ok());
    let named = named.into_iter().flatten().find(|user| !user.is_empty());
    named.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
});

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Application {
    id: String,
    name: String,
    attempts: [Attempt; 1],
}

/// This run of it.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    start_time: Time,
    /// -1 until it has ended.
    end_time: i64,
    last_updated: Time,
    /// Milliseconds since the start.
    duration: u64,
    spark_user: &'static str,
    completed: bool,
    /// The version of the engine.
    app_spark_version: &'static str,
    start_time_epoch: Time,
    end_time_epoch: i64,
    last_updated_epoch: Time,
    state: ContextState,
    version: &'static str,
}

fn describe(shared: &Shared) -> Application {
    let (name, now, state) = (shared.context.name(), wall_clock(), shared.context.state());
    let start_time = shared.context.started_at().unwrap_or(shared.since);
    let version = env!("CARGO_PKG_VERSION");
    let attempt = Attempt {
        start_time,
        // Nobody can ask one that has ended.
        end_time: NO_END,
        last_updated: now,
        duration: millis(now.since(start_time)),
        spark_user: &USER,
        completed: state == ContextState::Stopped,
        app_spark_version: version,
        start_time_epoch: start_time,
        end_time_epoch: NO_END,
        last_updated_epoch: now,
        state,
        version,
    };
    Application {
        id: name.clone(),
        name,
        attempts: [attempt],
    }
}

pub(super) async fn all(
    State(shared): Admin,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Application>>, Problem> {
    let wanted = Wanted::parse(query.as_deref().unwrap_or_default())?;
    let application = describe(&shared);
    let [attempt] = &application.attempts;
    let is_wanted = wanted.takes(attempt.completed, attempt.start_time, wall_clock());
    Ok(Json(is_wanted.then_some(application).into_iter().collect()))
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
