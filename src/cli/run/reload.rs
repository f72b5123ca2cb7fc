//! [`Reloader`]: reads all layers of the settings again and has the running program go on with them.
//!
//! Invariant: all or nothing. Whatever can fail comes first: reading, checking, comparing, the tokens, the log's
//! level; then everything is applied, which can't fail.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tidemill_config::{Change, Pipeline, Stop};

use super::super::args::PipelineArgs;
use super::super::error::CliError;
use super::super::logging::{self, LogLevel};
use super::super::{load, notify};
use super::secrets::{self, Locks};
use crate::access::AUDIT;
use crate::admin::{ReloadError, Reloaded, ReloadedSetting};
use crate::{ContextState, StreamingContext};

/// What a reload works on.
pub(super) struct Reloader {
    args: PipelineArgs,
    context: StreamingContext,
    locks: Locks,
    level: LogLevel,
    /// The pipeline whose settings are in force.
    running: Mutex<Pipeline>,
}

impl Reloader {
    pub(super) fn new(
        args: PipelineArgs,
        context: StreamingContext,
        locks: Locks,
        level: LogLevel,
        running: Pipeline,
    ) -> Self {
        Self {
            args,
            context,
            locks,
            level,
            running: Mutex::new(running),
        }
    }

    /// How long a stop may take, as the settings in force say.
    pub(super) fn stop_limits(&self) -> Stop {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.stop.clone()
    }

    /// Reloads, and tells the log and the service manager how it went. `by` is who asked.
    pub(super) fn reload(&self, by: &str) -> Result<Reloaded, ReloadError> {
        // One at a time: what is compared must be what is replaced.
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.context.state() != ContextState::Active {
            tracing::warn!(target: AUDIT, by, "audit: not reloaded: it is starting or stopping");
            return Err(ReloadError::NotActive);
        }
        notify::reloading();
        let reloaded = self.change(&mut running);
        drop(running);
        let told = match &reloaded {
            Ok(Reloaded { changed }) if changed.is_empty() => {
                "reloaded; nothing differs".to_owned()
            }
            Ok(Reloaded { changed }) => format!("reloaded: {}", listed(changed)),
            Err(ReloadError::NotActive) => "not reloaded: it is stopping".to_owned(),
            Err(ReloadError::Mistakes(mistakes)) => {
                // A line of the log is one line.
                let mistakes = mistakes.join("; ").replace("\n  ", "; ");
                format!("not reloaded, nothing is changed: {mistakes}")
            }
            Err(ReloadError::NeedsRestart(changes)) => {
                let refused = changes
                    .iter()
                    .filter(|change| change.needs_restart.is_some());
                let refused: Vec<ReloadedSetting> = refused.cloned().collect();
                format!("not reloaded, nothing is changed: {}", listed(&refused))
            }
        };
        match &reloaded {
            Ok(_) => tracing::info!(target: AUDIT, by, "audit: {told}"),
            Err(_) => tracing::error!(target: AUDIT, by, "audit: {told}"),
        }
        notify::ready(&told);
        reloaded
    }

    fn change(&self, running: &mut Pipeline) -> Result<Reloaded, ReloadError> {
        let mistakes = |error: CliError| ReloadError::Mistakes(error.lines());
        let new = load::pipeline(&self.args).map_err(mistakes)?;
        let changes = running.changes(&new).into_iter().map(setting);
        let mut changes: Vec<ReloadedSetting> = changes.collect();
        for change in changes
            .iter_mut()
            .filter(|change| change.key == "log.level")
        {
            change.needs_restart = logging::level_of_environment()
                .map(|_| "RUST_LOG is set, which goes before it".to_owned());
        }
        if changes.iter().any(|change| change.needs_restart.is_some()) {
            return Err(ReloadError::NeedsRestart(changes));
        }
        let keys = secrets::read(&new).map_err(mistakes)?;
        let filter = logging::filter(&new.log).map_err(mistakes)?;
        match self.context.tune(&load::tuning(&self.context, &new)) {
            Err(crate::Error::WrongState(_)) => return Err(ReloadError::NotActive),
            tuned => tuned.map_err(|error| mistakes(error.into()))?,
        }
        self.locks.change(keys, self.context.ingest());
        self.level.set(filter);
        for warning in &new.warnings {
            tracing::warn!("{}: {}", warning.location, warning.message);
        }
        *running = new;
        Ok(Reloaded { changed: changes })
    }
}

fn setting(change: Change) -> ReloadedSetting {
    let json = |value: Option<String>| {
        value.map_or(Value::Null, |value| {
            serde_json::from_str(&value).unwrap_or(Value::String(value))
        })
    };
    ReloadedSetting {
        key: change.key,
        running: json(change.running),
        new: json(change.new),
        from: change.origin,
        needs_restart: change.needs_restart.map(str::to_owned),
    }
}

/// Changes in a line.
fn listed(changes: &[ReloadedSetting]) -> String {
    let one = |change: &ReloadedSetting| {
        let reason = change.needs_restart.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!("; {reason}"));
        format!(
            "{} {} → {} ({}{reason})",
            change.key,
            shown(&change.running),
            shown(&change.new),
            change.from
        )
    };
    let all: Vec<String> = changes.iter().map(one).collect();
    all.join(", ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    }
}
