//! Logs go to standard error: as text or JSON, coloured only on a terminal.

use std::io::{IsTerminal, stderr};

use tidemill_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::error::{CliError, Result};

/// Starts the logs of a daemon; `RUST_LOG` wins over the pipeline's level.
pub(super) fn start(log: &Log) -> Result<()> {
    let level = std::env::var(EnvFilter::DEFAULT_ENV)
        .ok()
        .filter(|level| !level.is_empty());
    let level = level.unwrap_or_else(|| log.level.clone());
    let filter = EnvFilter::try_new(&level).map_err(|error| {
        CliError::Usage(format!(
            "`{level}` is no log level: {error}; write info, or sled=warn,debug"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(is_colourful());
    // A second start (there is none but in tests) keeps the first one's settings.
    let _ = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
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
