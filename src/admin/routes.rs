//! All that the admin side answers, each route with its description.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use serde_json::{Value, json as schema};

use super::openapi::{Operation, Routes, json, text, whole_number};
use super::{
    MAX_INGEST_BODY, Shared, applications, checkpoint, dates, dead_letters, events, graph, guard,
    health, metrics, no_such, page, query, reload, stop, streaming, wal,
};
use crate::CheckpointInfo;
use crate::problem::Problem;
use crate::source::{IngestAnswer, ingest_router};

/// Prometheus' text format.
const PROMETHEUS: &str = "text/plain";

/// The router of all.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let api = pages()
        .merge(watching())
        .merge(applications_and_streaming())
        .merge(steering())
        .describe(
            "post",
            "/ingest/{source}",
            json::<IngestAnswer>("Takes lines for a source; answers when they are durable.")
                .with_body("text/plain")
                .or(400)
                .or(404)
                .or(408)
                .or(422)
                .or(429),
        )
        .into_router()
        .layer(middleware::from_fn(guard::bounded))
        .with_state(Arc::clone(&shared));
    let ingest = ingest_router(shared.context.ingest().clone(), MAX_INGEST_BODY);
    api.merge(ingest)
        .fallback(no_such::no_such_path)
        .method_not_allowed_fallback(no_such::no_such_method)
        .layer(middleware::from_fn(readable))
        .layer(middleware::from_fn_with_state(shared, guard::admitted))
}

/// Refuses paths that aren't text: no route could take its parts out of them.
async fn readable(request: Request, next: Next) -> Result<Response, Problem> {
    query::plain(request.uri().path())?;
    Ok(next.run(request).await)
}

/// The streaming page.
fn pages() -> Routes<Arc<Shared>> {
    Routes::new()
        .get(
            "/",
            page::index,
            text("The streaming page.", &["text/html"]).open().held(),
        )
        .get(
            "/page/{*path}",
            page::file,
            text("A file of the page.", page::MEDIA)
                .open()
                .held()
                .or(404),
        )
}

/// How it is doing.
fn watching() -> Routes<Arc<Shared>> {
    Routes::new()
        .get(
            "/healthz",
            health::alive,
            json::<health::Health>("Whether the process answers.").open(),
        )
        .get(
            "/readyz",
            health::ready,
            json::<health::Health>(
                "Whether the pipeline works; 503 with the reasons when it doesn't, and warnings with both.",
            ),
        )
        .get(
            "/metrics",
            metrics::metrics,
            text(
                "Metrics in the text format that is asked for, Prometheus' or OpenMetrics'.",
                &[PROMETHEUS, "application/openmetrics-text"],
            ),
        )
        .get(
            "/metrics/json",
            metrics::original::json,
            json::<metrics::original::Registry>("Spark's gauges, as its JSON servlet has them."),
        )
        .get(
            "/metrics/prometheus",
            metrics::original::prometheus,
            text(
                "Spark's gauges, as its Prometheus servlet has them.",
                &[PROMETHEUS],
            ),
        )
        .get(
            "/api/v1/checkpoint",
            checkpoint::status,
            json::<checkpoint::Status>("How checkpoints are doing."),
        )
        .get(
            "/api/v1/checkpoint/history",
            checkpoint::history,
            json::<Vec<CheckpointInfo>>(
                "The checkpoints that this driver wrote of late, newest first.",
            ),
        )
        .get(
            "/api/v1/wal",
            wal::status,
            json::<wal::Logs>("How the logs are doing."),
        )
        .get(
            "/api/v1/graph",
            graph::graph,
            json::<graph::Graph>("Operators, outputs, and what each path guarantees."),
        )
        .get(
            "/api/v1/events",
            events::events,
            text(
                "What happens, as server-sent events.",
                &["text/event-stream"],
            ),
        )
}

/// Spark's tree.
fn applications_and_streaming() -> Routes<Arc<Shared>> {
    let about = "A date as 2015-02-10 or 2015-02-03T16:42:40.000GMT, or milliseconds.";
    let mut all = json::<Vec<applications::Application>>("The one application there is.")
        .with(
            "status",
            "May be given several times.",
            schema!({"type": "array", "items": {"enum": ["completed", "running"]}}),
        )
        .with("limit", "The most that are told.", whole_number());
    for name in ["minDate", "maxDate", "minEndDate", "maxEndDate"] {
        all = all.with(name, about, date());
    }
    let one = json::<applications::Application>("An application.");
    let below = Routes::new()
        .get("/api/v1/applications/{app}", applications::one, one)
        .merge(streaming::routes())
        .each(|operation| operation.or(404));
    Routes::new()
        .get("/api/v1/applications", applications::all, all)
        .merge(below)
        .each(Operation::with_dates)
        .layered(|router| router.layer(middleware::from_fn(dates::as_asked)))
}

/// A date behind the `?`, from 1970 on.
fn date() -> Value {
    let day = r"(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])";
    let moment = r"T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}GMT";
    schema!({"type": "string", "pattern": format!("^({day}({moment})?|[0-9]{{1,15}})$")})
}

/// What changes something.
fn steering() -> Routes<Arc<Shared>> {
    let name = schema!({"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"});
    Routes::new()
        .post(
            "/api/v1/checkpoint",
            checkpoint::create,
            json::<CheckpointInfo>("Cuts a checkpoint; answers when it is durable.")
                .with("name", "Makes it a savepoint of this name.", name)
                .or(409)
                .or(504),
        )
        .post(
            "/api/v1/checkpoint/forget",
            checkpoint::forget,
            json::<checkpoint::Forgotten>("Gives a savepoint up.")
                .needs("name", "Which one.", schema!({"type": "string"}))
                .or(409)
                .or(504),
        )
        .post(
            "/api/v1/reload",
            reload::reload,
            json::<reload::Reloaded>(
                "Reads the settings again and goes on with those that can change.",
            )
            .or(404)
            .or(409)
            .or(422),
        )
        .post(
            "/api/v1/dead-letters/requeue",
            dead_letters::requeue,
            json::<dead_letters::Answer>("Puts dead letters back; answers when that is durable.")
                .with(
                    "batch",
                    "The batch whose letters go back; all when there is none.",
                    whole_number(),
                )
                .or(409),
        )
        .post(
            "/api/v1/stop",
            stop::stop,
            json::<stop::Accepted>("Stops the pipeline, after the answer.")
                .with_status(202)
                .with(
                    "graceful",
                    "Whether all that was received is processed first.",
                    schema!({"type": "boolean", "default": true}),
                ),
        )
}
