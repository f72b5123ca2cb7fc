//! `tidemill check --explain`: each setting's effective value, and where it comes from.

use serde_json::Value;
use tidemill_config::{Layer, Location, Pipeline, Setting};

use super::error::{CliError, Result};
use super::output::{Fields, Output};

/// The longest value that is shown whole in a table, in characters.
const LONGEST: usize = 44;

/// Shows all settings, or those below `key`.
pub(super) fn explain(pipeline: &Pipeline, key: &str, json: bool) -> Result<()> {
    let found: Vec<&Setting> = match key {
        "" => pipeline.settings.iter().collect(),
        key => pipeline.settings_below(key).map_err(CliError::Usage)?,
    };
    let mut out = Output::new();
    match (found.as_slice(), json) {
        (found, true) => {
            let all: Vec<Fields> = found.iter().map(|setting| fields(setting)).collect();
            out.json(&all)?;
        }
        ([one], false) => story(&mut out, one)?,
        // What nobody set is looked for where one asks.
        (found, false) if key.is_empty() => {
            let is_set =
                |setting: &&&Setting| setting.value.is_some() || setting.location().is_some();
            let set: Vec<&Setting> = found.iter().filter(is_set).copied().collect();
            table(&mut out, &set)?;
            out.line(format!(
                "\n{} more are not set; `--explain SECTION` shows those of a section, `--explain KEY` what a key \
                 means",
                found.len() - set.len()
            ))?;
        }
        (found, false) => table(&mut out, found)?,
    }
    out.finish()
}

/// What was laid over the file, so that nobody wonders why the file isn't what holds.
pub(super) fn overlays(out: &mut Output, pipeline: &Pipeline) -> Result<()> {
    let is_over = |setting: &&Setting| setting.location().is_some_and(|at| at.layer > Layer::File);
    let over: Vec<&Setting> = pipeline.settings.iter().filter(is_over).collect();
    if over.is_empty() {
        return Ok(());
    }
    out.line(format!("laid over {}:", pipeline.file))?;
    for setting in over {
        let instead = setting
            .overridden
            .first()
            .map_or_else(String::new, |below| {
                format!(", instead of {} at {}", short(&below.value), below.location)
            });
        let value = short(setting.value.as_deref().unwrap_or_default());
        out.line(format!(
            "  {} = {value}  ({}{instead})",
            setting.key,
            setting.origin()
        ))?;
    }
    out.line("")
}

fn table(out: &mut Output, settings: &[&Setting]) -> Result<()> {
    let mut rows = Vec::new();
    for setting in settings {
        rows.push(vec![
            setting.key.clone(),
            setting
                .value
                .as_deref()
                .map_or_else(|| "-".to_owned(), short),
            setting.about.unit.to_owned(),
            setting.origin(),
        ]);
        for below in &setting.overridden {
            rows.push(vec![
                String::new(),
                String::new(),
                String::new(),
                format!("  instead of {} at {}", short(&below.value), below.location),
            ]);
        }
    }
    out.table(&["KEY", "VALUE", "UNIT", "FROM"], &rows)
}

fn story(out: &mut Output, setting: &Setting) -> Result<()> {
    let about = setting.about;
    match &setting.value {
        Some(value) => out.line(format!("{} = {value}", setting.key))?,
        None => out.line(format!("{} is not set", setting.key))?,
    }
    out.line(format!("  {}\n", about.doc))?;
    if setting.value.is_some() {
        out.line(format!("  from        {}", setting.origin()))?;
    }
    for below in &setting.overridden {
        out.line(format!(
            "  instead of  {} at {}",
            below.value, below.location
        ))?;
    }
    let units = match about.units() {
        "" => String::new(),
        units => format!(" ({units})"),
    };
    out.line(format!("  type        {}{units}", about.value))?;
    let reload = match about.reloadable {
        true => "a running pipeline takes a new value",
        false => "needs a restart",
    };
    out.line(format!("  reload      {reload}"))
}

fn fields(setting: &Setting) -> Fields {
    let overridden = setting.overridden.iter().map(|below| {
        let fields = Fields::default().with("value", json(&below.value));
        fields.with(
            "from",
            origin(Some(&below.location), &below.location.to_string()),
        )
    });
    Fields::default()
        .with("key", setting.key.as_str())
        .with("value", setting.value.as_deref().map_or(Value::Null, json))
        .with("unit", setting.about.units())
        .with("from", origin(setting.location(), &setting.origin()))
        .with(
            "insteadOf",
            overridden.map(|below| below.to_value()).collect::<Vec<_>>(),
        )
        .with("reloadable", setting.about.reloadable)
        .with("meaning", setting.about.doc)
}

fn origin(location: Option<&Location>, words: &str) -> Value {
    let mut fields = Fields::default()
        .with(
            "layer",
            location.map_or(Layer::Default, |at| at.layer).name(),
        )
        .with("place", words);
    if let Some(at) = location.filter(|at| at.is_in_file()) {
        fields = fields
            .with("file", at.file.as_ref())
            .with("line", at.line)
            .with("column", at.column);
    }
    fields.to_value()
}

/// A value as JSON; tables stay TOML text.
fn json(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
}

/// A value that fits into a line.
fn short(value: &str) -> String {
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or(value)),
        None => value.to_owned(),
    }
}
