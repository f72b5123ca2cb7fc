//! [`Problem`]: answers that say what went wrong, as `application/problem+json` (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const MEDIA: &str = "application/problem+json";

/// What went wrong with a request. Its title is the status's meaning.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    reasons: Vec<String>,
    warnings: Vec<String>,
    /// Further members.
    more: Vec<(&'static str, serde_json::Value)>,
    /// Boxed to keep results small.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Body<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
    /// What else people should look at.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(flatten)]
    more: std::collections::BTreeMap<&'a str, &'a serde_json::Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            reasons: Vec::new(),
            warnings: Vec::new(),
            more: Vec::new(),
            header: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Nothing that counts was shown.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The engine isn't in a state to answer that; it may be soon.
    pub(crate) fn not_active() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the pipeline isn't active; see /readyz for why",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// What its JSON looks like.
    pub(crate) fn schema(schemas: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <Body<'_> as schemars::JsonSchema>::json_schema(schemas)
    }

    pub(crate) fn with_reasons(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// With what else people should look at, though it isn't why.
    pub(crate) fn with_warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    /// With a member that says more, of which programs may make something.
    pub(crate) fn with_member(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.more.push((name, value));
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// It, as the last answer of a connection, for who writes to one by hand.
    pub(crate) fn to_last_answer(&self) -> Vec<u8> {
        // Nothing in it can fail to be written.
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let status = self.status;
        let mut answer = format!("HTTP/1.1 {status}\r\ncontent-type: {MEDIA}\r\n").into_bytes();
        if let Some((name, value)) = self.header.as_deref() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                answer.extend_from_slice(part);
            }
        }
        let end = format!(
            "connection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        answer.extend_from_slice(end.as_bytes());
        answer.extend(body);
        answer
    }

    fn body(&self) -> Body<'_> {
        Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            reasons: &self.reasons,
            warnings: &self.warnings,
            more: self
                .more
                .iter()
                .map(|(name, value)| (*name, value))
                .collect(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body())).into_response();
        let kind = HeaderValue::from_static(MEDIA);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
