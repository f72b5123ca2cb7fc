//! The status for people: what matters most comes first, one subject a line.

use serde_json::Value;

use super::super::error::Result;
use super::super::output::{self, Output};
use super::super::terminal::Paint;
use crate::clock::wall_clock;
use crate::scheduler::CatchUp;
use crate::time::{Time, millis};
use crate::utc;

/// A JSON object, looked at.
struct Of<'a>(&'a Value);

impl<'a> Of<'a> {
    fn number(&self, path: &str) -> Option<u64> {
        self.0.pointer(path).and_then(Value::as_u64)
    }

    fn count(&self, path: &str) -> u64 {
        self.number(path).unwrap_or_default()
    }

    fn text(&self, path: &str) -> &'a str {
        let text = self.0.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    fn is(&self, path: &str) -> bool {
        let is = self.0.pointer(path).and_then(Value::as_bool);
        is.unwrap_or_default()
    }

    fn list(&self, path: &str) -> impl Iterator<Item = Of<'a>> + use<'a> {
        let list = self.0.pointer(path).and_then(Value::as_array);
        list.into_iter().flatten().map(Of)
    }

    /// Milliseconds since a time.
    fn age(&self, path: &str) -> Option<u64> {
        let time = Time::from_millis(self.number(path)?);
        Some(millis(wall_clock().since(time)))
    }
}

/// A subject's line, and those below it.
struct Lines<'a>(&'a mut Output);

impl Lines<'_> {
    fn of(&mut self, subject: &str, text: &str) -> Result<()> {
        self.0.line(format!("  {subject:12}{text}"))
    }

    fn more(&mut self, text: &str) -> Result<()> {
        self.of("", text)
    }
}

pub(super) fn show(out: &mut Output, all: &Value) -> Result<()> {
    let (all, paint) = (Of(all), Paint::of_results());
    let name = all.text("/application/name");
    let state = all.text("/application/attempts/0/state").to_lowercase();
    let uptime = output::length(all.count("/application/attempts/0/duration"));
    let ready = match all.is("/ready") {
        true => paint.good("ready"),
        false => paint.bad("NOT READY"),
    };
    out.line(format!(
        "{}: {state}, {ready}, for {uptime}",
        paint.strong(name)
    ))?;
    for reason in all.list("/reasons") {
        let reason = reason.0.as_str().unwrap_or_default();
        out.line(format!("  because {reason}"))?;
    }
    let mut lines = Lines(out);
    for warning in all.list("/warnings") {
        lines.of("WARNING", warning.0.as_str().unwrap_or_default())?;
    }
    batches(&mut lines, &all)?;
    sources(&mut lines, &all, paint)?;
    space(&mut lines, &all, paint)?;
    checkpoint(&mut lines, &all, paint)?;
    logs(&mut lines, &all, paint)
}

fn batches(lines: &mut Lines<'_>, all: &Of<'_>) -> Result<()> {
    // Not told while it starts.
    if all.0.pointer("/statistics/batchDuration").is_none() {
        return Ok(());
    }
    let delays = ["avgSchedulingDelay", "avgProcessingTime", "avgTotalDelay"]
        .map(|key| all.number(&format!("/statistics/{key}")));
    let delays = match delays {
        [Some(scheduling), Some(processing), Some(total)] => format!(
            "; on average {scheduling} ms scheduling + {processing} ms processing = {total} ms"
        ),
        _ => String::new(),
    };
    lines.of(
        "batches",
        &format!(
            "{} completed, {} waiting or running, one every {} ms{delays}",
            all.count("/statistics/numTotalCompletedBatches"),
            all.count("/statistics/numActiveBatches"),
            all.count("/statistics/batchDuration"),
        ),
    )?;
    let behind = all.0.pointer("/statistics/catchUp").cloned();
    if let Some(Ok(behind)) = behind.map(serde_json::from_value::<CatchUp>) {
        let records = output::count(behind.records_left, "record");
        lines.more(&format!("{behind}; {records} wait"))?;
    }
    let rate = all.0.pointer("/statistics/avgInputRate");
    let rate = rate.and_then(Value::as_f64);
    let rate = rate.map(|rate| format!(", {rate:.1}/s of late"));
    let processed = all.count("/statistics/numProcessedRecords");
    lines.of(
        "records",
        &format!("{processed} processed{}", rate.unwrap_or_default()),
    )?;
    for limit in all.list("/statistics/rates") {
        if let Some(rate) = limit.0.get("rateLimit").and_then(Value::as_f64) {
            let stream = limit.text("/streamName");
            lines.of(
                "held back",
                &format!("{stream}: {rate:.0} records/s at most"),
            )?;
        }
    }
    Ok(())
}

