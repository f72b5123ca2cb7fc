//! `tidemill status`: how a running pipeline is doing, once or again and again.

mod show;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::StatusArgs;
use super::client::Client;
use super::error::{CliError, Result};
use super::output::Output;

/// Puts the cursor back to the beginning of the terminal, and clears it.
const HOME: &str = "\x1b[H\x1b[2J";

/// Shows how a pipeline is doing.
pub(super) fn status(args: &StatusArgs) -> Result<()> {
    let client = Client::new(&args.admin)?;
    let mut looked = look(&client)?;
    let Some(period) = args.watch else {
        return print(args, &looked, "");
    };
    let before = match stdout().is_terminal() {
        true => HOME,
        false => "\n",
    };
    loop {
        print(args, &looked, before)?;
        looked = loop {
            thread::sleep(Duration::from_secs(period.get().into()));
            match look(&client) {
                Ok(looked) => break looked,
                // It may have stopped, and may come back.
                Err(CliError::Failed(reason)) => {
                    // Whoever doesn't read it has gone.
                    writeln!(stderr(), "{reason}").map_err(|_| CliError::NobodyReads)?;
                }
                Err(other) => return Err(other),
            }
        };
    }
}

fn print(args: &StatusArgs, looked: &Value, before: &str) -> Result<()> {
    let mut out = Output::new();
    match (args.json, args.watch) {
        (true, None) => out.json(looked)?,
        (true, Some(_)) => out.json_line(looked)?,
        (false, _) => {
            out.bytes(before.as_bytes())?;
            show::show(&mut out, looked)?;
        }
    }
    out.finish()
}

/// All that the pipeline tells of itself.
fn look(client: &Client) -> Result<Value> {
    let applications = client.get("/api/v1/applications")?.good()?;
    let application = applications.get(0).cloned().unwrap_or_default();
    let name = application
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let base = format!("/api/v1/applications/{name}/streaming");
    let ready = client.get("/readyz")?;
    // Parts that a pipeline can't tell while it starts or stops are null.
    let part = |path: &str| {
        client
            .get(path)
            .map(|answer| answer.good().unwrap_or(Value::Null))
    };
    let (wal, graph) = (part("/api/v1/wal")?, part("/api/v1/graph")?);
    Ok(json!({
        "application": application,
        "ready": ready.status == 200,
        "reasons": ready.body.get("reasons").cloned().unwrap_or_else(|| json!([])),
        "warnings": ready.body.get("warnings").cloned().unwrap_or_else(|| json!([])),
        "statistics": part(&format!("{base}/statistics"))?,
        "receivers": part(&format!("{base}/receivers"))?,
        "lags": graph.get("lags").cloned().unwrap_or_default(),
        "checkpoint": part("/api/v1/checkpoint")?,
        "logs": wal.get("logs").cloned().unwrap_or_default(),
        "space": wal.get("space").cloned().unwrap_or_default(),
    }))
}
