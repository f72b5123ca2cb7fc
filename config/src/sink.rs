//! `[sinks.NAME]`: where results go. Each sink is one output operation.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::error::{Problem, Report};
use crate::key::Key;
use crate::section::Section;
use crate::store_url::check_place;
use crate::stream::Streams;
use crate::tree::{Entry, Table};
use crate::typed::Typed;
use crate::value::{FromNode, NonEmpty, OneOrMany, choice, table};
use crate::{Input, Location, Name, RecordKind, StoreUrl, names};

/// An output operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Its name.
    pub name: Name,
    /// A name set by hand, by which a checkpoint finds the sink again when the file has changed.
    pub uid: Option<Name>,
    /// What it writes.
    pub from: Input,
    /// What it is.
    pub kind: SinkKind,
    /// The kind of records that reach it.
    pub input: RecordKind,
    /// Time between the results that reach it.
    pub slide: Duration,
    /// Where it is declared.
    pub location: Location,
}

impl Sink {
    /// What checkpoints and outputs know it by: its uid, or its name.
    pub fn known_as(&self) -> &str {
        self.uid.as_ref().unwrap_or(&self.name).as_str()
    }
}

/// The types of sinks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkKind {
    /// The first records of each batch on standard output.
    Console {
        /// How many.
        rows: NonZeroUsize,
    },
    /// A folder `PREFIX-TIME_MS[.SUFFIX]` for each batch.
    Files {
        /// What its files hold.
        format: FileFormat,
        /// Path or URL before the time; never ends in `/`.
        prefix: String,
        /// What follows the time behind a dot, without that dot.
        suffix: Option<String>,
        /// How its files are compressed.
        codec: Option<Codec>,
    },
    /// Nowhere; the work is done, and measured.
    Discard,
}

choice! {
    /// How files are compressed.
    pub enum Codec ("codec") {
        /// `.gz`
        Gzip = "gzip",
        /// `.zst`
        Zstd = "zstd",
    }
}

/// What files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFormat {
    /// Lines of text.
    Text,
    /// Records as they are, for programs to read back.
    Objects,
    /// Lines of JSON.
    Json,
    /// Rows of fields.
    Csv,
    /// Hadoop's pairs.
    Sequence,
    /// Columns, as Apache Parquet has them.
    Parquet,
    /// Columns, as Apache Arrow has them.
    Arrow,
    /// Records with the names of their fields, as Apache Avro has them.
    Avro,
}

impl FileFormat {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text_files",
            Self::Objects => "object_files",
            Self::Json => "json_files",
            Self::Csv => "csv_files",
            Self::Sequence => "sequence_files",
            Self::Parquet => "parquet_files",
            Self::Arrow => "arrow_files",
            Self::Avro => "avro_files",
        }
    }
}

impl SinkKind {
    /// The value of `type`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Console { .. } => "console",
            Self::Files { format, .. } => format.name(),
            Self::Discard => "discard",
        }
    }

    /// Prefix and suffix of the folders that it writes.
    pub fn place(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Files { prefix, suffix, .. } => Some((prefix, suffix.as_deref())),
            Self::Console { .. } | Self::Discard => None,
        }
    }

    /// Whether it takes pairs only.
    fn needs_pairs(&self) -> bool {
        matches!(
            self,
            Self::Files {
                format: FileFormat::Sequence,
                ..
            }
        )
    }
}

