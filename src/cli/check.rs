//! `tidemill check`: is the pipeline right, what does it do, and what does it guarantee.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};
use tidemill_config::{ConfigError, Pipeline, StoreUrl, format_duration};

use super::args::CheckArgs;
use super::error::{CliError, Result};
use super::output::Output;
use super::{explain, load, show, upgrade};
use crate::graph::{GraphDescriptor, OperatorDescriptor};
use crate::guarantee::PathGuarantee;
use crate::time::millis;
use crate::{OperatorUid, StreamingContext};

/// Validates and shows a pipeline, or holds it against a checkpoint. Writes nothing.
pub(super) fn check(args: &CheckArgs) -> Result<()> {
    let checked = checked(args);
    let (loaded, context) = match checked {
        Err(error) if args.json => {
            let mut out = Output::new();
            out.json(&mistakes(args, &error))?;
            out.finish()?;
            return Err(error);
        }
        checked => checked?,
    };
    if args.against.is_some() {
        return upgrade::check(args, &context);
    }
    if let Some(key) = &args.explain {
        return explain::explain(&loaded, key, args.json);
    }
    let mut out = Output::new();
    if args.json {
        out.json(&as_json(&context, &loaded))?;
        return out.finish();
    }
    head(&mut out, &loaded)?;
    explain::overlays(&mut out, &loaded)?;
    tree(&mut out, &context, &loaded)?;
    paths(&mut out, &context)?;
    out.line(format!("{} is right", loaded.file))?;
    out.finish()
}

/// The pipeline and its program, when both are right.
fn checked(args: &CheckArgs) -> Result<(Pipeline, StreamingContext)> {
    let mut loaded = load::pipeline(&args.pipeline)?;
    loaded.checkpoint.drop.extend(args.permits.drop.clone());
    for warning in &loaded.warnings {
        // Standard error that is closed is no reason to say that the pipeline is wrong.
        let _ = writeln!(std::io::stderr(), "{warning}");
    }
    let context = load::program(&loaded)?;
    context.validate()?;
    let is_location = |url: &StoreUrl| {
        let parsed = url.to_string().parse::<tidemill_checkpoint::Location>();
        parsed
            .map(drop)
            .map_err(|error| CliError::Usage(error.to_string()))
    };
    is_location(&loaded.checkpoint.url)?;
    is_location(&loaded.wal.url)?;
    Ok((loaded, context))
}

/// What is wrong with a pipeline.
fn mistakes(args: &CheckArgs, error: &CliError) -> Value {
    let mistakes = match error {
        CliError::Pipeline(errors) => errors.errors().iter().map(mistake).collect(),
        other => {
            let told = |problem: String| json!({ "place": null, "problem": problem, "help": null });
            other.lines().into_iter().map(told).collect::<Vec<_>>()
        }
    };
    json!({
        "pipeline": args.pipeline.pipeline.display().to_string(),
        "right": false,
        "mistakes": mistakes,
    })
}

fn mistake(error: &ConfigError) -> Value {
    json!({
        "place": error.location.to_string(),
        "problem": error.problem.to_string(),
        "help": error.help,
    })
}

fn as_json(context: &StreamingContext, loaded: &Pipeline) -> Value {
    let warnings = loaded.warnings.iter().map(
        |warning| json!({ "place": warning.location.to_string(), "problem": warning.message }),
    );
    json!({
        "pipeline": loaded.file.to_string(),
        "right": true,
        "mistakes": [],
        "warnings": warnings.collect::<Vec<_>>(),
        "application": loaded.name.to_string(),
        "batchInterval": millis(loaded.batch_interval),
        "checkpoint": {
            "location": loaded.checkpoint.url.to_string(),
            "interval": millis(loaded.checkpoint.interval),
        },
        "wal": { "location": loaded.wal.url.to_string(), "receiver": loaded.wal.receiver },
        "graph": show::graph_as_json(&context.graph()),
        "paths": context.paths(),
    })
}

fn head(out: &mut Output, loaded: &Pipeline) -> Result<()> {
    let received = if loaded.wal.receiver {
        "logged"
    } else {
        "not logged"
    };
    out.line(format!(
        "{}, a batch every {}\n  checkpoint  {}, every {}\n  logs        {}, received data {received}\n",
        loaded.name,
        format_duration(loaded.batch_interval),
        loaded.checkpoint.url,
        format_duration(loaded.checkpoint.interval),
        loaded.wal.url,
    ))
}

/// The graph from inputs to outputs.
fn tree(out: &mut Output, context: &StreamingContext, loaded: &Pipeline) -> Result<()> {
    let graph = context.graph();
    let mut tree = Tree {
        out,
        loaded,
        graph: &graph,
        shown: BTreeSet::new(),
    };
    for input in graph
        .operators
        .iter()
        .filter(|operator| operator.parents.is_empty())
    {
        tree.operator(input, "", "")?;
    }
    out.line("")
}

struct Tree<'a> {
    out: &'a mut Output,
    loaded: &'a Pipeline,
    graph: &'a GraphDescriptor,
    /// What has been shown with all that is below it: an operator may have several parents.
    shown: BTreeSet<&'a OperatorUid>,
}

impl<'a> Tree<'a> {
    fn operator(
        &mut self,
        operator: &'a OperatorDescriptor,
        branch: &str,
        below: &str,
    ) -> Result<()> {
        let again = !self.shown.insert(&operator.uid);
        let source = self
            .loaded
            .source(operator.uid.as_str())
            .filter(|_| operator.is_input);
        let kind = source.map_or(operator.kind.as_str(), |source| source.kind.name());
        let mut notes = vec![kind.to_owned()];
        if operator.looks_back_ms > 0 {
            let length = std::time::Duration::from_millis(operator.looks_back_ms);
            notes.push(format!("looks back {}", format_duration(length)));
        }
        if operator.window_ms > 0 {
            let length = std::time::Duration::from_millis(operator.window_ms);
            notes.push(format!("window of {}", format_duration(length)));
        } else if operator.state.is_some() {
            notes.push("keeps state".to_owned());
        }
        if again {
            notes.push("see above".to_owned());
        }
        self.out
            .line(format!("{branch}{}  ({})", operator.uid, notes.join(", ")))?;
        if again {
            return Ok(());
        }
        let graph = self.graph;
        let children = graph
            .operators
            .iter()
            .filter(|child| child.parents.contains(&operator.uid));
        let children: Vec<_> = children.collect();
        let outputs = graph
            .outputs
            .iter()
            .filter(|output| output.parent == operator.uid);
        let outputs: Vec<_> = outputs.collect();
        let mut left = children.len() + outputs.len();
        let mut next = || {
            left -= 1;
            match left {
                0 => (format!("{below}└─ "), format!("{below}   ")),
                _ => (format!("{below}├─ "), format!("{below}│  ")),
            }
        };
        for child in children {
            let (branch, below) = next();
            self.operator(child, &branch, &below)?;
        }
        for output in outputs {
            let (branch, _) = next();
            self.out
                .line(format!("{branch}▶ {}  ({})", output.uid, output.kind))?;
        }
        Ok(())
    }
}

fn paths(out: &mut Output, context: &StreamingContext) -> Result<()> {
    let paths = context.paths();
    let name = |path: &PathGuarantee| format!("{} → {}", path.source, path.sink);
    let width = paths
        .iter()
        .map(|path| name(path).chars().count())
        .max()
        .unwrap_or_default();
    for path in &paths {
        out.line(format!("{:width$}  {}", name(path), path.guarantee))?;
        for why in &path.why {
            out.line(format!("    limited by {why}"))?;
        }
    }
    out.line("")
}
