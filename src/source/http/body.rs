//! Reads the body of a post, within limits: its own length, and the memory of all that are under way.

use std::io;
use std::sync::Arc;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::IngestError;
use super::hub::{BODIES, BODY_UNIT};
use crate::server::announced_length;

/// A body, and the room that it takes until it is dropped.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    _room: Room,
}

/// What a body takes of the memory of all that are under way.
struct Room {
    all: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Takes so many bytes more.
    fn take(&mut self, bytes: usize) -> Result<(), IngestError> {
        let units = u32::try_from(bytes.div_ceil(BODY_UNIT)).unwrap_or(u32::MAX);
        let all = Arc::clone(&self.all);
        let more = all.try_acquire_many_owned(units).map_err(|_| {
            let most = BODIES >> 20;
            let reason = format!("posts that are under way hold {most} MiB, the most they may");
            IngestError::NoRoom {
                reasons: vec![reason],
            }
        })?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

/// The whole body, if it is no longer than `limit`. A body that comes in one piece takes no room: there is no more
/// of it in memory than a connection's buffer holds.
pub(super) async fn read(
    request: Request,
    limit: usize,
    all: &Arc<Semaphore>,
) -> Result<Body, IngestError> {
    let announced = announced_length(request.headers());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(IngestError::TooLarge { limit });
    }
    let announced = announced.and_then(|length| usize::try_from(length).ok());
    let mut room = Room {
        all: Arc::clone(all),
        taken: None,
    };
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
