//! `[streams.NAME]`: what is done with records, operator after operator.
//!
//! Streams are read parents first, so that each operator is checked against the kind of records and the
//! slide that reach it while it is read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Problem, Report};
use crate::function::MapFunction;
use crate::key::Key;
use crate::names::Names;
use crate::op::{self, OPS, OnError, Op, OpKind, OpReader, OpSpec};
use crate::records::{RecordKind, joined, output};
use crate::section::Section;
use crate::settings::sane_count;
use crate::tree::{Entry, Node, Table};
use crate::value::{Flaw, FromNode, OneOrMany, table};
use crate::{Input, Location, Name, format_duration, order, suggest};

/// A stream: inputs and what is done with their records.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Its name, which no source has.
    pub name: Name,
    /// A name set by hand, by which a checkpoint finds the stream again when the file has changed.
    pub uid: Option<Name>,
    /// What it reads, at least one; several are a union.
    pub from: Vec<Input>,
    /// What is done, in order; may be empty.
    pub ops: Vec<Op>,
    /// The kind of records that reach the first operator.
    pub input: RecordKind,
    /// The kind of records it gives.
    pub output: RecordKind,
    /// Time between its results, a multiple of the batch interval.
    pub slide: Duration,
    /// Where it is declared.
    pub location: Location,
}

pub(crate) const KEYS: &[Key] = &[
    Key::required(
        "from",
        "a source or stream, or a list of them",
        "\"lines\"",
        "What it reads; several are put together (union).",
    ),
    Key::optional(
        "ops",
        "a list of operators",
        "[{ op = \"split\" }, { op = \"count_by_value\" }]",
        "What is done with the records, in order.",
    ),
    Key::optional(
        "uid",
        "a name",
        "\"counts\"",
        "A name by which a checkpoint finds the stream again after the file has changed.",
    ),
];

/// What flows out of a source, a stream or an operator; parts are `None` after a mistake.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    pub records: Option<RecordKind>,
    pub slide: Option<Duration>,
}

/// The flow of each source and stream by name.
pub(crate) type Flows = BTreeMap<String, Flow>;

/// What it takes to read streams.
pub(crate) struct Streams<'a> {
    pub names: &'a Names,
    pub batch: Option<Duration>,
    /// Whether records that can't be processed have a place to go to.
    pub has_dead_letters: bool,
    /// Whether kept batches have a place for a second copy.
    pub has_replica: bool,
    /// Begins with the flows of sources; each stream adds its own.
    pub flows: Flows,
    /// Uids and where they were set.
    pub uids: BTreeMap<Name, Location>,
}

impl Streams<'_> {
    /// Reads all streams, parents first.
    pub fn read(&mut self, streams: &Table, report: &mut Report) -> Vec<Option<Stream>> {
        let is_stream = |name: &str| matches!(self.names.find(name), Some(Input::Stream(_)));
        let ordered = order::parents_first(streams, is_stream, report);
        ordered
            .into_iter()
            .map(|entry| self.read_one(entry, report))
            .collect()
    }

    fn read_one(&mut self, entry: &Entry, report: &mut Report) -> Option<Stream> {
        let path = format!("streams.{}", entry.key);
        let content = match table(&entry.node, "a table with `from` and `ops`") {
            Ok(content) => content,
            Err(flaw) => {
                let (at, problem, help) = flaw.into_problem(path);
                report.error(&at, problem, help);
                return None;
            }
        };
        let place = format!("[{path}]");
        let mut section = Section::open(report, path, &place, &entry.at, content, &[KEYS]);
        let from = section.get::<OneOrMany>("from");
        let uid = section.get::<Name>("uid");
        let nodes = section.get::<Tables>("ops").unwrap_or_default();
        self.claim_uid(uid.as_ref(), section.location_of("uid"), section.report);
        let from = from.and_then(|named| self.names.resolve(&named, section.report));
        let inputs = from.clone().unwrap_or_default();
        let mut flow = self.united(&inputs, &section.location_of("from"), section.report);
        let input = flow.records;
        let mut chain = Chain {
            stream: &entry.key,
            trail: listed(&inputs),
            index: 0,
            streams: self,
        };
        let mut ops = Vec::with_capacity(nodes.0.len());
        for node in &nodes.0 {
            let op = chain.op(node, &mut flow, report);
            ops.push(op);
        }
        self.flows.insert(entry.key.clone(), flow);
        Some(Stream {
            name: Name::parse(&entry.key).ok()?,
            uid,
            from: from?,
            ops: ops.into_iter().collect::<Option<_>>()?,
            input: input?,
            output: flow.records?,
            slide: flow.slide?,
            location: entry.at.clone(),
        })
    }

    /// The flow of several inputs together; pairs with single records, or different slides, are reported.
    fn united(&self, inputs: &[Input], at: &Location, report: &mut Report) -> Flow {
        let mut flows = inputs.iter().map(|input| (input, self.flow_of(input)));
        let Some((first, mut united)) = flows.next() else {
            return Flow::default();
        };
        for (input, flow) in flows {
            united = match unite(united, flow) {
                Ok(united) => united,
                Err(reason) => {
                    let key = format!("{first} with {input}");
                    report.error(
                        at,
                        Problem::Invalid {
                            key: key.replace('`', ""),
                            reason,
                        },
                        None,
                    );
                    Flow::default()
                }
            };
        }
        united
    }

    fn flow_of(&self, input: &Input) -> Flow {
        self.flows
            .get(input.name().as_str())
            .copied()
            .unwrap_or_default()
    }

    /// Notes a uid; a second one of the same name is reported.
    pub fn claim_uid(&mut self, uid: Option<&Name>, at: Location, report: &mut Report) {
        let Some(uid) = uid else { return };
        if let Some(first) = self.uids.get(uid) {
            let reason =
                format!("`{uid}` is set at {first}, too; state is kept by it, so it must differ");
            report.error(
                &at,
                Problem::Invalid {
                    key: "uid".into(),
                    reason,
                },
                None,
            );
            return;
        }
        self.uids.insert(uid.clone(), at);
    }
}

