//! What is noted of changes: who asked for what, and what came of it. One line of the log each, of the target
//! `audit`, which they begin with, too: text lines don't show targets.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode, Uri};

use super::Caller;

/// The target of log lines that say who changed what.
pub(crate) const AUDIT: &str = "audit";

/// At most one line for refused requests in this time: whoever may nothing shall not fill the log.
const REFUSED_EVERY: Duration = Duration::from_secs(1);

/// The longest part of a path that is noted, in bytes.
const LONGEST: usize = 200;

/// Notes changes.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    told: Option<Instant>,
    /// Refused since then, and not told.
    more: u64,
}

impl Audit {
    /// Notes a request that changes something, with what it was answered.
    pub(crate) fn note(&self, caller: &Caller, method: &Method, uri: &Uri, status: StatusCode) {
        let what = format!("{method} {}", path(uri));
        let status = status.as_u16();
        if !matches!(status, 401 | 403) {
            tracing::info!(target: AUDIT, by = %caller, status, "audit: {what}");
            return;
        }
        match self.untold(Instant::now()) {
            Some(0) => {
                tracing::warn!(target: AUDIT, by = %caller, status, "audit: {what}: refused")
            }
            Some(more) => {
                tracing::warn!(target: AUDIT, by = %caller, status, more, "audit: {what}: refused, as were others before");
            }
            None => {}
        }
    }

    /// How many refused requests weren't told before this one, if this one is to be told.
    fn untold(&self, now: Instant) -> Option<u64> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let is_soon = |told: Instant| now.saturating_duration_since(told) < REFUSED_EVERY;
        if refused.told.is_some_and(is_soon) {
            refused.more += 1;
            return None;
        }
        refused.told = Some(now);
        Some(std::mem::take(&mut refused.more))
    }
}

/// A path and its query, as far as they are of use, in one line of visible characters.
fn path(uri: &Uri) -> String {
    let whole = uri.path_and_query().map_or("/", |path| path.as_str());
    let shown = whole.escape_debug().to_string();
    match shown.char_indices().find(|(at, _)| *at >= LONGEST) {
        Some((end, _)) => format!("{}...", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_requests_are_told_once_a_second_and_counted_between() {
        let (audit, now) = (Audit::default(), Instant::now());
        assert_eq!(audit.untold(now), Some(0));
        assert_eq!(audit.untold(now), None);
        assert_eq!(audit.untold(now + REFUSED_EVERY / 2), None);
        assert_eq!(audit.untold(now + REFUSED_EVERY), Some(2));
        assert_eq!(audit.untold(now + REFUSED_EVERY * 2), Some(0));
    }

    #[test]
    fn paths_are_short_and_visible() {
        let shown = |text: &str| path(&text.parse().unwrap());
        assert_eq!(
            shown("/api/v1/checkpoint?name=a%0Ab"),
            "/api/v1/checkpoint?name=a%0Ab"
        );
        let long = shown(&format!("/{}", "x".repeat(5000)));
        assert_eq!(long.len(), LONGEST + 3);
    }
}
