//! [`Trouble`]: says once that a store is in trouble, and once that it is over.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A store that fails every now and then is told of at most so often.
const QUIET: Duration = Duration::from_secs(60);

/// The log's view of a store that fails.
#[derive(Debug)]
pub(super) struct Trouble {
    url: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when requests have failed, while any is being tried again.
    since: Option<Instant>,
    failed_tries: u64,
    /// Whether this trouble was told of.
    told: bool,
    last_told: Option<Instant>,
}

impl Trouble {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A try failed and will be repeated.
    pub(super) fn failed(&self, operation: &str, object: &str, error: &dyn fmt::Display) {
        let now = Instant::now();
        let mut state = self.state();
        state.failed_tries += 1;
        if state.since.is_none() {
            state.since = Some(now);
            state.failed_tries = 1;
            state.told = state.last_told.is_none_or(|last| now - last >= QUIET);
            if state.told {
                state.last_told = Some(now);
                tracing::warn!(
                    store = %self.url, operation, object, %error,
                    "the object store is in trouble; requests are tried again"
                );
                return;
            }
        }
        tracing::debug!(store = %self.url, operation, object, %error, "a try failed");
    }

    /// A request that had failed went through.
    pub(super) fn recovered(&self) {
        let mut state = self.state();
        let Some(since) = state.since.take() else {
            return;
        };
        if state.told {
            tracing::warn!(
                store = %self.url,
                seconds = since.elapsed().as_secs_f32(),
                failed_tries = state.failed_tries,
                "the object store answers again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn trouble_is_told_when_it_starts_and_when_it_is_over_but_not_in_between() {
        let log = Log::default();
        let lines = || -> Vec<String> {
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _default = tracing::subscriber::set_default(subscriber);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let trouble = Trouble::new("s3://bucket".into());
            trouble.recovered();
            assert!(lines().is_empty(), "there was none");
            for _ in 0..5 {
                trouble.failed("put", "s3://bucket/a", &"503");
            }
            assert_eq!(lines().len(), 1, "{:?}", lines());
            assert!(lines()[0].contains("s3://bucket/a") && lines()[0].contains("503"));
            trouble.recovered();
            trouble.recovered();
            assert_eq!(lines().len(), 2, "{:?}", lines());
            assert!(lines()[1].contains("failed_tries=5"), "{:?}", lines());

            trouble.failed("put", "s3://bucket/a", &"503");
            trouble.recovered();
            assert_eq!(lines().len(), 2, "again so soon is not worth a line");
            tokio::time::advance(QUIET).await;
            trouble.failed("put", "s3://bucket/a", &"503");
            trouble.recovered();
            assert_eq!(lines().len(), 4, "{:?}", lines());
        });
    }
}
