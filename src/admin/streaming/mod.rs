//! Spark's streaming tree: the same paths, the same field names. Times are numbers, milliseconds since
//! the Unix epoch, and so are lengths; a figure that isn't known is left out, as Spark does.

pub(super) mod batches;
mod inputs;
pub(super) mod receivers;
mod statistics;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;

use super::Shared;
use crate::problem::Problem;

/// What is below `/api/v1/applications/{app}/streaming`.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/statistics", get(statistics::statistics))
        .route("/receivers", get(receivers::all))
        .route("/receivers/{id}", get(receivers::one))
        .route("/batches", get(batches::all))
        .route("/batches/{time}", get(batches::one))
        .route("/batches/{time}/inputs", get(inputs::inputs))
        .route("/batches/{time}/operations", get(batches::operations))
        .route("/batches/{time}/operations/{id}", get(batches::operation))
}

/// A number in a path.
fn number(what: &str, text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_request(format!("{what} is a number, not `{text}`")))
}

/// The path's parts: the application, then what the route names.
type Parts<const N: usize> = Path<[String; N]>;
