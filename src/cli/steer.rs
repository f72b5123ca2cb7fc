//! `tidemill stop`, `checkpoint create` and `checkpoint forget`: what a running pipeline is told to do.

use std::time::Duration;

use serde_json::Value;

use super::args::{CreateArgs, ForgetArgs, StopArgs};
use super::client::Client;
use super::error::{CliError, Result};
use super::output::{self, Output};

/// A bit longer than the daemon takes to give up.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(70);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Asks to stop; returns when that has been accepted.
pub(super) fn stop(args: &StopArgs) -> Result<()> {
    let graceful = !args.now;
    let client = Client::new(&args.admin)?;
    let path = format!("/api/v1/stop?graceful={graceful}");
    let answer = client.post(&path, STOP_LIMIT)?.good()?;
    let mut out = Output::new();
    if args.json {
        out.json(&answer)?;
        return out.finish();
    }
    out.line(match (answer.pointer("/step/text"), graceful) {
        (Some(Value::String(step)), true) => format!("stopping already: {step}"),
        (_, true) => "stopping: what was received is processed first".to_owned(),
        (_, false) => "stopping now: what is left is done after the next start".to_owned(),
    })?;
    out.finish()
}

/// Has a checkpoint cut; returns when it is durable.
pub(super) fn checkpoint(args: &CreateArgs) -> Result<()> {
    let path = match &args.name {
        Some(name) => format!("/api/v1/checkpoint?name={}", in_url(name)?),
        None => "/api/v1/checkpoint".to_owned(),
    };
    let cut = Client::new(&args.admin)?
        .post(&path, CHECKPOINT_LIMIT)?
        .good()?;
    let mut out = Output::new();
    if args.json {
        out.json(&cut)?;
        return out.finish();
    }
    let number = |key: &str| cut.get(key).and_then(Value::as_u64).unwrap_or_default();
    let named = args.name.as_ref();
    let named = named.map_or_else(String::new, |name| format!(", savepoint `{name}`,"));
    out.line(format!(
        "checkpoint {}{named} is durable: complete through {} ms, {}, {} ms",
        number("id"),
        number("time"),
        output::bytes(number("bytes")),
        number("duration"),
    ))?;
    out.finish()
}

/// Has a savepoint given up.
pub(super) fn forget(args: &ForgetArgs) -> Result<()> {
    let path = format!("/api/v1/checkpoint/forget?name={}", in_url(&args.name)?);
    let answer = Client::new(&args.admin)?.post(&path, STOP_LIMIT)?.good()?;
    let mut out = Output::new();
    match args.json {
        true => out.json(&answer)?,
        false => out.line(format!("the savepoint `{}` is forgotten", args.name))?,
    }
    out.finish()
}

/// A savepoint's name, as it can stand in a URL.
fn in_url(name: &str) -> Result<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => Ok(name),
        false => Err(CliError::Usage(format!(
            "a savepoint can't be called `{name}`: a name is 1 to 64 letters, digits, `-`, `_` or `.`"
        ))),
    }
}
