//! Logs go to standard error: as text or JSON, coloured only on a terminal. Where that is systemd's journal, each
//! line begins with its priority, and what the journal adds itself, the time and the level, is left out of text.

use std::fmt;
use std::io::stderr;
use std::os::fd::AsFd;

use tidemill_config::{Log, LogFormat};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

use super::error::{CliError, Result};
use super::terminal::{Lines, is_colourful};

/// Starts the logs of a daemon.
pub(super) fn start(log: &Log) -> Result<LogLevel> {
    let (filter, handle) = reload::Layer::new(filter(log)?);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(Lines)
        .with_ansi(is_colourful());
    let lines = match (log.format, is_journal()) {
        (LogFormat::Text, false) => lines.with_target(false).boxed(),
        (LogFormat::Text, true) => {
            let bare = lines.with_target(false).with_level(false).without_time();
            bare.map_event_format(Prioritised).boxed()
        }
        (LogFormat::Json, false) => lines.json().flatten_event(true).boxed(),
        (LogFormat::Json, true) => {
            let json = lines.json().flatten_event(true);
            json.map_event_format(Prioritised).boxed()
        }
    };
    // A second start (there is none but in tests) keeps the first one's settings.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Ok(LogLevel(Box::new(move |filter| handle.reload(filter))))
}

/// Lines of another format, each with the priority that the journal reads and takes off again.
struct Prioritised<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritised<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The levels of sd-daemon(3).
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Whether standard error is the journal's, not one that was put in its place.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let found = rustix::fs::fstat(stderr().as_fd());
    found.is_ok_and(|found| named == format!("{}:{}", found.st_dev, found.st_ino))
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
