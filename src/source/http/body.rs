//! Reads the body of a post, within limits: its own length, and the memory of all that are under way.

use std::io;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::IngestError;
use super::budget::{Budget, Room};
use crate::server::announced_length;

/// A body, and the room that it takes until it is dropped.
pub(super) struct Body<'a> {
    pub(super) bytes: Bytes,
    _room: Room<'a>,
}

/// The whole body, if it is no longer than `limit`. A body that comes in one piece takes no room: there is no more
/// of it in memory than a connection's buffer holds.
pub(super) async fn read(
    request: Request,
    limit: usize,
    budget: &Budget,
) -> Result<Body<'_>, IngestError> {
    let announced = announced_length(request.headers());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(IngestError::TooLarge { limit });
    }
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut room = budget.room();
    let mut pieces = request.into_body().into_data_stream();
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(broken)?;
        let length = body.len().max(first.len()) + piece.len();
        if length > limit {
            return Err(IngestError::TooLarge { limit });
        }
        // Most bodies come in one piece, which needn't be copied.
        if body.is_empty() && first.is_empty() {
            first = piece;
            continue;
        }
        if length > body.capacity() {
            let whole = announced.unwrap_or(length.saturating_mul(2));
            let wanted = whole.clamp(length, limit);
            room.take(wanted - body.capacity())?;
            body.reserve(wanted - body.len());
        }
        if body.is_empty() {
            body.extend_from_slice(&first);
        }
        body.extend_from_slice(&piece);
    }
    let bytes = match body.is_empty() {
        true => first,
        false => body.freeze(),
    };
    Ok(Body { bytes, _room: room })
}

/// Why there is no more of a body.
fn broken(error: axum::Error) -> IngestError {
    let reason = error.to_string();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        let of_system = error.downcast_ref::<io::Error>();
        if of_system.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return IngestError::TooSlow { reason };
        }
        cause = error.source();
    }
    IngestError::Incomplete { reason }
}
