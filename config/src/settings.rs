//! The sections that a pipeline has once: checkpoint, log, receivers, admin and the like.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::address::Listen;
use crate::error::{Problem, Report};
use crate::keys::Key;
use crate::section::Section;
use crate::tree::Table;
use crate::value::{choice, table};
use crate::{ByteSize, Location, StoreUrl, format_duration};

const TOP: &[Key] = &[
    Key::required(
        "name",
        "a name",
        "\"wordcount\"",
        "The application's name: what its checkpoints, metrics and outputs are known by.",
    ),
    Key::required(
        "batch_interval",
        "a duration",
        "\"1s\"",
        "A batch is cut at every multiple of this time.",
    ),
    Key::default(
        "concurrent_jobs",
        "an integer",
        "1",
        "Jobs (output operations) run at once.",
    ),
    Key::optional(
        "remember",
        "a duration",
        "\"10m\"",
        "Keep generated batches this long, for queries, even if no window needs them.",
    ),
];

const CHECKPOINT: &[Key] = &[
    Key::required(
        "url",
        "a location",
        "\"sled:data/wordcount/checkpoint\"",
        "sled:PATH, file:PATH, memory: (gone with the process), s3://, gs://, az://, hdfs://",
    ),
    Key::default(
        "interval",
        "a duration",
        "\"10s\"",
        "Time between checkpoints, rounded up to a multiple of the batch interval.",
    ),
    Key::default(
        "retain",
        "an integer",
        "2",
        "Newest checkpoints to keep, at least 2: if the newest turns out bad, an older one and the log \
         behind it still hold everything.",
    ),
];

const WAL: &[Key] = &[
    Key::derived(
        "url",
        "a location",
        "\"file:data/wordcount/wal\"",
        "`wal` beside the checkpoint; memory: if that is memory:",
        "Where the write-ahead logs live: file:PATH, memory:, or an object store.",
    ),
    Key::default(
        "receiver",
        "true or false",
        "true",
        "Write received data ahead, too. Without it, what a receiver got but no batch has finished is \
         lost in a crash.",
    ),
    Key::default(
        "segment_size",
        "a size",
        "\"64MiB\"",
        "A segment is closed at this size.",
    ),
    Key::default(
        "segment_age",
        "a duration",
        "\"10m\"",
        "A segment is closed at this age.",
    ),
];

const RECEIVER: &[Key] = &[
    Key::derived(
        "block_interval",
        "a duration",
        "\"200ms\"",
        "200ms, or the batch interval where that is shorter",
        "A block is cut from what has arrived after this time. A source may set its own.",
    ),
    Key::default(
        "queue",
        "an integer",
        "10",
        "Blocks waiting to be stored; when it is full, the source is held back.",
    ),
    Key::optional(
        "max_rate",
        "an integer",
        "100000",
        "Records a second and source, at most. A source may set its own.",
    ),
    Key::default(
        "max_block_size",
        "a size",
        "\"4MiB\"",
        "A block is cut early at this size.",
    ),
    Key::default(
        "memory",
        "a size",
        "\"256MiB\"",
        "Bytes of blocks kept in memory over all sources; past it, sources are held back.",
    ),
];

const ADMIN: &[Key] = &[
    Key::default(
        "listen",
        "an address, or false",
        "\"127.0.0.1:4040\"",
        "Address of the streaming page, the HTTP API and /ingest; false or \"none\" for none.",
    ),
    Key::optional(
        "token_file",
        "a path",
        "\"/run/secrets/tidemill-token\"",
        "File that holds the bearer token to ask for; required unless `listen` is a loopback address.",
    ),
];

const BACKPRESSURE: &[Key] = &[
    Key::default(
        "enabled",
        "true or false",
        "false",
        "Adapt the rate of receivers to how fast batches finish.",
    ),
    Key::optional(
        "initial_rate",
        "an integer",
        "10000",
        "Records a second and source until the first batch has been measured.",
    ),
    Key::default(
        "min_rate",
        "an integer",
        "100",
        "Never hold a source back below this rate.",
    ),
];

