//! `POST /ingest/{source}`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Serialize;

use super::{Ingest, IngestError};
use crate::problem::Problem;

#[derive(Clone)]
struct Shared {
    ingest: Ingest,
    max_body: usize,
    /// The one source that is served; `None`: all.
    only: Option<Arc<str>>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Taken {
    records: u64,
}

/// Serves `POST /ingest/{source}` for all sources of a hub: lines in, `{"records":n}` out when all of
/// them are durable. A body may be as long as its source allows, and no longer than `max_body` bytes.
pub fn ingest_router(ingest: Ingest, max_body: usize) -> Router {
    router(ingest, max_body, None)
}

pub(super) fn router(ingest: Ingest, max_body: usize, only: Option<Arc<str>>) -> Router {
    Router::new()
        .route("/ingest/{source}", post(take).fallback(only_post))
        .with_state(Shared {
            ingest,
            max_body,
            only,
        })
}

async fn take(
    State(shared): State<Shared>,
    Path(source): Path<String>,
    request: Request,
) -> Result<Json<Taken>, IngestError> {
    let ingest = shared.ingest.clone();
    let taken = take_in(shared, &source, request).await;
    taken.inspect_err(|error| ingest.refused(&source, error))
}

async fn take_in(
    shared: Shared,
    source: &str,
    request: Request,
) -> Result<Json<Taken>, IngestError> {
    if let Some(only) = shared.only.as_ref().filter(|only| ***only != *source) {
        return Err(IngestError::UnknownSource {
            name: source.to_owned(),
            nearest: Some(only.as_ref().to_owned()),
        });
    }
    let limit = shared.ingest.max_body(source)?.min(shared.max_body);
    let body = read(request, limit).await?;
    let records = shared.ingest.ingest(source, &body).await?;
    Ok(Json(Taken { records }))
}

async fn only_post() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "lines are sent with POST")
        .with_header(header::ALLOW, HeaderValue::from_static("POST"))
}

/// The whole body, if it is no longer than `limit`.
async fn read(request: Request, limit: usize) -> Result<Bytes, IngestError> {
    let too_large = Err(IngestError::TooLarge { limit });
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return too_large;
    }
    let mut pieces = request.into_body().into_data_stream();
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| IngestError::Incomplete {
            reason: error.to_string(),
        })?;
        if body.len().max(first.len()) + piece.len() > limit {
            return too_large;
        }
        // Most bodies come in one piece, which needn't be copied.
        if body.is_empty() && first.is_empty() {
            first = piece;
            continue;
        }
        if body.is_empty() {
            let announced = announced.and_then(|length| usize::try_from(length).ok());
            body.reserve(announced.unwrap_or(first.len() + piece.len()).min(limit));
            body.extend_from_slice(&first);
        }
        body.extend_from_slice(&piece);
    }
    Ok(if body.is_empty() {
        first
    } else {
        body.freeze()
    })
}