/// The flow of two inputs together, or why there is none.
fn unite(a: Flow, b: Flow) -> Result<Flow, String> {
    let records = match (a.records, b.records) {
        (Some(a), Some(b)) => match a.union(b) {
            Some(kind) => Some(kind),
            None => return Err(format!("a union can't mix {a} with {b}")),
        },
        _ => None,
    };
    let slide = same_slide("union", a, b)?;
    Ok(Flow { records, slide })
}

/// The slide of two inputs, or why `what` can't be made of them.
fn same_slide(what: &str, a: Flow, b: Flow) -> Result<Option<Duration>, String> {
    match (a.slide, b.slide) {
        (Some(a), Some(b)) if a != b => {
            let (a, b) = (format_duration(a), format_duration(b));
            Err(format!(
                "a {what} needs the same slide, but these have {a} and {b}"
            ))
        }
        (a, b) => Ok(a.and(b)),
    }
}

fn listed(inputs: &[Input]) -> String {
    let names: Vec<String> = inputs.iter().map(Input::to_string).collect();
    names.join(" with ")
}

/// The operators of one stream, as they are read.
struct Chain<'c, 'a> {
    stream: &'c str,
    /// What came before, for messages: "`lines` → split".
    trail: String,
    index: usize,
    streams: &'c mut Streams<'a>,
}

impl Chain<'_, '_> {
    fn op(&mut self, node: &Node, flow: &mut Flow, report: &mut Report) -> Option<Op> {
        let path = format!("streams.{}.ops[{}]", self.stream, self.index);
        self.index += 1;
        let input = *flow;
        // Until the operator turns out well, nothing is known of what comes after it.
        *flow = Flow {
            records: None,
            slide: input.slide,
        };
        let (spec, content) = spec_of(node, &path, report)?;
        let place = format!("`{}`", spec.name);
        let section = Section::open(report, path, &place, &node.at, content, &spec.all_keys());
        let mut reader = OpReader {
            section,
            names: self.streams.names,
            input: input.records,
            slide: input.slide,
            batch: self.streams.batch,
            has_replica: self.streams.has_replica,
        };
        let kind = (spec.build)(&mut reader);
        let OpReader { mut section, .. } = reader;
        let uid = section.get::<Name>("uid");
        let has_place = self.streams.has_dead_letters;
        let on_error = section.get_if::<OnError>("on_error", |policy| {
            if *policy == OnError::DeadLetters && !has_place {
                return Err(
                    "there is no place for dead letters: set `url` in [dead_letters]".into(),
                );
            }
            Ok(())
        });
        let partitions = if spec.shuffles {
            section.get_if("partitions", sane_count)
        } else {
            None
        };
        let uid_at = section.location_of("uid");
        self.streams.claim_uid(uid.as_ref(), uid_at, report);
        let trail = format!("{} → {}", self.trail, spec.name);
        let before = std::mem::replace(&mut self.trail, trail);
        let kind = kind?;
        *flow = self.after(&kind, spec, input, &before, &node.at, report);
        Some(Op {
            kind,
            name: spec.name,
            uid,
            partitions,
            on_error,
            input: input.records?,
            output: flow.records?,
            slide: flow.slide?,
            location: node.at.clone(),
        })
    }

