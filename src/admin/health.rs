//! `/healthz`: the process answers. `/readyz`: the pipeline works, or why it doesn't.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Admin;
use crate::ContextState;
use crate::problem::Problem;

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Health {
    status: &'static str,
    state: ContextState,
    /// What people should look at, though it works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// 200 for as long as the process can answer at all.
pub(super) async fn alive(State(shared): Admin) -> Json<Health> {
    Json(Health {
        status: "alive",
        state: shared.context.state(),
        warnings: Vec::new(),
    })
}

/// 200 when the pipeline is active and nothing fails; else 503 with the reasons. Warnings come with both.
pub(super) async fn ready(State(shared): Admin) -> Result<Json<Health>, Problem> {
    let reasons = shared.context.obstacles();
    let warnings = shared.context.warnings();
    if reasons.is_empty() {
        return Ok(Json(Health {
            status: "ready",
            state: shared.context.state(),
            warnings,
        }));
    }
    let detail = reasons.join("; ");
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    Err(problem.with_reasons(reasons).with_warnings(warnings))
}
