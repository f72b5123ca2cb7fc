//! `tidemill status`, `stop` and `checkpoint create`: what is asked of a running pipeline.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::{CreateArgs, ForgetArgs, StatusArgs, StopArgs};
use super::client::Client;
use super::error::{CliError, Result};
use super::output::{self, Output};
use crate::scheduler::CatchUp;
use crate::time::Time;
use crate::utc;

/// A bit longer than the daemon takes to give up.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(70);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Shows how a pipeline is doing.
pub(super) fn status(args: &StatusArgs) -> Result<()> {
    let client = Client::new(&args.admin)?;
    let applications = client.get("/api/v1/applications")?.good()?;
    let application = applications.get(0).cloned().unwrap_or_default();
    let name = application
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let base = format!("/api/v1/applications/{name}/streaming");
    let ready = client.get("/readyz")?;
    // Parts that a pipeline can't tell while it starts or stops are null.
    let part = |path: &str| {
        client
            .get(path)
            .map(|answer| answer.good().unwrap_or(Value::Null))
    };
    let wal = part("/api/v1/wal")?;
    let all = json!({
        "application": application,
        "ready": ready.status == 200,
        "reasons": ready.body.get("reasons").cloned().unwrap_or_else(|| json!([])),
        "statistics": part(&format!("{base}/statistics"))?,
        "receivers": part(&format!("{base}/receivers"))?,
        "checkpoint": part("/api/v1/checkpoint")?,
        "logs": wal.get("logs").cloned().unwrap_or_default(),
        "space": wal.get("space").cloned().unwrap_or_default(),
    });
    let mut out = Output::new();
    match args.json {
        true => out.json(&all)?,
        false => show(&mut out, &name, &all)?,
    }
    out.finish()
}

fn show(out: &mut Output, name: &str, all: &Value) -> Result<()> {
    let number = |path: &str| all.pointer(path).and_then(Value::as_u64);
    let count = |path: &str| number(path).unwrap_or_default();
    let text = |path: &str| {
        all.pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let state = text("/application/attempts/0/state").to_lowercase();
    let ready = all
        .get("ready")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let uptime = output::length(count("/application/attempts/0/duration"));
    out.line(format!(
        "{name}: {state}, {}, for {uptime}",
        if ready { "ready" } else { "NOT READY" }
    ))?;
    for reason in all
        .get("reasons")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        out.line(format!("  because {}", reason.as_str().unwrap_or_default()))?;
    }
    let delays = ["avgSchedulingDelay", "avgProcessingTime", "avgTotalDelay"]
        .map(|key| number(&format!("/statistics/{key}")));
    let delays = match delays {
        [Some(scheduling), Some(processing), Some(total)] => format!(
            "; on average {scheduling} ms scheduling + {processing} ms processing = {total} ms"
        ),
        _ => String::new(),
    };
    out.line(format!(
        "  batches     {} completed, {} waiting or running, one every {} ms{delays}",
        count("/statistics/numTotalCompletedBatches"),
        count("/statistics/numActiveBatches"),
        count("/statistics/batchDuration"),
    ))?;
    let behind = all.pointer("/statistics/catchUp").cloned();
    if let Some(Ok(behind)) = behind.map(serde_json::from_value::<CatchUp>) {
        let records = output::count(behind.records_left, "record");
        out.line(format!("              {behind}; {records} wait"))?;
    }
    let rate = all
        .pointer("/statistics/avgInputRate")
        .and_then(Value::as_f64);
    let rate = rate
        .map(|rate| format!(", {rate:.1}/s of late"))
        .unwrap_or_default();
    out.line(format!(
        "  records     {} processed{rate}",
        count("/statistics/numProcessedRecords")
    ))?;
    let rates = all.pointer("/statistics/rates").and_then(Value::as_array);
    for limit in rates.into_iter().flatten() {
        let stream = limit.get("streamName").and_then(Value::as_str);
        if let (Some(stream), Some(limit)) =
            (stream, limit.get("rateLimit").and_then(Value::as_f64))
        {
            out.line(format!(
                "  held back   {stream}: {limit:.0} records/s at most"
            ))?;
        }
    }
    for receiver in all
        .get("receivers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        // Inputs without a receiver are listed, too.
        .filter(|receiver| receiver.get("state").is_some())
    {
        let field = |key: &str| {
            receiver
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let count = |key: &str| {
            receiver
                .get(key)
                .and_then(Value::as_u64)
                .unwrap_or_default()
        };
        out.line(format!(
            "  receiver    {}: {}, {}, {}; {}",
            field("streamName"),
            field("state").to_lowercase(),
            output::count(count("records"), "record"),
            output::count(count("restarts"), "restart"),
            field("location"),
        ))?;
        if !field("lastError").is_empty() {
            out.line(format!("              last error: {}", field("lastError")))?;
        }
    }
    if let Some(time) = number("/checkpoint/time") {
        out.line(format!(
            "  checkpoint  {} UTC, cut {} ago, {}, epoch {}, at {}",
            utc::for_people(Time::from_millis(time)),
            output::length(count("/checkpoint/age")),
            output::bytes(count("/checkpoint/bytes")),
            count("/checkpoint/epoch"),
            text("/checkpoint/location"),
        ))?;
    }
    if all
        .pointer("/checkpoint/lastError")
        .is_some_and(|error| !error.is_null())
    {
        let failures = count("/checkpoint/failures");
        let error = text("/checkpoint/lastError");
        out.line(format!(
            "              {failures} couldn't be written; the last: {error}"
        ))?;
    }
    let told = |field: &str| {
        let found = all.pointer(&format!("/checkpoint/{field}"));
        let texts = found.and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned)
    };
    for skipped in told("skippedAtRecovery") {
        out.line(format!(
            "  WARNING     the start passed over a damaged checkpoint, {skipped}"
        ))?;
    }
    for notice in told("notices") {
        out.line(format!("  WARNING     {notice}"))?;
    }
    for log in all
        .get("logs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let count = |key: &str| log.get(key).and_then(Value::as_u64).unwrap_or_default();
        out.line(format!(
            "  log         {}: {} in {}, {} in {}",
            log.get("name").and_then(Value::as_str).unwrap_or_default(),
            output::bytes(count("bytes")),
            output::count(count("segments"), "segment"),
            output::count(count("appends"), "append"),
            output::count(count("syncs"), "sync"),
        ))?;
        if let Some(reason) = log.get("poisoned").and_then(Value::as_str) {
            out.line(format!("              takes no more: {reason}"))?;
        }
    }
    Ok(())
}

/// Asks to stop; returns when that has been accepted.
pub(super) fn stop(args: &StopArgs) -> Result<()> {
    let graceful = !args.now;
    let client = Client::new(&args.admin)?;
    let path = format!("/api/v1/stop?graceful={graceful}");
    let answer = client.post(&path, STOP_LIMIT)?.good()?;
    let mut out = Output::new();
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
    let number = |key: &str| cut.get(key).and_then(Value::as_u64).unwrap_or_default();
    let named = args.name.as_ref();
    let named = named.map_or_else(String::new, |name| format!(", savepoint `{name}`,"));
    let mut out = Output::new();
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
    Client::new(&args.admin)?.post(&path, STOP_LIMIT)?.good()?;
    let mut out = Output::new();
    out.line(format!("the savepoint `{}` is forgotten", args.name))?;
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
