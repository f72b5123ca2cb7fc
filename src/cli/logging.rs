//! Logs go to standard error: as text or JSON, coloured only on a terminal.

use std::io::{IsTerminal, stderr};

use tidemill_config::{Log, LogFormat};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, reload};

use super::error::{CliError, Result};

/// Starts the logs of a daemon.
pub(super) fn start(log: &Log) -> Result<LogLevel> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(log)?)
        .with_writer(stderr)
        .with_ansi(is_colourful());
    // A second start (there is none but in tests) keeps the first one's settings.
    Ok(match log.format {
        LogFormat::Text => {
            let builder = builder.with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            LogLevel(Box::new(move |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            LogLevel(Box::new(move |filter| handle.reload(filter)))
        }
    })
}

/// What a daemon logs, which may change while it runs.
pub(super) struct LogLevel(Box<SetFilter>);

type SetFilter = dyn Fn(EnvFilter) -> std::result::Result<(), reload::Error> + Send + Sync;

impl LogLevel {
    pub(super) fn set(&self, filter: EnvFilter) {
        // It fails when the log is gone, and then nobody could be told.
        let _ = (self.0)(filter);
    }
}

/// The level that `RUST_LOG` sets, which goes before the pipeline's.
pub(super) fn level_of_environment() -> Option<String> {
    let level = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    level.filter(|level| !level.is_empty())
}

/// What is logged. Who changed what is told at any level but `off`.
pub(super) fn filter(log: &Log) -> Result<EnvFilter> {
    let level = level_of_environment().unwrap_or_else(|| log.level.clone());
    let audit = match level.trim() {
        "off" => "",
        _ => "audit=info,",
    };
    EnvFilter::try_new(format!("{audit}{level}")).map_err(|error| {
        CliError::Usage(format!(
            "`{level}` is no log level: {error}; write info, or sled=warn,debug"
        ))
    })
}

/// For commands that end by themselves: warnings only, without the time.
pub(super) fn start_plain() {
    let _ = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .without_time()
        .with_target(false)
        .with_writer(stderr)
        .with_ansi(is_colourful())
        .try_init();
}

/// Whether people look at it, and want colours (<https://no-color.org>).
fn is_colourful() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