/// A type of sink.
pub(crate) struct SinkSpec {
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    build: fn(&mut Section<'_>) -> Option<SinkKind>,
}

pub(crate) const COMMON_KEYS: &[Key] = &[
    Key::required(
        "from",
        "a source or stream",
        "\"counts\"",
        "What it writes.",
    ),
    Key::required(
        "type",
        "a type of sink",
        "\"console\"",
        "console, text_files, object_files, json_files, csv_files, sequence_files, parquet_files, arrow_files, \
         avro_files or discard.",
    ),
    Key::optional(
        "uid",
        "a name",
        "\"screen\"",
        "A name by which a checkpoint finds the sink again after the file has changed.",
    ),
];

/// Keys of sinks that write part files.
const PART_FILES: &[Key] = &[
    Key::required(
        "prefix",
        "a path or URL",
        "\"data/out/counts\"",
        "What the folders' names begin with: a path, file:PATH, s3://BUCKET/PATH, gs://BUCKET/PATH or \
         az://CONTAINER/PATH.",
    ),
    Key::optional(
        "suffix",
        "a string",
        "\"txt\"",
        "What follows the time behind a dot.",
    ),
    Key::optional(
        "codec",
        "gzip or zstd",
        "\"gzip\"",
        "How the files are compressed; names of text, object, JSON and CSV files end in .gz or .zst then.",
    ),
];

pub(crate) static SINKS: &[SinkSpec] = &[
    SinkSpec {
        name: "console",
        doc: "Prints the first records of each batch.",
        keys: &[Key::default("rows", "an integer", "10", "How many.").in_unit("records")],
        build: |section| section.get("rows").map(|rows| SinkKind::Console { rows }),
    },
    SinkSpec {
        name: "text_files",
        doc: "A folder PREFIX-TIME_MS[.SUFFIX] for each batch, in place all at once or not at all.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Text),
    },
    SinkSpec {
        name: "object_files",
        doc: "The same, of records as they are, for programs to read back.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Objects),
    },
    SinkSpec {
        name: "json_files",
        doc: "The same, a line of JSON a record: an object with `value`, and of a pair with `key`, too.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Json),
    },
    SinkSpec {
        name: "csv_files",
        doc: "The same, a row a record: `value`, and of a pair `key` before it, as the first row says.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Csv),
    },
    SinkSpec {
        name: "sequence_files",
        doc: "The same, of pairs as Hadoop's sequence files: texts as Text, counts as LongWritable, other values as \
              the Text that is printed.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Sequence),
    },
    SinkSpec {
        name: "parquet_files",
        doc: "The same, of columns: `value`, and of a pair `key` before it. Pages are compressed by Snappy, or as \
              `codec` says. Needs the feature `columnar`.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Parquet),
    },
    SinkSpec {
        name: "arrow_files",
        doc: "The same columns in Arrow's IPC file format; of the codecs it has zstd alone.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Arrow),
    },
    SinkSpec {
        name: "avro_files",
        doc: "The same columns in Avro's container files, with `codec = \"gzip\"` by deflate.",
        keys: PART_FILES,
        build: |section| files(section, FileFormat::Avro),
    },
    SinkSpec {
        name: "discard",
        doc: "Writes nothing; the work is done, and measured.",
        keys: &[],
        build: |_| Some(SinkKind::Discard),
    },
];

/// Types that are planned, and what to use meanwhile.
const LATER: &[(&str, &str)] = &[
    ("kafka", "`text_files`"),
    ("http", "`text_files`"),
    ("mysql", "`text_files`"),
    ("postgres", "`text_files`"),
    ("sqlite", "`text_files`"),
];

/// Reads all sinks, in the order of the file; two that write the same files are reported.
pub(crate) fn read(
    sinks: &Table,
    streams: &mut Streams<'_>,
    report: &mut Report,
) -> Vec<Option<Sink>> {
    let read: Vec<Option<Sink>> = sinks
        .iter()
        .map(|entry| read_one(entry, sinks, streams, report))
        .collect();
    for (index, sink) in read.iter().enumerate() {
        let Some(sink) = sink else { continue };
        let Some(place) = sink.kind.place() else {
            continue;
        };
        let same = |other: &&Sink| other.kind.place() == Some(place);
        if let Some(other) = read.iter().take(index).flatten().find(same) {
            let key = format!("sinks.{}.prefix", sink.name);
            let reason = format!("`{}` is written by `{}`, too", place.0, other.name);
            report.error(&sink.location, Problem::Invalid { key, reason }, None);
        }
    }
    read
}

fn read_one(
    entry: &Entry,
    siblings: &Table,
    streams: &mut Streams<'_>,
    report: &mut Report,
) -> Option<Sink> {
    let path = format!("sinks.{}", entry.key);
    let name = names::parse("sinks", &entry.key, &entry.at, report);
    let content = match table(&entry.node, "a table with `from` and `type`") {
        Ok(content) => content,
        Err(flaw) => {
            let (at, problem, help) = flaw.into_problem(path);
            report.error(&at, problem, help);
            return None;
        }
    };
    let known: Vec<&str> = SINKS.iter().map(|spec| spec.name).collect();
    let typed = Typed {
        what: "sink",
        known: &known,
        later: LATER,
    };
    let spec = typed
        .type_of(&path, entry, content, siblings, report)
        .and_then(|name| SINKS.iter().find(|spec| spec.name == name));
    let Some(spec) = spec else {
        // Its own keys can't be checked, but what it reads can.
        let from = content
            .get("from")
            .map(|from| OneOrMany::from_node(&from.node));
        if let Some(Ok(named)) = from {
            streams.names.resolve(&named, report);
        }
        return None;
    };
    let place = format!("[{path}] (type {})", spec.name);
    let lists = [COMMON_KEYS, spec.keys];
    let mut section = Section::open(report, path, &place, &entry.at, content, &lists);
    let kind = (spec.build)(&mut section);
    let uid = section.get::<Name>("uid");
    let from_at = section.location_of("from");
    let from = section.get_if::<OneOrMany>("from", |named| {
        if named.0.len() == 1 {
            return Ok(());
        }
        Err(
            "a sink reads one stream: put several together in a stream with a list in `from`"
                .into(),
        )
    });
    streams.claim_uid(uid.as_ref(), section.location_of("uid"), section.report);
    let from = streams
        .names
        .resolve(&from?, section.report)?
        .into_iter()
        .next()?;
    let flow = streams
        .flows
        .get(from.name().as_str())
        .copied()
        .unwrap_or_default();
    let is_single = matches!(flow.records, Some(RecordKind::Single(_)));
    if is_single && kind.as_ref().is_some_and(SinkKind::needs_pairs) {
        let key = format!("sinks.{}.from", entry.key);
        let reason = format!(
            "`{}` has single records, and sequence files hold pairs",
            from.name()
        );
        report.error(&from_at, Problem::Invalid { key, reason }, None);
        return None;
    }
    Some(Sink {
        name: name?,
        uid,
        from,
        kind: kind?,
        input: flow.records?,
        slide: flow.slide?,
        location: entry.at.clone(),
    })
}

fn files(section: &mut Section<'_>, format: FileFormat) -> Option<SinkKind> {
    let prefix = section.get_if::<NonEmpty>("prefix", |prefix| {
        if prefix.0.ends_with('/') {
            return Err("must end in a name, which the batch's time is added to".into());
        }
        check_place(&prefix.0, "a database can't hold text files")?;
        match StoreUrl::parse(&prefix.0) {
            Ok(StoreUrl::Object { prefix, .. }) if prefix.is_empty() => {
                Err("needs a name behind the bucket, as in s3://BUCKET/PATH/NAME".into())
            }
            _ => Ok(()),
        }
    });
    let suffix = section.get_if::<NonEmpty>("suffix", |suffix| {
        if suffix.0.contains('/') {
            return Err("can't hold a `/`".into());
        }
        Ok(())
    });
    let codec = section.get_if::<Codec>("codec", |codec| match (format, codec) {
        (FileFormat::Arrow, Codec::Gzip) => {
            Err("can't be gzip, which Arrow files don't have: write zstd, or leave it out".into())
        }
        _ => Ok(()),
    });
    let suffix = suffix.map(|suffix| suffix.0.trim_start_matches('.').to_owned());
    // One spelling for one place, so that two sinks that write there are found.
    let prefix = prefix?.0;
    let prefix = match prefix.strip_prefix("file:") {
        Some(path) => path.strip_prefix("//").unwrap_or(path).to_owned(),
        None => prefix,
    };
    Some(SinkKind::Files {
        format,
        prefix,
        suffix,
        codec,
    })
}
