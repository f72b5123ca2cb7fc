//! What every request passes before it is answered: who asks, and how many ask at once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::page::is_of_page;
use super::{Admin, Shared};
use crate::problem::Problem;

/// How many requests besides ingest may be under way.
const MAX_REQUESTS: usize = 64;

/// No request besides ingest needs a body; one that is announced longer than this is refused unread.
const MAX_BODY: u64 = 64 << 10;

static REQUESTS: Semaphore = Semaphore::const_new(MAX_REQUESTS);

/// Lets in who shows the token, where there is one; and no web page of another origin that makes its
/// reader's browser post here.
pub(super) async fn admitted(
    State(shared): Admin,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    if !is_admitted(&shared, path, request.headers()) {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "this address asks for a token: send `Authorization: Bearer TOKEN`",
        )
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if changes && is_of_another_origin(request.headers()) {
        let detail = "a web page of another origin may not change anything here";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(next.run(request).await)
}

fn is_admitted(shared: &Arc<Shared>, path: &str, headers: &HeaderMap) -> bool {
    let Some(token) = shared.options.token.get() else {
        return true;
    };
    let shown = headers.get(header::AUTHORIZATION);
    let is_open = path == "/healthz" || is_of_page(path);
    is_open || shown.is_some_and(|shown| token.is_shown_by(shown.as_bytes()))
}

/// Browsers name the origin of a page that posts; programs don't.
fn is_of_another_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(HeaderValue::as_bytes);
    let Some(origin) = text(header::ORIGIN) else {
        return false;
    };
    let host = text(header::HOST).unwrap_or_default();
    let authority = [b"http://".as_slice(), b"https://"]
        .iter()
        .find_map(|s| origin.strip_prefix(*s));
    authority != Some(host)
}

/// Bounds how many requests are under way, and what they may send.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        let detail = format!("no request here needs a body of more than {MAX_BODY} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
    }
    // Whoever watches over the process must get through whatever else is asked.
    let _permit = match request.uri().path() {
        "/healthz" | "/readyz" => None,
        _ => match REQUESTS.try_acquire() {
            Ok(permit) => Some(permit),
            Err(_) => {
                let detail =
                    format!("{MAX_REQUESTS} requests are under way, the most there may be");
                return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                    .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
                    .into_response();
            }
        },
    };
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_told_apart() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:4040"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            headers
        };
        assert!(!is_of_another_origin(&headers(None)));
        assert!(!is_of_another_origin(&headers(Some(
            "http://127.0.0.1:4040"
        ))));
        for other in ["http://evil.example", "http://127.0.0.1:4041", "null", ""] {
            assert!(is_of_another_origin(&headers(Some(other))), "{other}");
        }
    }
}
