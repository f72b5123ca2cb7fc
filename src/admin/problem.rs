//! [`Problem`]: answers that say what went wrong, as `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What went wrong with a request. Its title is the status's meaning.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    reasons: Vec<String>,
    /// Name, in small letters, and value.
    header: Option<(&'static str, &'static str)>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            reasons: Vec::new(),
            header: None,
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The engine isn't in a state to answer that; it may be soon.
    pub(super) fn not_active() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the pipeline isn't active; see /readyz for why",
        )
        .with_header("retry-after", "1")
    }

    pub(super) fn with_reasons(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            reasons: &self.reasons,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some((name, value)) = self.header {
            let value = HeaderValue::from_static(value);
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        response
    }
}

/// For paths that mean nothing.
pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

/// For methods that mean nothing at a path.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} means nothing at {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
