//! `?dates=text`: the times in answers as Spark writes them, for scripts that read them so.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::query::parameters;
use crate::problem::Problem;
use crate::time::Time;
use crate::utc;

/// What are dates in Spark's answers, and ours beside them.
const DATES: &[&str] = &[
    "startTime",
    "endTime",
    "lastUpdated",
    "batchTime",
    "lastErrorTime",
    "submissionTime",
    "processingStartTime",
    "processingEndTime",
];

/// Whether a field is a date, which may be asked for as text.
pub(super) fn is_date(field: &str) -> bool {
    DATES.contains(&field)
}

/// What Spark writes for an end that hasn't been.
const BEFORE_THE_EPOCH: &str = "1969-12-31T23:59:59.999GMT";

/// Answers with the dates as they are asked for.
pub(super) async fn as_asked(request: Request, next: Next) -> Result<Response, Problem> {
    let parameters = parameters(request.uri().query().unwrap_or_default())?;
    let mut dates = parameters.iter().filter(|(name, _)| name == "dates");
    let as_text = match dates.next_back().map(|(_, value)| value.as_str()) {
        None | Some("number") => false,
        Some("text") => true,
        Some(other) => {
            let detail = format!("dates is `number` or `text`, not `{other}`");
            return Err(Problem::bad_request(detail));
        }
    };
    let response = next.run(request).await;
    match as_text && response.status() == StatusCode::OK {
        true => Ok(with_text(response).await),
        false => Ok(response),
    }
}

async fn with_text(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // It was made here, in one piece, of bounded lists.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return (parts, Body::empty()).into_response();
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return (parts, bytes).into_response();
    };
    write_dates(&mut value);
    let text = value.to_string();
    let length = HeaderValue::from(text.len());
    parts.headers.insert(header::CONTENT_LENGTH, length);
    (parts, text).into_response()
}

fn write_dates(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(write_dates),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value.as_i64() {
                    Some(ms) if is_date(name) => *value = text(ms).into(),
                    _ => write_dates(value),
                }
            }
        }
        _ => {}
    }
}

fn text(ms: i64) -> String {
    u64::try_from(ms).map_or_else(
        |_| BEFORE_THE_EPOCH.to_owned(),
        |ms| utc::as_spark_writes(Time::from_millis(ms)),
    )
}
