//! What each path from a source to an output guarantees, computed, with the link that limits it.
//!
//! A record is *lost* when a source can't give it again and it wasn't durable at a crash. It is *seen
//! again* when a batch is run again and the sink can't tell. A path with neither is exactly once.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use tidemill_config::{Pipeline, SourceKind, StoreUrl};

use crate::graph::{GraphDescriptor, OutputDescriptor};
use crate::sink::Guarantee;
use crate::{OperatorUid, StreamingContext};

/// What a path guarantees, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    ExactlyOnce,
    AtLeastOnce,
    AtMostOnce,
    /// Lost or seen again, both may be.
    BestEffort,
    /// Nothing outlives the process.
    ProcessOnly,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ExactlyOnce => "exactly once",
            Self::AtLeastOnce => "at least once",
            Self::AtMostOnce => "at most once",
            Self::BestEffort => "best effort",
            Self::ProcessOnly => "only while the process lives",
        })
    }
}

/// A path and what it guarantees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PathGuarantee {
    pub(super) source: OperatorUid,
    pub(super) output: OperatorUid,
    pub(super) guarantee: Level,
    /// What limits it; nothing does on a path that is exactly once.
    pub(super) weakest_links: Vec<String>,
}

/// All paths, in the order of outputs.
pub(super) fn paths(context: &StreamingContext, pipeline: &Pipeline) -> Vec<PathGuarantee> {
    let graph = context.graph();
    let guarantees = context.guarantees();
    let mut paths = Vec::new();
    for output in &graph.outputs {
        let found = guarantees.iter().find(|(uid, _)| *uid == output.uid);
        let sink = found.map_or(Guarantee::AtLeastOnce, |(_, guarantee)| *guarantee);
        for source in sources_of(&graph, output) {
            paths.push(path(pipeline, source, output, sink));
        }
    }
    paths
}

/// The inputs that an output depends on, in the order of their declaration.
fn sources_of(graph: &GraphDescriptor, output: &OutputDescriptor) -> Vec<OperatorUid> {
    let mut seen = BTreeSet::new();
    let mut to_see = vec![&output.parent];
    while let Some(uid) = to_see.pop() {
        if seen.insert(uid) {
            to_see.extend(
                graph
                    .operator(uid)
                    .iter()
                    .flat_map(|operator| &operator.parents),
            );
        }
    }
    let inputs = graph.operators.iter().filter(|operator| operator.is_input);
    inputs
        .filter(|input| seen.contains(&input.uid))
        .map(|input| input.uid.clone())
        .collect()
}

fn path(
    pipeline: &Pipeline,
    source: OperatorUid,
    output: &OutputDescriptor,
    sink: Guarantee,
) -> PathGuarantee {
    let in_memory = in_memory(pipeline);
    let loss = loss(pipeline, source.as_str());
    let again = (sink == Guarantee::AtLeastOnce).then(|| {
        format!(
            "sink `{}` ({}): shows a batch again when it is run again after a crash or a failure",
            output.uid, output.kind
        )
    });
    let guarantee = match (&in_memory, &loss, &again) {
        (Some(_), _, _) => Level::ProcessOnly,
        (None, None, None) => Level::ExactlyOnce,
        (None, None, Some(_)) => Level::AtLeastOnce,
        (None, Some(_), None) => Level::AtMostOnce,
        (None, Some(_), Some(_)) => Level::BestEffort,
    };
    let weakest_links = in_memory.into_iter().chain(loss).chain(again).collect();
    PathGuarantee {
        source,
        output: output.uid.clone(),
        guarantee,
        weakest_links,
    }
}

/// Why nothing outlives the process, when that is so.
fn in_memory(pipeline: &Pipeline) -> Option<String> {
    let of = |what: &str, url: &StoreUrl| match url {
        StoreUrl::Memory => Some(format!(
            "{what}.url = \"memory:\": it ends with the process"
        )),
        _ => None,
    };
    of("checkpoint", &pipeline.checkpoint.url).or_else(|| of("wal", &pipeline.wal.url))
}

/// Why records of a source can be lost in a crash, when they can.
fn loss(pipeline: &Pipeline, source: &str) -> Option<String> {
    let found = pipeline.source(source)?;
    let link = |why: &str| Some(format!("source `{source}` ({}): {why}", found.kind.name()));
    let logged = pipeline.wal.receiver;
    match &found.kind {
        SourceKind::Http { .. } if logged => None,
        SourceKind::Http { .. } => link(
            "wal.receiver = false, so what was answered and is in no finished batch is lost in a crash",
        ),
        SourceKind::Socket { .. } if logged => link(
            "a socket can't send again, so what came in and isn't in a durable block yet is lost in a crash",
        ),
        SourceKind::Socket { .. } => link(
            "wal.receiver = false, so what came in and is in no finished batch is lost in a crash",
        ),
        SourceKind::Files { .. } | SourceKind::Rate { .. } => None,
        SourceKind::Queue { .. } => {
            link("what is queued and in no finished batch is lost in a crash")
        }
        _ => link("what it can give again after a crash isn't known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load;

    fn levels(changes: &[&str]) -> Vec<(String, Level, usize)> {
        let sets: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        let example = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/config/examples/wordcount.toml"
        );
        let pipeline = load::load(example.as_ref(), &sets).unwrap();
        let context = load::program(&pipeline).unwrap();
        let paths = paths(&context, &pipeline).into_iter();
        paths
            .map(|p| (p.output.to_string(), p.guarantee, p.weakest_links.len()))
            .collect()
    }

    fn both(screen: (Level, usize), files: (Level, usize)) -> Vec<(String, Level, usize)> {
        vec![
            ("screen".to_owned(), screen.0, screen.1),
            ("files".to_owned(), files.0, files.1),
        ]
    }

    #[test]
    fn the_weakest_link_decides() {
        assert_eq!(
            levels(&[]),
            both((Level::AtLeastOnce, 1), (Level::ExactlyOnce, 0))
        );
        assert_eq!(
            levels(&["wal.receiver=false"]),
            both((Level::BestEffort, 2), (Level::AtMostOnce, 1))
        );
        assert_eq!(
            levels(&["checkpoint.url=memory:", "wal.url=memory:"]),
            both((Level::ProcessOnly, 2), (Level::ProcessOnly, 1))
        );
    }
}
