//! `[sources.NAME]`: where records come from.
//!
//! [`SOURCES`] is the list of types as data: name, keys and builder. To add one, add an entry and a
//! variant of [`SourceKind`].

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Problem, Report};
use crate::keys::Key;
use crate::section::Section;
use crate::settings::{Receiver, block_interval, positive};
use crate::tree::{Entry, Table};
use crate::value::{NonEmpty, table};
use crate::{ByteSize, HostPort, Location, Name, format_duration, suggest};

/// A source of lines of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name, which no stream has.
    pub name: Name,
    /// What it is.
    pub kind: SourceKind,
    /// How its records become blocks, if it is a receiver; `None` for sources that name a range of
    /// records or files for each batch.
    pub limits: Option<Limits>,
    /// Where it is declared.
    pub location: Location,
}

/// A receiver's own limits: those of `[receiver]` unless the source sets others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time after which a block is cut.
    pub block_interval: Duration,
    /// Records a second, if limited.
    pub max_rate: Option<NonZeroU64>,
}

/// The types of sources.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SourceKind {
    /// Lines posted to `/ingest/NAME`.
    Http {
        /// An address of its own; `None`: on the admin address.
        listen: Option<SocketAddr>,
        /// The largest body accepted.
        max_body: ByteSize,
    },
    /// Lines read from a TCP connection.
    Socket {
        /// What to connect to.
        address: HostPort,
        /// Wait before the first reconnect; it doubles.
        reconnect_delay: Duration,
        /// The longest wait, at least `reconnect_delay`.
        reconnect_delay_max: Duration,
        /// The longest line accepted.
        max_line: ByteSize,
    },
    /// Lines of files that appear in a folder.
    Files {
        /// The folder.
        path: PathBuf,
        /// File names to take, with `*` and `?`; `None`: all.
        pattern: Option<String>,
        /// Whether files that are there at the first start are left out.
        new_files_only: bool,
        /// How many a batch takes at most.
        max_files_per_batch: Option<NonZeroUsize>,
    },
    /// Generated lines of words, the same for the same seed.
    Rate {
        /// How many lines a second.
        records_per_second: NonZeroU64,
        /// Words in a line.
        words_per_line: NonZeroUsize,
        /// Different words.
        vocabulary: NonZeroUsize,
        /// What they are drawn from.
        seed: u64,
        /// Lines after which it ends; `None`: never.
        limit: Option<NonZeroU64>,
    },
    /// Lines written in the pipeline file, for demonstrations and tests.
    Queue {
        /// The lines of each entry.
        lines: Vec<Vec<String>>,
        /// Whether a batch takes one entry or all that are left.
        one_at_a_time: bool,
    },
}

impl SourceKind {
    /// The value of `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Socket { .. } => "socket",
            Self::Files { .. } => "files",
            Self::Rate { .. } => "rate",
            Self::Queue { .. } => "queue",
        }
    }
}

