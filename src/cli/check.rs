//! `tidemill check`: is the pipeline right, what does it do, and what does it guarantee.

use std::collections::BTreeSet;
use std::io::Write;

use tidemill_config::{Pipeline, StoreUrl, format_duration};

use super::args::CheckArgs;
use super::error::{CliError, Result};
use super::output::Output;
use super::{explain, load, upgrade};
use crate::graph::{GraphDescriptor, OperatorDescriptor};
use crate::guarantee::PathGuarantee;
use crate::{OperatorUid, StreamingContext};

/// Validates and shows a pipeline, or holds it against a checkpoint. Writes nothing.
pub(super) fn check(args: &CheckArgs) -> Result<()> {
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
    if args.against.is_some() {
        return upgrade::check(args, &context);
    }
    if let Some(key) = &args.explain {
        return explain::explain(&loaded, key, args.json);
    }
    if args.json {
        return Err(CliError::Usage(
            "--json goes with --explain (settings) or --against (what a restart would do)"
                .to_owned(),
        ));
    }
    let mut out = Output::new();
    head(&mut out, &loaded)?;
    explain::overlays(&mut out, &loaded)?;
    tree(&mut out, &context, &loaded)?;
    paths(&mut out, &context)?;
    out.line(format!("{} is right", loaded.file))?;
    out.finish()
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
