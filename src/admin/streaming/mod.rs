//! Spark's streaming tree: the same paths, the same field names. Times are numbers, milliseconds since
//! the Unix epoch, and so are lengths; a figure that isn't known is left out, as Spark does.

pub(super) mod batches;
mod inputs;
pub(super) mod receivers;
mod statistics;

use std::sync::Arc;

use axum::extract::Path;
use serde_json::json as schema;

use super::Shared;
use super::openapi::{Routes, json};
use crate::BatchInput;
use crate::problem::Problem;

/// What is below `/api/v1/applications/{app}/streaming`.
pub(super) fn routes() -> Routes<Arc<Shared>> {
    let status = schema!({
        "type": "array", "items": {"enum": ["queued", "processing", "completed", "failed"]},
    });
    Routes::new()
        .get(
            "/api/v1/applications/{app}/streaming/statistics",
            statistics::statistics,
            json::<statistics::StreamingStatistics>("Sums over the batches of late."),
        )
        .get(
            "/api/v1/applications/{app}/streaming/receivers",
            receivers::all,
            json::<Vec<receivers::ReceiverInfo>>("The inputs and how they are doing."),
        )
        .get(
            "/api/v1/applications/{app}/streaming/receivers/{id}",
            receivers::one,
            json::<receivers::ReceiverInfo>("An input."),
        )
        .get(
            "/api/v1/applications/{app}/streaming/batches",
            batches::all,
            json::<Vec<batches::Batch>>("The batches of late, newest first.").with(
                "status",
                "May be given several times.",
                status,
            ),
        )
        .get(
            "/api/v1/applications/{app}/streaming/batches/{time}",
            batches::one,
            json::<batches::Batch>("A batch."),
        )
        .get(
            "/api/v1/applications/{app}/streaming/batches/{time}/inputs",
            inputs::inputs,
            json::<Vec<BatchInput>>("What a batch is made of."),
        )
        .get(
            "/api/v1/applications/{app}/streaming/batches/{time}/operations",
            batches::operations,
            json::<Vec<batches::Operation>>("A batch's output operations."),
        )
        .get(
            "/api/v1/applications/{app}/streaming/batches/{time}/operations/{id}",
            batches::operation,
            json::<batches::Operation>("An output operation of a batch."),
        )
}

/// A number in a path.
fn number(what: &str, text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_request(format!("{what} is a number, not `{text}`")))
}

/// The path's parts: the application, then what the route names.
type Parts<const N: usize> = Path<[String; N]>;