/// A type of source.
pub(crate) struct SourceSpec {
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    build: fn(&mut Section<'_>) -> Option<SourceKind>,
    /// Whether it gathers records into blocks, and so takes [`RECEIVER_KEYS`].
    pub is_receiver: bool,
}

pub(crate) const COMMON_KEYS: &[Key] = &[Key::required(
    "type",
    "a type of source",
    "\"http\"",
    "http, socket, files, rate or queue.",
)];

pub(crate) const RECEIVER_KEYS: &[Key] = &[
    Key::derived(
        "block_interval",
        "a duration",
        "\"200ms\"",
        "that of [receiver]",
        "A block is cut from what has arrived after this time.",
    ),
    Key::derived(
        "max_rate",
        "an integer",
        "100000",
        "that of [receiver]",
        "Records a second, at most.",
    ),
];

pub(crate) static SOURCES: &[SourceSpec] = &[
    SourceSpec {
        name: "http",
        doc: "Lines posted to /ingest/NAME; answered when they are durable.",
        keys: &[
            Key::derived(
                "listen",
                "an address",
                "\"127.0.0.1:4041\"",
                "the admin address",
                "An address of its own to listen on.",
            ),
            Key::default(
                "max_body",
                "a size",
                "\"16MiB\"",
                "The largest body accepted.",
            ),
        ],
        build: http,
        is_receiver: true,
    },
    SourceSpec {
        name: "socket",
        doc: "Lines read from a TCP connection, which is made again when it breaks.",
        keys: &[
            Key::required(
                "address",
                "an address",
                "\"127.0.0.1:9999\"",
                "What to connect to.",
            ),
            Key::default(
                "reconnect_delay",
                "a duration",
                "\"100ms\"",
                "Wait before the first reconnect; it doubles.",
            ),
            Key::default(
                "reconnect_delay_max",
                "a duration",
                "\"30s\"",
                "The longest wait.",
            ),
            Key::default(
                "max_line",
                "a size",
                "\"1MiB\"",
                "A longer line is reported and dropped.",
            ),
        ],
        build: socket,
        is_receiver: true,
    },
    SourceSpec {
        name: "files",
        doc: "Lines of files that appear in a folder; each file is read exactly once.",
        keys: &[
            Key::required("path", "a path", "\"data/in\"", "The folder to watch."),
            Key::optional(
                "pattern",
                "a pattern",
                "\"*.log\"",
                "File names to take; * and ? stand for any.",
            ),
            Key::default(
                "new_files_only",
                "true or false",
                "true",
                "Leave out the files that are there at the first start.",
            ),
            Key::optional(
                "max_files_per_batch",
                "an integer",
                "100",
                "Files a batch takes at most.",
            ),
        ],
        build: files,
        is_receiver: false,
    },
    SourceSpec {
        name: "rate",
        doc: "Generated lines of words, the same for the same seed: for demonstrations and benchmarks.",
        keys: &[
            Key::required(
                "records_per_second",
                "an integer",
                "1000",
                "Lines a second.",
            ),
            Key::default("words_per_line", "an integer", "8", "Words in a line."),
            Key::default("vocabulary", "an integer", "10000", "Different words."),
            Key::default("seed", "an integer", "1", "What the words are drawn from."),
            Key::optional(
                "limit",
                "an integer",
                "1000000",
                "Lines after which it ends.",
            ),
        ],
        build: rate,
        is_receiver: false,
    },
    SourceSpec {
        name: "queue",
        doc: "Lines written here, for demonstrations and tests.",
        keys: &[
            Key::required(
                "lines",
                "a list of lists of strings",
                "[[\"to be or\", \"not to be\"], [\"that is\"]]",
                "The lines of each entry.",
            ),
            Key::default(
                "one_at_a_time",
                "true or false",
                "true",
                "A batch takes one entry, not all.",
            ),
        ],
        build: queue,
        is_receiver: false,
    },
];

/// Types that are planned, and what to use meanwhile.
const LATER: &[(&str, &str)] = &[
    ("kafka", "a consumer that posts to an `http` source"),
    ("nats", "a subscriber that posts to an `http` source"),
    ("mqtt", "a subscriber that posts to an `http` source"),
    ("flume", "Flume's HTTP sink with an `http` source"),
    ("kinesis", "a consumer that posts to an `http` source"),
    ("twitter", "a client that posts to an `http` source"),
    ("zeromq", "a subscriber that posts to an `http` source"),
];

/// Reads all sources, in the order of the file.
pub(crate) fn read(
    sources: &Table,
    receiver: Option<&Receiver>,
    batch: Option<Duration>,
    report: &mut Report,
) -> Vec<Option<Source>> {
    sources
        .iter()
        .map(|entry| read_one(entry, sources, receiver, batch, report))
        .collect()
}

fn read_one(
    entry: &Entry,
    siblings: &Table,
    receiver: Option<&Receiver>,
    batch: Option<Duration>,
    report: &mut Report,
) -> Option<Source> {
    let path = format!("sources.{}", entry.key);
    let content = match table(&entry.node, "a table with a `type`") {
        Ok(content) => content,
        Err(flaw) => {
            let (at, problem, help) = flaw.into_problem(path);
            report.error(&at, problem, help);
            return None;
        }
    };
    let known: Vec<&str> = SOURCES.iter().map(|spec| spec.name).collect();
    let kind = Typed {
        what: "source",
        known: &known,
        later: LATER,
    };
    let type_name = kind.type_of(&path, entry, content, siblings, report)?;
    let spec = SOURCES.iter().find(|spec| spec.name == type_name)?;
    let shared: &[Key] = if spec.is_receiver { RECEIVER_KEYS } else { &[] };
    let place = format!("[{path}] (type {type_name})");
    let lists = [COMMON_KEYS, spec.keys, shared];
    let mut section = Section::open(report, path, &place, &entry.at, content, &lists);
    let kind = (spec.build)(&mut section);
    let limits = spec.is_receiver.then(|| {
        let default = receiver.map_or(Duration::from_millis(200), |r| r.block_interval);
        let max_rate = section
            .get("max_rate")
            .or(receiver.and_then(|r| r.max_rate));
        // A bad interval is reported; the default only stands in for it.
        let block_interval = block_interval(&mut section, batch, default).unwrap_or(default);
        Limits {
            block_interval,
            max_rate,
        }
    });
    let name = Name::parse(&entry.key).ok()?;
    Some(Source {
        name,
        kind: kind?,
        limits,
        location: entry.at.clone(),
    })
}

/// How the `type` of a source or sink is found out.
pub(crate) struct Typed<'a> {
    pub what: &'static str,
    pub known: &'a [&'a str],
    pub later: &'a [(&'a str, &'a str)],
}

