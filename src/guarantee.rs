//! What each path from a source to a sink guarantees, computed, with the link that limits it.
//!
//! A record is *lost* when a source can't give it again and it wasn't durable at a crash. It is *seen
//! again* when a batch is run again and the sink can't tell. A path with neither is exactly once.
//!
//! Pure: the context gathers the facts ([`StreamingContext::paths`](crate::StreamingContext::paths)).

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::graph::{GraphDescriptor, OutputDescriptor};
use crate::sink::Guarantee;
use crate::source::SourceInfo;
use crate::uid::OperatorUid;

pub use crate::source::Acknowledged;

/// What a path guarantees, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Level {
    /// Each record takes effect in the sink once.
    ExactlyOnce,
    /// None is lost; some may be seen again after a crash or a failure.
    AtLeastOnce,
    /// None is seen again; some may be lost in a crash.
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

/// The loss window of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LossWindow {
    /// The source.
    pub source: OperatorUid,
    /// What is declared.
    pub acknowledged: Acknowledged,
    /// What is held: the records taken in that aren't durable, now. They aren't acknowledged either where that
    /// comes after a sync or put.
    pub not_durable: u64,
    /// How many of them a crash at this moment would lose for good.
    pub at_risk: u64,
}

impl LossWindow {
    pub(crate) fn of(source: &SourceInfo, not_durable: u64) -> Self {
        let at_risk = if source.acknowledged.can_lose() {
            not_durable
        } else {
            0
        };
        Self {
            source: source.uid.clone(),
            acknowledged: source.acknowledged,
            not_durable,
            at_risk,
        }
    }
}

/// A path and what it guarantees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathGuarantee {
    /// Where records come from.
    pub source: OperatorUid,
    /// Where their results go.
    pub sink: OperatorUid,
    /// What holds on the way.
    pub guarantee: Level,
    /// The weakest link: `checkpoint`, `wal`, or the source's or sink's uid. Nothing limits a path that is exactly
    /// once.
    pub limited_by: Option<String>,
    /// Why; a reason for each link that limits it, the weakest first.
    pub why: Vec<String>,
}

/// A link that limits a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    link: String,
    why: String,
}

impl Limit {
    pub(crate) fn new(link: impl Into<String>, why: impl Into<String>) -> Self {
        let (link, why) = (link.into(), why.into());
        Self { link, why }
    }
}

/// What is known of a program.
pub(crate) struct Facts {
    pub(crate) graph: GraphDescriptor,
    pub(crate) sources: Vec<SourceInfo>,
    pub(crate) sinks: Vec<(OperatorUid, Guarantee)>,
    /// Why nothing outlives the process, when that is so.
    pub(crate) in_memory: Option<Limit>,
}

/// All paths, in the order of sinks.
pub(crate) fn paths(facts: &Facts) -> Vec<PathGuarantee> {
    let mut paths = Vec::new();
    for output in &facts.graph.outputs {
        let reached = ancestors(&facts.graph, output);
        let sources = facts.sources.iter();
        for source in sources.filter(|source| reached.contains(&source.uid)) {
            paths.push(path(facts, source, output));
        }
    }
    paths
}

/// All operators that an output depends on.
fn ancestors<'a>(
    graph: &'a GraphDescriptor,
    output: &'a OutputDescriptor,
) -> BTreeSet<&'a OperatorUid> {
    let mut seen = BTreeSet::new();
    let mut to_see = vec![&output.parent];
    while let Some(uid) = to_see.pop() {
        if seen.insert(uid) {
            let operator = graph.operator(uid);
            to_see.extend(operator.iter().flat_map(|operator| &operator.parents));
        }
    }
    seen
}

fn path(facts: &Facts, source: &SourceInfo, output: &OutputDescriptor) -> PathGuarantee {
    let in_memory = facts.in_memory.clone();
    let loss = loss(source);
    let again = again(facts, output);
    let guarantee = match (&in_memory, &loss, &again) {
        (Some(_), _, _) => Level::ProcessOnly,
        (None, None, None) => Level::ExactlyOnce,
        (None, None, Some(_)) => Level::AtLeastOnce,
        (None, Some(_), None) => Level::AtMostOnce,
        (None, Some(_), Some(_)) => Level::BestEffort,
    };
    let limits: Vec<Limit> = in_memory.into_iter().chain(loss).chain(again).collect();
    PathGuarantee {
        source: source.uid.clone(),
        sink: output.uid.clone(),
        guarantee,
        limited_by: limits.first().map(|limit| limit.link.clone()),
        why: limits.into_iter().map(|limit| limit.why).collect(),
    }
}