    /// What flows on behind an operator.
    fn after(
        &self,
        kind: &OpKind,
        spec: &OpSpec,
        input: Flow,
        before: &str,
        at: &Location,
        report: &mut Report,
    ) -> Flow {
        let slide = kind
            .window()
            .map_or(input.slide, |window| Some(window.slide));
        let Some(records) = input.records else {
            return Flow {
                records: None,
                slide,
            };
        };
        if let OpKind::Union { with } = kind {
            return with.iter().fold(input, |united, other| {
                unite(united, self.streams.flow_of(other)).unwrap_or_else(|reason| {
                    let key = format!("{before} with {other}").replace('`', "");
                    report.error(at, Problem::Invalid { key, reason }, None);
                    Flow::default()
                })
            });
        }
        let made = output(kind, records);
        if let (OpKind::Join { with, .. } | OpKind::Cogroup { with }, Ok(_)) = (kind, &made) {
            return self.joined(spec.name, input, with, before, at, report);
        }
        match made {
            Ok(records) => Flow {
                records: Some(records),
                slide,
            },
            Err(mismatch) => {
                let problem = Problem::RecordKind {
                    op: spec.name.to_owned(),
                    needs: mismatch.needs.to_owned(),
                    trail: before.to_owned(),
                    gives: records.to_string(),
                };
                report.error(at, problem, Some(mismatch.help.to_owned()));
                Flow {
                    records: None,
                    slide,
                }
            }
        }
    }
}

impl Chain<'_, '_> {
    /// What flows on behind a join, or what else `what` is, of pairs with another input.
    fn joined(
        &self,
        what: &'static str,
        input: Flow,
        with: &Input,
        before: &str,
        at: &Location,
        report: &mut Report,
    ) -> Flow {
        let other = self.streams.flow_of(with);
        let (Some(ours), Some(theirs)) = (input.records, other.records) else {
            return Flow {
                records: None,
                slide: input.slide,
            };
        };
        let (problem, help) = match (joined(ours, theirs), same_slide(what, input, other)) {
            (Ok(records), Ok(slide)) => {
                return Flow {
                    records: Some(records),
                    slide,
                };
            }
            (Err(mismatch), _) => {
                let problem = Problem::RecordKind {
                    op: what.to_owned(),
                    needs: mismatch.needs.to_owned(),
                    trail: with.to_string(),
                    gives: theirs.to_string(),
                };
                (
                    problem,
                    Some(mismatch.help.replace("before it", "into that stream")),
                )
            }
            (_, Err(reason)) => {
                let key = format!("{before} with {with}").replace('`', "");
                (Problem::Invalid { key, reason }, None)
            }
        };
        report.error(at, problem, help);
        Flow::default()
    }
}

/// The kind of operator that a node is, and its table; reported if it is none.
fn spec_of<'n>(
    node: &'n Node,
    path: &str,
    report: &mut Report,
) -> Option<(&'static OpSpec, &'n Table)> {
    let content = node.as_table()?;
    let Some(name) = content.get("op") else {
        if let Some(sql) = content.get("sql") {
            let (what, name) = ("operator", "sql".to_owned());
            let problem = Problem::NotBuiltIn { what, name };
            report.error(&sql.at, problem, Some(op::SQL.to_owned()));
            return None;
        }
        let key = format!("{path}.op");
        let expected = "an operator, as in { op = \"split\" }".into();
        report.error(&node.at, Problem::Missing { key, expected }, None);
        return None;
    };
    let at = &name.node.at;
    let Some(text) = name.node.as_str() else {
        let flaw = Flaw::wrong_type(&name.node, "the name of an operator");
        let (at, problem, help) = flaw.into_problem(format!("{path}.op"));
        report.error(&at, problem, help);
        return None;
    };
    if let Some(spec) = OPS.iter().find(|spec| spec.name == text) {
        return Some((spec, content));
    }
    let (what, name) = ("operator", text.to_owned());
    match op::LATER.iter().find(|(later, _)| *later == text) {
        Some((_, instead)) => {
            let help = format!("until this build has it, use {instead}");
            report.error(at, Problem::NotBuiltIn { what, name }, Some(help));
        }
        None => {
            let other_form = op::OTHER_FORMS.iter().find(|(method, _)| *method == text);
            let help = if MapFunction::NAMES.contains(&text) {
                Some(format!("write {{ op = \"map\", function = \"{text}\" }}"))
            } else if let Some((_, form)) = other_form {
                Some(format!("write {form}"))
            } else {
                suggest::help(text, OPS.iter().map(|spec| spec.name))
            };
            report.error(
                at,
                Problem::Unknown {
                    what,
                    name,
                    place: String::new(),
                },
                help,
            );
        }
    }
    None
}

/// A list of tables.
#[derive(Default)]
struct Tables(Vec<Node>);

impl FromNode for Tables {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let expected = "a list of operators, as in [{ op = \"split\" }]";
        let items = node
            .as_array()
            .ok_or_else(|| Flaw::wrong_type(node, expected))?;
        match items.iter().find(|item| item.as_table().is_none()) {
            Some(item) => Err(Flaw::wrong_type(
                item,
                "an operator, as in { op = \"split\" }",
            )),
            None => Ok(Self(items.to_vec())),
        }
    }
}
