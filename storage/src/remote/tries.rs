//! [`Tries`]: the attempts at one request, with waits between them and an end.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::policy::{RetryPolicy, Waits};
use super::trouble::Trouble;
use crate::error::{Error, ErrorKind, Result};

/// The attempts at one request.
pub(super) struct Tries<'a> {
    policy: &'a RetryPolicy,
    trouble: &'a Trouble,
    operation: &'static str,
    url: &'a str,
    waits: Waits,
    start: Instant,
    failed: u32,
}

impl<'a> Tries<'a> {
    /// The request of this number: `operation` on the object at `url`.
    pub(super) fn new(
        policy: &'a RetryPolicy,
        trouble: &'a Trouble,
        number: u64,
        operation: &'static str,
        url: &'a str,
    ) -> Self {
        Self {
            policy,
            trouble,
            operation,
            url,
            waits: policy.waits(number),
            start: Instant::now(),
            failed: 0,
        }
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn attempt<T>(
        &mut self,
        patience: Duration,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        match timeout(patience, request).await {
            Ok(Ok(answer)) => {
                if self.failed > 0 {
                    self.trouble.recovered();
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(Failure::of(error)),
            Err(_) => Err(Failure::Passing(
                format!("no answer within {patience:?}").into(),
            )),
        }
    }

    /// Something came: the time to give up counts from now.
    pub(super) fn progress(&mut self) {
        self.start = Instant::now();
    }

    /// Waits until it is time for another attempt; gives up when there shall be none.
    pub(super) async fn pause(&mut self, failure: Failure) -> Result<()> {
        if matches!(failure, Failure::Final(..)) {
            return Err(self.error(failure));
        }
        self.failed += 1;
        let wait = self.waits.next();
        if self.start.elapsed() + wait >= self.policy.give_up_after {
            return Err(self.error(failure));
        }
        self.trouble
            .failed(self.operation, self.url, &Reason(&failure));
        tokio::time::sleep(wait).await;
        Ok(())
    }

    pub(super) fn error(&self, failure: Failure) -> Error {
        let (kind, source) = match failure {
            Failure::Final(kind, refusal) => (kind, refusal.into()),
            other => (
                ErrorKind::Unavailable,
                format!(
                    "no usable answer within {:.1?} ({} tries): {}",
                    self.start.elapsed(),
                    self.failed,
                    Reason(&other)
                )
                .into(),
            ),
        };
        Error {
            operation: self.operation,
            path: self.url.to_owned(),
            kind,
            source,
        }
    }
}

struct Reason<'a>(&'a Failure);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Failure::Absent => f.write_str("there is no such object"),
            Failure::Conflict(error) | Failure::PastEnd(error) => error.fmt(f),
            Failure::Passing(error) => error.fmt(f),
            Failure::Final(_, refusal) => refusal.fmt(f),
        }
    }
}
