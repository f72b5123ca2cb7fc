//! `POST /ingest/{source}`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::body::read;
use super::{Ingest, IngestError};
use crate::access::Caller;
use crate::problem::Problem;
use crate::server::Peer;

#[derive(Clone)]
struct Shared {
    ingest: Ingest,
    max_body: usize,
    /// The one source that is served; `None`: all.
    only: Option<Arc<str>>,
}

/// Whether a path is one that lines are posted to.
pub(crate) fn is_ingest(path: &str) -> bool {
    path.starts_with("/ingest/")
}

#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Taken {
    records: u64,
}

/// Serves `POST /ingest/{source}` for all sources of a hub: lines in, `{"records":n}` out when all of
/// them are durable. A body may be as long as its source allows, and no longer than `max_body` bytes.
///
/// ```
/// use std::time::Duration;
/// use tidemill::StreamingContext;
/// use tidemill::source::ingest_router;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = StreamingContext::builder("visits", Duration::from_millis(20)).build()?;
/// let lines = context.http_stream("visits", None);
/// lines.print();
/// context.start()?;
/// # while !context.ingest().closed_sources().is_empty() { std::thread::sleep(Duration::from_millis(1)) }
///
/// // Beside what a server of one's own answers already.
/// let router = axum::Router::new()
///     .route("/", axum::routing::get(async || "tides"))
///     .merge(ingest_router(context.ingest().clone(), 1 << 20));
/// let runtime = context.runtime()?;
/// let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
/// let address = listener.local_addr()?;
/// runtime.spawn(async { axum::serve(listener, router).await });
/// # use std::io::{Read, Write};
/// # let mut connection = std::net::TcpStream::connect(address)?;
/// # write!(connection, "POST /ingest/visits HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 8\r\n\r\none\ntwo\n")?;
/// # let mut answer = String::new();
/// # connection.read_to_string(&mut answer)?;
/// assert!(answer.ends_with(r#"{"records":2}"#), "{answer}");
/// context.stop(true)?;
/// # Ok(())
/// # }
/// ```
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
    let caller = request.extensions().get::<Caller>();
    let peer = request.extensions().get::<Peer>();
    shared
        .ingest
        .admit(source, request.headers(), caller, peer)?;
    if let Some(only) = shared.only.as_ref().filter(|only| ***only != *source) {
        return Err(IngestError::UnknownSource {
            name: source.to_owned(),
            nearest: Some(only.as_ref().to_owned()),
        });
    }
    let limit = shared.ingest.max_body(source)?.min(shared.max_body);
    let body = read(request, limit, shared.ingest.bodies()).await?;
    let records = shared.ingest.ingest(source, &body.bytes).await?;
    Ok(Json(Taken { records }))
}

async fn only_post() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "lines are sent with POST")
        .with_header(header::ALLOW, HeaderValue::from_static("POST"))
}
