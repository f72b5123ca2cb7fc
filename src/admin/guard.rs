//! What every request passes before it is answered: who asks, and how many ask at once.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::Admin;
use super::page::is_of_page;
use crate::access::{Caller, Role, is_by_a_public_name, is_of_another_origin};
use crate::problem::Problem;
use crate::server::{Peer, announced_length};
use crate::source::is_ingest;

/// How many requests besides ingest may be under way.
const MAX_REQUESTS: usize = 64;

/// No request besides ingest needs a body; one that is announced longer than this is refused unread.
const MAX_BODY: u64 = 64 << 10;

static REQUESTS: Semaphore = Semaphore::const_new(MAX_REQUESTS);

/// Lets in who has the role that the request needs; and no web page of somebody else that makes its reader's
/// browser ask here. Requests that change something are noted.
pub(super) async fn admitted(State(shared): Admin, mut request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    let peer = request.extensions().get::<Peer>();
    let access = shared.options.access.get();
    let caller = access.caller(shown.map(HeaderValue::as_bytes), peer);
    let (method, path) = (request.method(), request.uri().path());
    let changes = changes(method);
    let refused = if changes && is_of_another_origin(request.headers()) {
        let detail = "a web page of another origin may not change anything here";
        Some(Problem::new(StatusCode::FORBIDDEN, detail))
    } else if caller.is_anybody() && is_by_a_public_name(request.headers()) {
        let detail = "this address asks for no token, so it answers to addresses and to names without a dot only: a \
                      web page could give itself any other name; set admin.token_file, or ask by 127.0.0.1";
        Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
    } else {
        needed(method, path).and_then(|role| refusal(&caller, role))
    };
    if !changes || is_ingest(path) {
        return match refused {
            Some(problem) => problem.into_response(),
            None => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
        };
    }
    let (method, uri) = (method.clone(), request.uri().clone());
    request.extensions_mut().insert(caller.clone());
    let answer = match refused {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    shared.audit.note(&caller, &method, &uri, answer.status());
    answer
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The role that a request needs; `None`: none, or its source says.
fn needed(method: &Method, path: &str) -> Option<Role> {
    match path {
        "/healthz" => None,
        path if is_of_page(path) || is_ingest(path) => None,
        _ if changes(method) => Some(Role::Operator),
        _ => Some(Role::Reader),
    }
}

/// Why a request is refused, if it is.
fn refusal(caller: &Caller, needed: Role) -> Option<Problem> {
    if caller.may(needed) {
        return None;
    }
    let problem = match caller.role() {
        Some(role) => {
            let detail = format!(
                "this needs the {needed} role, and the token that is shown is the {role} one"
            );
            Problem::new(StatusCode::FORBIDDEN, detail)
        }
        None => {
            let detail = format!(
                "this address asks for a token, here that of the {needed} role{}: send `Authorization: Bearer TOKEN`",
                if needed == Role::Reader {
                    " or the operator's"
                } else {
                    ""
                }
            );
            Problem::unauthorized(detail)
        }
    };
    Some(problem.with_member("neededRole", needed.name().into()))
}

/// Bounds how many requests are under way, and what they may send.
pub(super) async fn bounded(request: Request, next: Next) -> Response {
    if announced_length(request.headers()).is_some_and(|length| length > MAX_BODY) {
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
