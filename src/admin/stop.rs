//! `POST /api/v1/stop?graceful=true|false`: accepted at once, done after the answer.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::Admin;
use super::query::parameter;
use crate::problem::Problem;
use crate::{ContextState, StepInfo};

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Accepted {
    status: &'static str,
    graceful: bool,
    /// How far a stop is that was under way already.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Told>,
}

/// A step, also in words.
#[derive(Serialize, schemars::JsonSchema)]
struct Told {
    #[serde(flatten)]
    step: StepInfo,
    text: String,
}

/// Graceful unless `graceful=false`.
pub(super) async fn stop(
    State(shared): Admin,
    RawQuery(query): RawQuery,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let graceful = match parameter(query.as_deref(), "graceful")?.as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => {
            let detail = format!("graceful is `true` or `false`, not `{other}`");
            return Err(Problem::bad_request(detail));
        }
    };
    let step = match shared.context.state() {
        ContextState::Stopping => {
            let step = shared.context.step();
            step.map(|step| Told {
                text: step.to_string(),
                step,
            })
        }
        _ => None,
    };
    (shared.options.on_stop)(graceful);
    Ok((
        StatusCode::ACCEPTED,
        Json(Accepted {
            status: "stopping",
            graceful,
            step,
        }),
    ))
}
