//! What a refused post is answered with.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::IngestError;
use crate::problem::Problem;

impl IntoResponse for IngestError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::UnknownSource { .. } => StatusCode::NOT_FOUND,
            Self::NotUtf8 { .. } | Self::Incomplete { .. } => StatusCode::BAD_REQUEST,
            Self::BadRecord { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotAdmitted { is_known: true, .. } => StatusCode::FORBIDDEN,
            Self::NotAdmitted { .. } => {
                return Problem::unauthorized(self.to_string()).into_response();
            }
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            // 503, not 507: what clients and proxies know to be worth trying again.
            Self::Closed { .. } | Self::NoRoom { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut problem = Problem::new(status, self.to_string());
        if let Some(delay) = self.retry_after() {
            // The header knows whole seconds only.
            let seconds =
                u64::try_from(delay.as_millis().div_ceil(1000).max(1)).unwrap_or(u64::MAX);
            problem = problem.with_header(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        problem.into_response()
    }
}