const JOBS: &[Key] = &[
    Key::default(
        "max_failures",
        "an integer",
        "4",
        "Attempts at a task before its batch fails.",
    ),
    Key::default(
        "retry_delay",
        "a duration",
        "\"100ms\"",
        "Wait before the first retry; it doubles.",
    ),
    Key::default(
        "retry_delay_max",
        "a duration",
        "\"30s\"",
        "The longest wait between retries.",
    ),
    Key::derived(
        "partitions",
        "an integer",
        "2",
        "the number of cores",
        "Partitions of an aggregation that doesn't set its own.",
    ),
];

const STOP: &[Key] = &[Key::default(
    "timeout",
    "a duration",
    "\"60s\"",
    "A graceful stop that takes longer than this becomes an immediate one. Nothing is lost either way.",
)];

const LOG: &[Key] = &[
    Key::default(
        "format",
        "text or json",
        "\"text\"",
        "How log lines look on standard error.",
    ),
    Key::default(
        "level",
        "a level or directives",
        "\"info\"",
        "error, warn, info, debug, trace or off; also by part, as in \"info,tidemill_wal=debug\".",
    ),
];

/// Header, purpose and keys of each section, in the order of `default.toml`.
pub(crate) const SECTIONS: &[(&str, &str, &[Key])] = &[
    ("", "What this pipeline is, and its beat.", TOP),
    (
        "checkpoint",
        "Where its progress is kept: what a restart goes on from.",
        CHECKPOINT,
    ),
    (
        "wal",
        "The write-ahead logs: what a restart replays since the last checkpoint.",
        WAL,
    ),
    (
        "receiver",
        "How received records are gathered into blocks.",
        RECEIVER,
    ),
    (
        "admin",
        "The HTTP side: page, API, metrics and ingest.",
        ADMIN,
    ),
    (
        "backpressure",
        "Holding sources back when batches fall behind.",
        BACKPRESSURE,
    ),
    ("jobs", "How the work of a batch is run.", JOBS),
    ("stop", "How it stops.", STOP),
    ("log", "What it says on standard error.", LOG),
];

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where checkpoints are kept.
    pub url: StoreUrl,
    /// Time between checkpoints, a multiple of the batch interval.
    pub interval: Duration,
    /// How many to keep, at least 2.
    pub retain: NonZeroUsize,
}

/// `[wal]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wal {
    /// Where the logs are kept: `file:`, `memory:` or an object store, never `sled:`. With `memory:` nothing
    /// survives the process, as with a checkpoint in memory.
    pub url: StoreUrl,
    /// Whether received data is written ahead.
    pub receiver: bool,
    /// Size at which a segment is closed, at least 1 KiB.
    pub segment_size: ByteSize,
    /// Age at which a segment is closed, above 0.
    pub segment_age: Duration,
}

/// `[receiver]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Time after which a block is cut, above 0.
    pub block_interval: Duration,
    /// Blocks that may wait to be stored.
    pub queue: NonZeroUsize,
    /// Records a second for each source, if limited.
    pub max_rate: Option<NonZeroU64>,
    /// Size at which a block is cut early, at least 1 KiB.
    pub max_block_size: ByteSize,
    /// Budget for the bytes of blocks in memory, at least `max_block_size`.
    pub memory: ByteSize,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address to listen on; `None`: no admin side.
    pub listen: Option<SocketAddr>,
    /// File of the bearer token; there whenever `listen` isn't a loopback address.
    pub token_file: Option<PathBuf>,
}

/// `[backpressure]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backpressure {
    /// Whether the rate follows how fast batches finish.
    pub enabled: bool,
    /// Records a second until something has been measured.
    pub initial_rate: Option<NonZeroU64>,
    /// Records a second that a source may always have.
    pub min_rate: NonZeroU64,
}

