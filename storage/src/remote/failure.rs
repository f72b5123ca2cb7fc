//! What a failed request means: for `object_store`'s errors, what to do about them.
//!
//! The crate keeps the type that holds an answer's status to itself, and sorts only some statuses into
//! variants of its error. The others are read from the text of its message, whose wording a test
//! against real answers holds.

use std::error::Error as StdError;

use object_store::Error as StoreError;

use crate::error::ErrorKind;

/// How a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such object.
    Absent,
    /// A condition didn't hold, or another write was going on at the same time.
    Conflict(StoreError),
    /// The range that was asked for begins behind the object's end.
    PastEnd(StoreError),
    /// It may go well next time.
    Passing(Box<dyn StdError + Send + Sync>),
    /// It won't, until somebody changes something.
    Final(ErrorKind, Refusal),
}

/// A store's refusal, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{meaning}: {source}")]
pub(super) struct Refusal {
    meaning: &'static str,
    source: StoreError,
}

const START_OF_STATUS: &str = "Server returned non-2xx status code: ";
const REDIRECTED: &str = "Received redirect without LOCATION";
/// Azurite answers a range that begins at the end with no bytes instead of 416, and the store in memory
/// has no statuses; the crate says the same of both.
const BEHIND_THE_END: &str = "Wanted range starting at ";
/// Error codes, in the bodies of S3 and GCS, and of Azure.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];
/// Where a machine of Amazon, Azure or Google finds credentials.
const METADATA_SERVICES: [&str; 2] = ["//169.254.169.254", "//metadata"];
/// S3 answers 400 when the connection was too slow for it.
const TOO_SLOW: &str = "<Code>RequestTimeout</Code>";

impl Failure {
    /// What `error` means.
    pub(super) fn of(error: StoreError) -> Self {
        let text = innermost_text(&error);
        let refusal = |kind, meaning, source| Self::Final(kind, Refusal { meaning, source });
        match Answer::of(&error) {
            Answer::Status(404) if NO_BUCKET.iter().any(|code| text.contains(code)) => {
                let meaning =
                    "the bucket or container doesn't exist: create it, or correct the location";
                refusal(ErrorKind::Refused, meaning, error)
            }
            Answer::Status(404) => Self::Absent,
            Answer::Status(409 | 412) => Self::Conflict(error),
            Answer::Status(416) | Answer::PastEnd => Self::PastEnd(error),
            Answer::Status(400) if text.contains(TOO_SLOW) => Self::Passing(Box::new(error)),
            Answer::Unknown | Answer::Status(408 | 429 | 500..=599) => {
                Self::Passing(with_hint(error))
            }
            Answer::Status(401) => {
                let meaning = "the store doesn't accept the credentials: check the AWS_*, GOOGLE_* \
                    or AZURE_* variables";
                refusal(ErrorKind::Denied, meaning, error)
            }
            Answer::Status(403) => {
                let meaning = "the store denies it: the credentials must be allowed to read, write, \
                    list and delete here";
                refusal(ErrorKind::Denied, meaning, error)
            }
            Answer::Redirect | Answer::Status(300..=399) => {
                let meaning = "the store sends elsewhere: check the region and the endpoint";
                refusal(ErrorKind::Refused, meaning, error)
            }
            Answer::Status(_) => {
                let meaning = "the store refuses the request: check the bucket's name, the region \
                    and the endpoint";
                refusal(ErrorKind::Refused, meaning, error)
            }
            Answer::Impossible => {
                let meaning = "this store, as configured, can't do it";
                refusal(ErrorKind::Unsupported, meaning, error)
            }
        }
    }
}

/// What came back, as far as the crate's error tells.
enum Answer {
    /// Nothing, or something that can't be read.
    Unknown,
    Status(u16),
    Redirect,
    /// Less than the range that was asked for.
    PastEnd,
    /// The crate didn't even ask.
    Impossible,
}