/// Why records of a source can be lost in a crash, when they can.
fn loss(source: &SourceInfo) -> Option<Limit> {
    let why = match (
        source.acknowledged,
        source.is_receiver,
        source.is_replayable,
    ) {
        (acknowledged, _, _) if !acknowledged.can_lose() => return None,
        (_, false, _) => "what is queued and in no finished batch is lost in a crash",
        (Acknowledged::InMemory, true, _) => {
            "wal.receiver = false, so what was answered and is in no finished batch is lost in a crash"
        }
        (_, true, true) => {
            "it can't send again, so what came in and isn't in a durable block yet is lost in a crash"
        }
        (_, true, false) => {
            "wal.receiver = false, so what came in and is in no finished batch is lost in a crash"
        }
    };
    let (uid, location) = (&source.uid, &source.location);
    Some(Limit::new(
        uid.as_str(),
        format!("source `{uid}` ({location}): {why}"),
    ))
}

/// Why a sink can show a batch twice, when it can.
fn again(facts: &Facts, output: &OutputDescriptor) -> Option<Limit> {
    let found = facts.sinks.iter().find(|(uid, _)| *uid == output.uid);
    let sink = found.map_or(Guarantee::AtLeastOnce, |(_, guarantee)| *guarantee);
    let (uid, kind) = (&output.uid, &output.kind);
    (sink == Guarantee::AtLeastOnce).then(|| {
        Limit::new(
            uid.as_str(),
            format!("sink `{uid}` ({kind}): shows a batch again when it is run again after a crash or a failure"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::OperatorDescriptor;

    fn facts(acknowledged: Acknowledged, is_logged: bool, in_memory: Option<Limit>) -> Facts {
        let uid = |name: &str| OperatorUid::new(name);
        let operator = |name: &str, parents: &[&str]| OperatorDescriptor {
            uid: uid(name),
            kind: "map".to_owned(),
            parents: parents.iter().map(|parent| uid(parent)).collect(),
            slide_ms: 1000,
            looks_back_ms: 0,
            window_ms: 0,
            is_input: parents.is_empty(),
            state: None,
        };
        let output = |name: &str| OutputDescriptor {
            uid: uid(name),
            kind: name.to_owned(),
            parent: uid("counts"),
        };
        let source = |stream_id, name: &str| SourceInfo {
            stream_id,
            uid: uid(name),
            location: "there".to_owned(),
            is_receiver: true,
            is_replayable: is_logged,
            acknowledged,
        };
        Facts {
            graph: GraphDescriptor {
                operators: vec![
                    operator("lines", &[]),
                    operator("elsewhere", &[]),
                    operator("counts", &["lines"]),
                ],
                outputs: vec![output("screen"), output("files")],
            },
            sources: vec![source(0, "lines"), source(1, "elsewhere")],
            sinks: vec![
                (uid("screen"), Guarantee::AtLeastOnce),
                (uid("files"), Guarantee::Idempotent),
            ],
            in_memory,
        }
    }

    fn levels(facts: &Facts) -> Vec<(String, Level, Option<String>, usize)> {
        let paths = paths(facts).into_iter();
        paths
            .map(|path| {
                assert_eq!(path.source.as_str(), "lines");
                let sink = path.sink.to_string();
                (sink, path.guarantee, path.limited_by, path.why.len())
            })
            .collect()
    }

    fn both(
        screen: (Level, &str, usize),
        files: (Level, Option<&str>, usize),
    ) -> Vec<(String, Level, Option<String>, usize)> {
        let by = files.1.map(str::to_owned);
        vec![
            (
                "screen".to_owned(),
                screen.0,
                Some(screen.1.to_owned()),
                screen.2,
            ),
            ("files".to_owned(), files.0, by, files.2),
        ]
    }

    #[test]
    fn the_weakest_link_decides() {
        use Acknowledged::{AfterPut, AfterSync, InMemory, Never, Replayable};
        for safe in [AfterPut, AfterSync, Replayable] {
            assert_eq!(
                levels(&facts(safe, true, None)),
                both(
                    (Level::AtLeastOnce, "screen", 1),
                    (Level::ExactlyOnce, None, 0)
                )
            );
        }
        for (unsafe_one, is_logged) in [(InMemory, false), (Never, true), (Never, false)] {
            assert_eq!(
                levels(&facts(unsafe_one, is_logged, None)),
                both(
                    (Level::BestEffort, "lines", 2),
                    (Level::AtMostOnce, Some("lines"), 1)
                )
            );
        }
        let in_memory = Some(Limit::new("checkpoint", "it ends with the process"));
        assert_eq!(
            levels(&facts(AfterSync, true, in_memory)),
            both(
                (Level::ProcessOnly, "checkpoint", 2),
                (Level::ProcessOnly, Some("checkpoint"), 1)
            )
        );
    }

    #[test]
    fn only_what_is_not_acknowledged_safely_is_at_risk() {
        let window = |acknowledged| {
            let facts = facts(acknowledged, true, None);
            LossWindow::of(&facts.sources[0], 7).at_risk
        };
        assert_eq!(window(Acknowledged::AfterSync), 0);
        assert_eq!(window(Acknowledged::Never), 7);
    }
}