impl Typed<'_> {
    /// The type of an entry, one of the known ones; else `None`, and it is reported why.
    pub fn type_of(
        &self,
        path: &str,
        entry: &Entry,
        content: &Table,
        siblings: &Table,
        report: &mut Report,
    ) -> Option<String> {
        let key = format!("{path}.type");
        let Some(found) = content.get("type") else {
            let expected = format!("a type of {}: {}", self.what, self.known.join(", "));
            // An overlay's slip of the keyboard would make a new entry.
            let others = siblings.iter().map(|sibling| sibling.key.as_str());
            let others = others.filter(|name| *name != entry.key);
            let help = if entry.at.is_in_file() {
                None
            } else {
                suggest::help(&entry.key, others)
            };
            report.error(&entry.at, Problem::Missing { key, expected }, help);
            return None;
        };
        let at = &found.node.at;
        let Some(name) = found.node.as_str() else {
            let expected = format!("a type of {}", self.what);
            let problem = Problem::WrongType {
                key,
                expected,
                found: found.node.describe(),
            };
            report.error(at, problem, None);
            return None;
        };
        if self.known.contains(&name) {
            return Some(name.to_owned());
        }
        let what = if self.what == "source" {
            "type of source"
        } else {
            "type of sink"
        };
        let name = name.to_owned();
        match self.later.iter().find(|(later, _)| *later == name) {
            Some((_, instead)) => {
                let help = format!("until this build has it, use {instead}");
                report.error(at, Problem::NotBuiltIn { what, name }, Some(help));
            }
            None => {
                let names = self
                    .known
                    .iter()
                    .copied()
                    .chain(self.later.iter().map(|l| l.0));
                let help = suggest::help(&name, names);
                let place = format!(" in [{path}]");
                report.error(at, Problem::Unknown { what, name, place }, help);
            }
        }
        None
    }
}

fn http(section: &mut Section<'_>) -> Option<SourceKind> {
    let listen = section.get("listen");
    let max_body = section.get_if::<ByteSize>("max_body", above_zero);
    Some(SourceKind::Http {
        listen,
        max_body: max_body?,
    })
}

