//! Reads each section of the settings, and checks it against the others.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::table::{SECTIONS, TOP};
use super::{
    Admin, Backpressure, CatchUp, Checkpoint, DeadLetters, Http, Jobs, Log, Memory, Pid, Receiver,
    Settings, State, Stop, Storage, Telemetry, Tls, Wal,
};
use crate::address::{HostPort, Listen};
use crate::error::{Problem, Report};
use crate::key::Key;
use crate::secret::no_password;
use crate::section::Section;
use crate::spelling::string;
use crate::tree::Table;
use crate::value::{NonEmpty, Strings, table};
use crate::{ByteSize, Location, StoreUrl, format_duration};

/// The most partitions, jobs or waiting blocks accepted: more is a slip of the keyboard, and each costs
/// memory before any record arrives.
const MAX_COUNT: usize = 100_000;

/// Not absurdly many.
pub(crate) fn sane_count(count: &NonZeroUsize) -> Result<(), String> {
    if count.get() <= MAX_COUNT {
        return Ok(());
    }
    Err(format!(
        "{count} is more than {MAX_COUNT}, the most accepted"
    ))
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

/// Room for a few bodies, and no more than a machine may have.
fn sane_memory(size: &ByteSize) -> Result<(), String> {
    const SANE: std::ops::RangeInclusive<ByteSize> =
        ByteSize::new(1 << 20)..=ByteSize::new(1 << 40);
    match SANE.contains(size) {
        true => Ok(()),
        false => Err(format!(
            "{size} isn't between {} and {}, the least and the most accepted",
            SANE.start(),
            SANE.end()
        )),
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
        storage: storage(open.section("storage", report)),
        state: state(open.section("state", report)),
        receiver: receiver(open.section("receiver", report), top.batch_interval),
        memory: memory(open.section("memory", report)),
        admin: admin(open.section("admin", report)),
        http: http(open.section("http", report)),
        backpressure: backpressure(open.section("backpressure", report)),
        catch_up: catch_up(open.section("catch_up", report)),
        jobs: jobs(open.section("jobs", report)),
        dead_letters: dead_letters(open.section("dead_letters", report)),
        stop: stop(open.section("stop", report)),
        log: log(open.section("log", report)),
        telemetry: Some(telemetry(open.section("telemetry", report))),
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
        concurrent_jobs: section.get_if("concurrent_jobs", sane_count),
        remember: section.get_if("remember", positive),
        checkpoint: None,
        wal: None,
        storage: None,
        state: None,
        receiver: None,
        memory: None,
        admin: None,
        http: None,
        backpressure: None,
        catch_up: None,
        jobs: None,
        dead_letters: None,
        stop: None,
        log: None,
        telemetry: None,
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
            super::table::home_of(name)
        };
        let help = home
            .map(|home| format!("`{name}` is a key of {home}"))
            .or_else(|| crate::secret::help(name, []))
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
    let renames = section
        .get::<Strings>("renames")
        .map(|Strings(renames)| renames);
    let drop = section.get::<Vec<NonEmpty>>("drop").unwrap_or_default();
    let drop: Vec<String> = drop.into_iter().map(|NonEmpty(uid)| uid).collect();
    let checkpoint = || {
        Some(Checkpoint {
            renames: renames.unwrap_or_default(),
            drop,
            url: url.clone()?,
            interval: interval?,
            retain: retain?,
        })
    };
    (url.clone(), checkpoint())
}

/// The least multiple of `unit` that isn't less than `duration`.
fn round_up(duration: Duration, unit: Duration) -> Duration {
    let unit = unit.as_millis().max(1);
    let millis = duration
        .as_millis()
        .div_ceil(unit)
        .max(1)
        .saturating_mul(unit);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
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
    if let Some(url) = &url {
        section.derive("url", string(&url.to_string()));
    }
    match (&url, checkpoint) {
        (None, Some(checkpoint)) if !is_given => {
            let key = section.key_path("url");
            let expected = format!("a location, since nothing can lie beside `{checkpoint}`");
            let at = section.at().clone();
            section
                .report
                .error(&at, Problem::Missing { key, expected }, None);
        }
        (Some(url), Some(checkpoint)) if url.is_same_place(checkpoint) => {
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

fn storage(mut section: Section<'_>) -> Option<Storage> {
    let reserve = section.get("reserve");
    let scratch: Option<PathBuf> = section.get("scratch");
    let scratch_replica = section.get_if::<PathBuf>("scratch_replica", |replica| {
        if scratch.as_ref() == Some(replica) {
            return Err("is `scratch`, too: a second copy belongs on another disk".into());
        }
        Ok(())
    });
    Some(Storage {
        reserve: reserve?,
        scratch,
        scratch_replica,
    })
}

fn memory(mut section: Section<'_>) -> Option<Memory> {
    Some(Memory {
        cached: section.get("cached"),
        shuffle: section.get("shuffle"),
    })
}

fn state(mut section: Section<'_>) -> Option<State> {
    let memory = section.get("memory");
    let scratch = section.get::<NonEmpty>("scratch");
    Some(State {
        memory,
        scratch: scratch.map(|folder| folder.0.into()),
    })
}

fn receiver(mut section: Section<'_>, batch: Option<Duration>) -> Option<Receiver> {
    let block_interval = block_interval(&mut section, batch, Duration::from_millis(200));
    let queue = section.get_if("queue", sane_count);
    let max_rate = section.get("max_rate");
    let max_block_size = section.get_if("max_block_size", at_least_a_kib);
    let memory = section.get_if::<ByteSize>("memory", |memory| match max_block_size {
        Some(block) if *memory < block => Err(format!("must hold at least one block of {block}")),
        _ => Ok(()),
    });
    let unready_after = section.get("unready_after");
    Some(Receiver {
        unready_after: unready_after?,
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
        let interval = batch.map_or(default, |batch| default.min(batch));
        section.derive("block_interval", string(&format_duration(interval)));
        return Some(interval);
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
    let read_token_file = section.get("read_token_file");
    let tls = tls(&mut section);
    let operators = section.get::<Vec<NonEmpty>>("tls.operators");
    let has_authority = section.has("tls.client_ca");
    if section.has("tls.operators") && !has_authority {
        let reason = "names clients by their certificates, so `tls.client_ca` is needed";
        section.invalid("tls.operators", reason, None);
    }
    let operators = operators.unwrap_or_default().into_iter();
    let retained_batches = section.get("retained_batches");
    if let Some(Listen(Some(address))) = listen
        && !address.ip().is_loopback()
        && !section.has("token_file")
        && !section.has("read_token_file")
        && !has_authority
    {
        let reason = format!("`{address}` isn't a loopback address, so `token_file` is required");
        let help = "anybody who reaches the address could stop the pipeline: name a file with a token, \
                    or listen on 127.0.0.1";
        section.invalid("listen", reason, Some(help.into()));
    }
    Some(Admin {
        listen: listen?.0,
        token_file,
        read_token_file,
        tls,
        tls_operators: operators.map(|NonEmpty(operator)| operator).collect(),
        retained_batches: retained_batches?,
    })
}

/// The keys `tls.` of an address: certificate and key, or neither.
pub(crate) fn tls(section: &mut Section<'_>) -> Option<Tls> {
    let cert = section.get("tls.cert");
    let key = section.get("tls.key_file");
    let client_ca = section.get("tls.client_ca");
    let has = |name| section.has(name);
    let (has_cert, has_key) = (has("tls.cert"), has("tls.key_file"));
    let lonely = match (has_cert, has_key, has("tls.client_ca")) {
        (true, false, _) => Some(("tls.cert", "needs its private key, `tls.key_file`")),
        (false, true, _) => Some(("tls.key_file", "needs its certificate, `tls.cert`")),
        (false, false, true) => Some(("tls.client_ca", "needs `tls.cert` and `tls.key_file`")),
        _ => None,
    };
    if let Some((name, reason)) = lonely {
        section.invalid(name, reason, None);
    }
    Some(Tls {
        cert: cert?,
        key: key?,
        client_ca,
    })
}

fn http(mut section: Section<'_>) -> Option<Http> {
    let max_connections = section.get_if("max_connections", sane_count);
    let max_connections_per_peer = section.get_if("max_connections_per_peer", sane_count);
    let idle_timeout = section.get_if("idle_timeout", positive);
    let header_timeout = section.get_if("header_timeout", positive);
    let stall_timeout = section.get_if("stall_timeout", positive);
    let bodies_memory = section.get_if("bodies_memory", sane_memory);
    Some(Http {
        max_connections: max_connections?,
        max_connections_per_peer: max_connections_per_peer?,
        idle_timeout: idle_timeout?,
        header_timeout: header_timeout?,
        stall_timeout: stall_timeout?,
        bodies_memory: bodies_memory?,
    })
}

fn backpressure(mut section: Section<'_>) -> Option<Backpressure> {
    let enabled = section.get("enabled");
    let initial_rate = section.get("initial_rate");
    let proportional = section.get_if("pid.proportional", factor);
    let integral = section.get_if("pid.integral", factor);
    let derived = section.get_if("pid.derived", factor);
    let min_rate = section.get("pid.min_rate");
    Some(Backpressure {
        enabled: enabled?,
        initial_rate,
        pid: Pid {
            proportional: proportional?,
            integral: integral?,
            derived: derived?,
            min_rate: min_rate?,
        },
    })
}

/// A factor that a rate can be corrected by.
fn factor(factor: &f64) -> Result<(), String> {
    if factor.is_finite() && *factor >= 0.0 {
        return Ok(());
    }
    Err(format!("{factor} is no factor: it must be 0 or more"))
}

fn catch_up(mut section: Section<'_>) -> Option<CatchUp> {
    let max_records = section.get("max_records");
    let max_speed = section.get_if::<f64>("max_speed", |speed| {
        if speed.is_finite() && *speed > 1.0 {
            return Ok(());
        }
        Err(format!(
            "{speed} is no such speed: it must be above 1, or nothing is ever caught up with"
        ))
    });
    Some(CatchUp {
        max_records,
        max_speed,
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
    let partitions = section.get_if("partitions", sane_count).unwrap_or(cores);
    section.derive("partitions", partitions.to_string());
    let overdue_after = section.get("overdue_after");
    Some(Jobs {
        max_failures: max_failures?,
        overdue_after: overdue_after?,
        retry_delay: retry_delay?,
        retry_delay_max: retry_delay_max?,
        partitions,
    })
}

fn dead_letters(mut section: Section<'_>) -> Option<DeadLetters> {
    let url = section.get_if::<NonEmpty>("url", |url| no_password(&url.0));
    let max_per_batch = section.get("max_per_batch");
    Some(DeadLetters {
        url: url.map(|url| url.0),
        max_per_batch: max_per_batch?,
    })
}

fn stop(mut section: Section<'_>) -> Option<Stop> {
    let timeout = section.get_if("timeout", positive);
    let receivers = section.get_if("receivers", positive);
    let checkpoint = section.get_if("checkpoint", positive);
    Some(Stop {
        timeout: timeout?,
        receivers: receivers?,
        checkpoint: checkpoint?,
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

fn telemetry(mut section: Section<'_>) -> Telemetry {
    Telemetry {
        otlp: section.get_if::<String>("otlp", |url| collector(url)),
    }
}

/// `http://HOST:PORT`, with a path if there is one.
fn collector(url: &str) -> Result<(), String> {
    no_password(url)?;
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(format!(
            "`{url}` isn't http://HOST:PORT; a collector that wants https is reached through one beside the daemon"
        ));
    };
    let authority = rest.split('/').next().unwrap_or_default();
    HostPort::parse(authority).map(|_| ())
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
