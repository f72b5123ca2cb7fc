//! `tidemill reload`: a running pipeline reads its settings again.

use std::time::Duration;

use serde_json::Value;

use super::args::ReloadArgs;
use super::client::Client;
use super::error::{CliError, Result};
use super::output::Output;

const RELOAD_LIMIT: Duration = Duration::from_secs(30);

/// Has the pipeline reload, and shows what changed, or why nothing did.
pub(super) fn reload(args: &ReloadArgs) -> Result<()> {
    let answer = Client::new(&args.admin)?.post("/api/v1/reload", RELOAD_LIMIT)?;
    let mut out = Output::new();
    if args.json && matches!(answer.status, 200 | 409 | 422) {
        out.json(&answer.body)?;
        out.finish()?;
        return match answer.status {
            200 => Ok(()),
            _ => Err(CliError::Usage("nothing was reloaded".to_owned())),
        };
    }
    match answer.status {
        409 => Err(CliError::Usage(format!(
            "nothing was reloaded: this needs a restart\n{}",
            rows(list(&answer.body, "refused")).join("\n")
        ))),
        422 => {
            let mistakes = list(&answer.body, "reasons")
                .iter()
                .filter_map(Value::as_str);
            let mistakes: Vec<&str> = mistakes.collect();
            Err(CliError::Usage(format!(
                "nothing was reloaded: the new settings have mistakes\n{}",
                mistakes.join("\n")
            )))
        }
        _ => {
            let body = answer.good()?;
            let changed = rows(list(&body, "changed"));
            if changed.is_empty() {
                out.line("reloaded; nothing differs from what runs")?;
            } else {
                out.line("reloaded")?;
                changed.iter().try_for_each(|row| out.line(row))?;
            }
            out.finish()
        }
    }
}

fn list<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    let list = body.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// A line for each setting, and why it was refused below it.
fn rows(settings: &[Value]) -> Vec<String> {
    let text = |setting: &Value, name: &str| {
        let text = setting.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let value = |setting: &Value, name: &str| match setting.get(name) {
        None | Some(Value::Null) => "none".to_owned(),
        Some(value) => value.to_string(),
    };
    let row = |setting: &Value| {
        let mut row = format!(
            "  {}  {} → {}  ({})",
            text(setting, "key"),
            value(setting, "running"),
            value(setting, "new"),
            text(setting, "from")
        );
        let reason = text(setting, "needsRestart");
        if !reason.is_empty() {
            row.push_str(&format!("\n    {reason}"));
        }
        row
    };
    settings.iter().map(row).collect()
}