impl Answer {
    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::Status(404),
            StoreError::AlreadyExists { .. } => Self::Status(409),
            StoreError::Precondition { .. } => Self::Status(412),
            StoreError::PermissionDenied { .. } => Self::Status(403),
            StoreError::Unauthenticated { .. } => Self::Status(401),
            StoreError::NotSupported { .. }
            | StoreError::NotImplemented { .. }
            | StoreError::InvalidPath { .. } => Self::Impossible,
            other => Self::told_by(other),
        }
    }

    /// What the texts of an error and its sources tell.
    fn told_by(error: &(dyn StdError + 'static)) -> Self {
        let mut current = Some(error);
        while let Some(error) = current {
            let text = error.to_string();
            if let Some(rest) = text.strip_prefix(START_OF_STATUS) {
                let digits = rest.get(..3).and_then(|digits| digits.parse().ok());
                return digits.map_or(Self::Unknown, Self::Status);
            }
            if text.starts_with(REDIRECTED) {
                return Self::Redirect;
            }
            if text.starts_with(BEHIND_THE_END) {
                return Self::PastEnd;
            }
            current = error.source();
        }
        Self::Unknown
    }
}

/// Whoever set no credentials is told so: the crate then asks the machine, which few have that answers.
fn with_hint(error: StoreError) -> Box<dyn StdError + Send + Sync> {
    let text = error.to_string();
    if METADATA_SERVICES.iter().any(|host| text.contains(host)) {
        return format!(
            "no credentials are set (AWS_*, GOOGLE_* or AZURE_* variables), and the machine's metadata \
            service gives none: {text}"
        )
        .into();
    }
    Box::new(error)
}

fn innermost_text(error: &(dyn StdError + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str);

    fn generic(text: &'static str) -> StoreError {
        StoreError::Generic {
            store: "S3",
            source: Box::new(Said(text)),
        }
    }

    #[test]
    fn statuses_are_sorted_by_what_helps() {
        let of = |text| Failure::of(generic(text));
        for passing in [
            "Server returned non-2xx status code: 500 Internal Server Error: ",
            "Server returned non-2xx status code: 503 Service Unavailable: SlowDown",
            "Server returned non-2xx status code: 429 Too Many Requests: ",
            "Server returned non-2xx status code: 408 Request Timeout: ",
            "Server returned non-2xx status code: 400 Bad Request: <Code>RequestTimeout</Code>",
            "Server returned error response: <Code>InternalError</Code>",
            "error decoding response body",
        ] {
            assert!(matches!(of(passing), Failure::Passing(_)), "{passing}");
        }
        for last in [
            "Server returned non-2xx status code: 400 Bad Request: <Code>InvalidBucketName</Code>",
            "Server returned non-2xx status code: 301 Moved Permanently: ",
            "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
        ] {
            assert!(
                matches!(of(last), Failure::Final(ErrorKind::Refused, _)),
                "{last}"
            );
        }
        assert!(matches!(
            of("Server returned non-2xx status code: 401 Unauthorized: "),
            Failure::Final(ErrorKind::Denied, _)
        ));
        assert!(matches!(
            of("Wanted range starting at 10, but object was only 10 bytes long"),
            Failure::PastEnd(_)
        ));
        assert!(matches!(
            of("Server returned non-2xx status code: 416 Range Not Satisfiable: "),
            Failure::PastEnd(_)
        ));
    }

    #[test]
    fn whoever_set_no_credentials_is_told_so() {
        let asked = generic("Error performing PUT http://169.254.169.254/latest/api/token");
        match Failure::of(asked) {
            Failure::Passing(error) => {
                assert!(error.to_string().starts_with("no credentials"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_bucket_is_not_a_missing_object() {
        let missing = |text| StoreError::NotFound {
            path: "a".into(),
            source: Box::new(Said(text)),
        };
        assert!(matches!(
            Failure::of(missing("<Code>NoSuchKey</Code>")),
            Failure::Absent
        ));
        for bucket in [
            "<Code>NoSuchBucket</Code>",
            "<Code>ContainerNotFound</Code>",
        ] {
            match Failure::of(missing(bucket)) {
                Failure::Final(ErrorKind::Refused, refusal) => {
                    assert!(refusal.to_string().contains("create it"), "{refusal}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