/// `[jobs]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Attempts at a task before its batch fails.
    pub max_failures: NonZeroUsize,
    /// Wait before the first retry.
    pub retry_delay: Duration,
    /// The longest wait, at least `retry_delay`.
    pub retry_delay_max: Duration,
    /// Partitions of an aggregation that doesn't set its own.
    pub partitions: NonZeroUsize,
}

/// `[stop]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// How long a graceful stop may take, above 0.
    pub timeout: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// A level, or comma-separated directives `[PART=]LEVEL`.
    pub level: String,
}

choice! {
    /// How log lines look.
    pub enum LogFormat ("log format") {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// All settings, `None` where a mistake was reported.
pub(crate) struct Settings {
    pub name: Option<crate::Name>,
    pub batch_interval: Option<Duration>,
    pub concurrent_jobs: Option<NonZeroUsize>,
    pub remember: Option<Duration>,
    pub checkpoint: Option<Checkpoint>,
    pub wal: Option<Wal>,
    pub receiver: Option<Receiver>,
    pub admin: Option<Admin>,
    pub backpressure: Option<Backpressure>,
    pub jobs: Option<Jobs>,
    pub stop: Option<Stop>,
    pub log: Option<Log>,
}

/// Above zero.
pub(crate) fn positive(duration: &Duration) -> Result<(), String> {
    if duration.is_zero() {
        Err("must be above 0".into())
    } else {
        Ok(())
    }
}

fn at_least_a_kib(size: &ByteSize) -> Result<(), String> {
    if size.bytes() >= 1024 {
        Ok(())
    } else {
        Err("must be at least 1KiB".into())
    }
}

/// Reads all sections; `start` is the beginning of the file.
pub(crate) fn read(root: &Table, start: &Location, report: &mut Report) -> Settings {
    let empty = Table::default();
    let open = Opener {
        root,
        empty: &empty,
        start,
    };
    let top = top(root, start, report);
    let (at, checkpoint) = checkpoint(open.section("checkpoint", report), top.batch_interval);
    Settings {
        wal: wal(open.section("wal", report), at.as_ref()),
        checkpoint,
        receiver: receiver(open.section("receiver", report), top.batch_interval),
        admin: admin(open.section("admin", report)),
        backpressure: backpressure(open.section("backpressure", report)),
        jobs: jobs(open.section("jobs", report)),
        stop: stop(open.section("stop", report)),
        log: log(open.section("log", report)),
        ..top
    }
}

/// Opens sections by name; a missing one is as good as an empty one.
struct Opener<'a> {
    root: &'a Table,
    empty: &'a Table,
    start: &'a Location,
}

impl<'a> Opener<'a> {
    fn section<'s>(&self, name: &'static str, report: &'s mut Report) -> Section<'s>
    where
        'a: 's,
    {
        let keys = SECTIONS.iter().find(|(section, _, _)| *section == name);
        let keys = keys.map_or(&[] as &[Key], |(_, _, keys)| *keys);
        let place = format!("[{name}]");
        let Some(entry) = self.root.get(name) else {
            return Section::open(report, name, &place, self.start, self.empty, &[keys]);
        };
        let content = match table(&entry.node, "a table of settings") {
            Ok(content) => content,
            Err(flaw) => {
                let (at, problem, help) = flaw.into_problem(name.to_owned());
                report.error(&at, problem, help);
                self.empty
            }
        };
        Section::open(report, name, &place, &entry.at, content, &[keys])
    }
}

fn top(root: &Table, start: &Location, report: &mut Report) -> Settings {
    let sections: HashSet<&str> = SECTIONS
        .iter()
        .map(|(name, _, _)| *name)
        .chain(["sources", "streams", "sinks"])
        .filter(|name| !name.is_empty())
        .collect();
    unknown_at_top(root, &sections, report);
    // What is known as a section isn't a key of the top, and what is unknown was reported above.
    let mut keys_only = Table::default();
    for entry in root
        .iter()
        .filter(|entry| TOP.iter().any(|key| key.name == entry.key))
    {
        keys_only.entry(&entry.key, || entry.clone());
    }
    let mut section = Section::open(report, "", "the top", start, &keys_only, &[TOP]);
    Settings {
        name: section.get("name"),
        batch_interval: section.get_if("batch_interval", positive),
        concurrent_jobs: section.get("concurrent_jobs"),
        remember: section.get_if("remember", positive),
        checkpoint: None,
        wal: None,
        receiver: None,
        admin: None,
        backpressure: None,
        jobs: None,
        stop: None,
        log: None,
    }
}

fn unknown_at_top(root: &Table, sections: &HashSet<&str>, report: &mut Report) {
    for entry in root.iter() {
        let name = entry.key.as_str();
        if sections.contains(name) || TOP.iter().any(|key| key.name == name) {
            continue;
        }
        let is_section = entry.node.as_table().is_some();
        let what = if is_section { "section" } else { "key" };
        let problem = Problem::Unknown {
            what,
            name: name.to_owned(),
            place: String::new(),
        };
        let home = if is_section {
            None
        } else {
            crate::keys::home_of(name)
        };
        let help = home
            .map(|home| format!("`{name}` is a key of {home}"))
            .or_else(|| {
                let mut valid: Vec<&str> = sections.iter().copied().collect();
                if !is_section {
                    valid.extend(TOP.iter().map(|key| key.name));
                }
                valid.sort_unstable();
                crate::suggest::help(name, valid)
            });
        report.error(&entry.at, problem, help);
    }
}

/// The section, and its URL even if something else in it is bad: the log's default follows from it.
fn checkpoint(
    mut section: Section<'_>,
    batch: Option<Duration>,
) -> (Option<StoreUrl>, Option<Checkpoint>) {
    let url = section.get::<StoreUrl>("url");
    let written = section.get_if("interval", positive);
    let retain = section.get_if::<NonZeroUsize>("retain", |retain| {
        if retain.get() >= 2 {
            return Ok(());
        }
        Err("must be at least 2, so that a checkpoint which turns out bad loses nothing".into())
    });
    let interval = written.and_then(|written| Some(round_up(written, batch?)));
    if let Some(interval) = interval
        && section.has("interval")
        && written != Some(interval)
    {
        let rounded = format_duration(interval);
        let message = format!("rounded up to {rounded}, a multiple of the batch interval");
        section.warn("interval", message);
    }
    let checkpoint = || {
        Some(Checkpoint {
            url: url.clone()?,
            interval: interval?,
            retain: retain?,
        })
    };
    (url.clone(), checkpoint())
}

/// The least multiple of `unit` that isn't less than `duration`.
fn round_up(duration: Duration, unit: Duration) -> Duration {
    let multiple = duration
        .as_millis()
        .div_ceil(unit.as_millis().max(1))
        .max(1);
    unit.saturating_mul(u32::try_from(multiple).unwrap_or(u32::MAX))
}

fn wal(mut section: Section<'_>, checkpoint: Option<&StoreUrl>) -> Option<Wal> {
    let given = section.get_if::<StoreUrl>("url", |url| match url {
        StoreUrl::Sled(_) => Err("a log can't be kept in sled: use file:PATH".into()),
        _ => Ok(()),
    });
    let receiver = section.get("receiver");
    let segment_size = section.get_if("segment_size", at_least_a_kib);
    let segment_age = section.get_if("segment_age", positive);
    let is_given = section.has("url");
    let url = if is_given {
        given
    } else {
        checkpoint.and_then(StoreUrl::wal_beside)
    };
    match (&url, checkpoint) {
        (None, Some(checkpoint)) if !is_given => {
            let key = section.key_path("url");
            let expected = format!("a location, since nothing can lie beside `{checkpoint}`");
            let at = section.at().clone();
            section
                .report
                .error(&at, Problem::Missing { key, expected }, None);
        }
        (Some(url), Some(checkpoint))
            if url.path().is_some() && url.path() == checkpoint.path() =>
        {
            section.invalid(
                "url",
                format!("`{url}` is the checkpoint's folder, too"),
                None,
            );
        }
        _ => {}
    }
    Some(Wal {
        url: url?,
        receiver: receiver?,
        segment_size: segment_size?,
        segment_age: segment_age?,
    })
}

fn receiver(mut section: Section<'_>, batch: Option<Duration>) -> Option<Receiver> {
    let block_interval = block_interval(&mut section, batch, Duration::from_millis(200));
    let queue = section.get("queue");
    let max_rate = section.get("max_rate");
    let max_block_size = section.get_if("max_block_size", at_least_a_kib);
    let memory = section.get_if::<ByteSize>("memory", |memory| match max_block_size {
        Some(block) if *memory < block => Err(format!("must hold at least one block of {block}")),
        _ => Ok(()),
    });
    Some(Receiver {
        block_interval: block_interval?,
        queue: queue?,
        max_rate,
        max_block_size: max_block_size?,
        memory: memory?,
    })
}

/// The block interval of a section, or `default`, but never by default more than a batch.
pub(crate) fn block_interval(
    section: &mut Section<'_>,
    batch: Option<Duration>,
    default: Duration,
) -> Option<Duration> {
    let written = section.get_if("block_interval", positive);
    if !section.has("block_interval") {
        return Some(batch.map_or(default, |batch| default.min(batch)));
    }
    if let (Some(interval), Some(batch)) = (written, batch)
        && interval > batch
    {
        section.warn(
            "block_interval",
            "longer than a batch, so records wait for a later one",
        );
    }
    written
}

fn admin(mut section: Section<'_>) -> Option<Admin> {
    let listen = section.get::<Listen>("listen");
    let token_file = section.get("token_file");
    if let Some(Listen(Some(address))) = listen
        && !address.ip().is_loopback()
        && !section.has("token_file")
    {
        let reason = format!("`{address}` isn't a loopback address, so `token_file` is required");
        let help = "anybody who reaches the address could stop the pipeline: name a file with a token, \
                    or listen on 127.0.0.1";
        section.invalid("listen", reason, Some(help.into()));
    }
    Some(Admin {
        listen: listen?.0,
        token_file,
    })
}

fn backpressure(mut section: Section<'_>) -> Option<Backpressure> {
    let enabled = section.get("enabled");
    let initial_rate = section.get("initial_rate");
    let min_rate = section.get("min_rate");
    Some(Backpressure {
        enabled: enabled?,
        initial_rate,
        min_rate: min_rate?,
    })
}

fn jobs(mut section: Section<'_>) -> Option<Jobs> {
    let max_failures = section.get("max_failures");
    let retry_delay = section.get::<Duration>("retry_delay");
    let retry_delay_max = section.get_if::<Duration>("retry_delay_max", |max| match retry_delay {
        Some(delay) if *max < delay => Err(format!(
            "less than `retry_delay`, which is {}",
            format_duration(delay)
        )),
        _ => Ok(()),
    });
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let partitions = section.get("partitions").unwrap_or(cores);
    Some(Jobs {
        max_failures: max_failures?,
        retry_delay: retry_delay?,
        retry_delay_max: retry_delay_max?,
        partitions,
    })
}

fn stop(mut section: Section<'_>) -> Option<Stop> {
    Some(Stop {
        timeout: section.get_if("timeout", positive)?,
    })
}

fn log(mut section: Section<'_>) -> Option<Log> {
    let format = section.get("format");
    let level = section.get_if::<String>("level", |level| level_directives(level));
    Some(Log {
        format: format?,
        level: level?,
    })
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Each part of a comma-separated list is `LEVEL` or `TARGET=LEVEL`.
fn level_directives(text: &str) -> Result<(), String> {
    for directive in text.split(',').map(str::trim) {
        let level = directive
            .rsplit_once('=')
            .map_or(directive, |(_, level)| level);
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            let help = crate::suggest::help(level, LEVELS).unwrap_or_default();
            return Err(format!("`{level}` is no level: {help}"));
        }
    }
    Ok(())
}