/// Every input: how its receiver is doing, if it has one, and how much of it waits.
fn sources(lines: &mut Lines<'_>, all: &Of<'_>, paint: Paint) -> Result<()> {
    for source in all.list("/receivers") {
        let name = source.text("/streamName");
        let mut facts = Vec::new();
        match source.text("/state") {
            "" => {}
            "ACTIVE" => facts.push("active".to_owned()),
            other => facts.push(paint.bad(&other.to_lowercase())),
        }
        if let Some(records) = source.number("/records") {
            facts.push(output::count(records, "record"));
        }
        if let Some(restarts) = source.number("/restarts") {
            facts.push(output::count(restarts, "restart"));
        }
        let lag = all.list("/lags").find(|lag| lag.text("/uid") == name);
        facts.extend(lag.as_ref().and_then(waiting));
        let kind = match source.0.get("state").is_some() {
            true => "receiver",
            false => "source",
        };
        let told = [facts.join(", "), source.text("/location").to_owned()];
        let told: Vec<String> = told.into_iter().filter(|part| !part.is_empty()).collect();
        lines.of(kind, &format!("{name}: {}", told.join("; ")))?;
        if let Some(age) = lag.and_then(|lag| lag.age("/atRiskSince")) {
            let age = output::length(age);
            lines.more(&paint.warning(&format!(
                "a crash now would lose what came in the last {age}"
            )))?;
        }
        let error = source.text("/lastError");
        if !error.is_empty() {
            let ago = source.age("/lastErrorTime");
            let ago = ago.map(|ago| format!(", {} ago", output::length(ago)));
            let ago = ago.unwrap_or_default();
            lines.more(&format!("last error{ago}: {error}"))?;
        }
    }
    Ok(())
}

/// How much of a source is in no complete batch, if anything is.
fn waiting(lag: &Of<'_>) -> Option<String> {
    let files = lag.number("/files").filter(|files| *files > 0);
    let records = lag.number("/records").filter(|records| *records > 0);
    let what = match (files, records) {
        (Some(files), _) => output::count(files, "file"),
        (None, Some(records)) => output::count(records, "record"),
        (None, None) => return None,
    };
    let oldest = lag.age("/oldest");
    let oldest = oldest.map(|age| format!(", the oldest for {}", output::length(age)));
    Some(format!("waiting: {what}{}", oldest.unwrap_or_default()))
}

fn space(lines: &mut Lines<'_>, all: &Of<'_>, paint: Paint) -> Result<()> {
    let low = all.list("/space/disks").filter(|disk| disk.is("/isLow"));
    for disk in low {
        let free = output::bytes(disk.count("/free"));
        let what = format!(
            "{} of {} is nearly full: {free} left",
            disk.text("/path"),
            disk.text("/name")
        );
        lines.of("disk", &paint.bad(&what))?;
    }
    Ok(())
}

fn checkpoint(lines: &mut Lines<'_>, all: &Of<'_>, paint: Paint) -> Result<()> {
    match all.number("/checkpoint/time") {
        Some(time) => {
            let age = output::length(all.count("/checkpoint/age"));
            let age = match all.is("/checkpoint/isStale") {
                true => paint.bad(&format!("cut {age} ago, which is TOO OLD")),
                false => format!("cut {age} ago"),
            };
            lines.of(
                "checkpoint",
                &format!(
                    "{} UTC, {age}, {}, epoch {}, at {}",
                    utc::for_people(Time::from_millis(time)),
                    output::bytes(all.count("/checkpoint/bytes")),
                    all.count("/checkpoint/epoch"),
                    all.text("/checkpoint/location"),
                ),
            )?;
        }
        None if all.0.pointer("/checkpoint/location").is_some() => {
            lines.of("checkpoint", "none yet")?;
        }
        None => {}
    }
    if let Some(age) = all.age("/checkpoint/inFlight") {
        lines.more(&format!("one is being written for {}", output::length(age)))?;
    }
    let savepoints: Vec<String> = all
        .list("/checkpoint/savepoints")
        .map(|savepoint| savepoint.text("/name").to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if !savepoints.is_empty() {
        lines.of("savepoints", &savepoints.join(", "))?;
    }
    let error = all.text("/checkpoint/lastError");
    if !error.is_empty() {
        let failures = all.count("/checkpoint/failures");
        let what = format!("{failures} couldn't be written; the last: {error}");
        lines.more(&paint.warning(&what))?;
    }
    for skipped in all.list("/checkpoint/skippedAtRecovery") {
        let skipped = skipped.0.as_str().unwrap_or_default();
        lines.of(
            "WARNING",
            &format!("the start passed over a damaged checkpoint, {skipped}"),
        )?;
    }
    for notice in all.list("/checkpoint/notices") {
        lines.of("WARNING", notice.0.as_str().unwrap_or_default())?;
    }
    Ok(())
}

fn logs(lines: &mut Lines<'_>, all: &Of<'_>, paint: Paint) -> Result<()> {
    for log in all.list("/logs") {
        let synced = log.age("/lastSync");
        let synced = synced.map(|age| format!(", the last {} ago", output::length(age)));
        lines.of(
            "log",
            &format!(
                "{}: {} in {}, {} in {}{}",
                log.text("/name"),
                output::bytes(log.count("/bytes")),
                output::count(log.count("/segments"), "segment"),
                output::count(log.count("/appends"), "append"),
                output::count(log.count("/syncs"), "sync"),
                synced.unwrap_or_default(),
            ),
        )?;
        let poisoned = log.text("/poisoned");
        if !poisoned.is_empty() {
            lines.more(&paint.bad(&format!("takes no more: {poisoned}")))?;
        }
    }
    Ok(())
}