fn socket(section: &mut Section<'_>) -> Option<SourceKind> {
    let address = section.get("address");
    let reconnect_delay = section.get_if("reconnect_delay", positive);
    let reconnect_delay_max =
        section.get_if::<Duration>("reconnect_delay_max", |max| match reconnect_delay {
            Some(delay) if *max < delay => Err(format!(
                "less than `reconnect_delay`, which is {}",
                format_duration(delay)
            )),
            _ => Ok(()),
        });
    let max_line = section.get_if::<ByteSize>("max_line", above_zero);
    Some(SourceKind::Socket {
        address: address?,
        reconnect_delay: reconnect_delay?,
        reconnect_delay_max: reconnect_delay_max?,
        max_line: max_line?,
    })
}

fn files(section: &mut Section<'_>) -> Option<SourceKind> {
    let path = section.get("path");
    let pattern = section.get_if::<NonEmpty>("pattern", |pattern| {
        if pattern.0.contains('/') {
            return Err("is matched with file names, which hold no `/`".into());
        }
        Ok(())
    });
    let new_files_only = section.get("new_files_only");
    let max_files_per_batch = section.get("max_files_per_batch");
    Some(SourceKind::Files {
        path: path?,
        pattern: pattern.map(|pattern| pattern.0),
        new_files_only: new_files_only?,
        max_files_per_batch,
    })
}

fn rate(section: &mut Section<'_>) -> Option<SourceKind> {
    let records_per_second = section.get("records_per_second");
    let words_per_line = section.get("words_per_line");
    let vocabulary = section.get("vocabulary");
    let seed = section.get("seed");
    let limit = section.get("limit");
    Some(SourceKind::Rate {
        records_per_second: records_per_second?,
        words_per_line: words_per_line?,
        vocabulary: vocabulary?,
        seed: seed?,
        limit,
    })
}

fn queue(section: &mut Section<'_>) -> Option<SourceKind> {
    let lines = section.get("lines");
    let one_at_a_time = section.get("one_at_a_time");
    Some(SourceKind::Queue {
        lines: lines?,
        one_at_a_time: one_at_a_time?,
    })
}

fn above_zero(size: &ByteSize) -> Result<(), String> {
    if size.bytes() > 0 {
        Ok(())
    } else {
        Err("must be above 0".into())
    }
}

/// Checks the sources of a whole pipeline against each other and the admin address.
pub(crate) fn check_addresses(
    sources: &[Option<Source>],
    admin: Option<&crate::Admin>,
    report: &mut Report,
) {
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    taken.extend(
        admin
            .and_then(|a| a.listen)
            .map(|address| (address, "[admin]".to_owned())),
    );
    for source in sources.iter().flatten() {
        let SourceKind::Http { listen, .. } = &source.kind else {
            continue;
        };
        let key = format!("sources.{}.listen", source.name);
        match listen {
            None if admin.is_some_and(|admin| admin.listen.is_none()) => {
                let expected = "an address, since the admin side is off".into();
                report.error(&source.location, Problem::Missing { key, expected }, None);
            }
            None => {}
            Some(address) => {
                let other = taken
                    .iter()
                    .find(|(other, _)| other == address && other.port() != 0);
                if let Some((_, owner)) = other {
                    let reason = format!("`{address}` is the address of {owner}, too");
                    let problem = Problem::Invalid {
                        key: key.clone(),
                        reason,
                    };
                    report.error(&source.location, problem, None);
                }
                if !address.ip().is_loopback() && admin.is_some_and(|a| a.token_file.is_none()) {
                    let message = format!(
                        "`{key}`: `{address}` isn't a loopback address: anybody who reaches it can post \
                         records unless [admin] has a `token_file`"
                    );
                    report.warn(&source.location, message);
                }
                taken.push((*address, format!("[sources.{}]", source.name)));
            }
        }
    }
}
