//! Requests that mean nothing here.

use axum::http::{Method, StatusCode, Uri};

use crate::problem::Problem;

/// For paths that mean nothing.
pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

/// For methods that mean nothing at a path.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{method} means nothing at {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
