//! The sections that a pipeline has once: checkpoint, log, receivers, admin and the like.
//!
//! What they are lives here, their keys and defaults in `table`, and how they are read in `read`.

mod read;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use read::{block_interval, positive, read, sane_count, tls};
pub(crate) use table::SECTIONS;

use crate::value::choice;
use crate::{ByteSize, Secret, StoreUrl};

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where checkpoints are kept.
    pub url: StoreUrl,
    /// Time between checkpoints, a multiple of the batch interval.
    pub interval: Duration,
    /// How many to keep, at least 2.
    pub retain: NonZeroUsize,
    /// New uids by those that checkpoints of before call them.
    pub renames: BTreeMap<String, String>,
    /// Uids whose state may be given up.
    pub drop: Vec<String>,
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

/// `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Bytes to be kept free on the disks of logs and checkpoints; 0: none.
    pub reserve: ByteSize,
    /// Where kept datasets lie that have no room in memory; `None`: among the system's temporary files.
    pub scratch: Option<PathBuf>,
    /// Where their second copies lie, if anywhere.
    pub scratch_replica: Option<PathBuf>,
}

/// `[memory]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of kept datasets to hold in memory; `None`: no limit.
    pub cached: Option<ByteSize>,
    /// Bytes that shuffles may hold in memory; `None`: no limit.
    pub shuffle: Option<ByteSize>,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Bytes of memory for all states, windows among them, if limited.
    pub memory: Option<ByteSize>,
    /// Where states lie that have no room in memory; `None`: beside the checkpoint.
    pub scratch: Option<PathBuf>,
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
    /// How long one may be down before `/readyz` fails.
    pub unready_after: Duration,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address to listen on; `None`: no admin side.
    pub listen: Option<SocketAddr>,
    /// Where the operators' token is.
    pub token_file: Option<Secret>,
    /// Where the token is of those who may only look.
    pub read_token_file: Option<Secret>,
    /// HTTPS, if it is to be.
    pub tls: Option<Tls>,
    /// Whose certificates are an operator's: DNS names, or `sha256:` and a fingerprint.
    pub tls_operators: Vec<String>,
    /// Completed batches of which figures are kept.
    pub retained_batches: NonZeroUsize,
}

impl Admin {
    /// Whether it asks who comes; it does whenever `listen` isn't a loopback address.
    pub fn is_protected(&self) -> bool {
        let by_token = self.token_file.is_some() || self.read_token_file.is_some();
        by_token || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }
}

/// `tls` of an address: where the parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, with those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: Secret,
    /// The authorities whose clients are believed, if clients show certificates.
    pub client_ca: Option<PathBuf>,
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Connections that an address may have at once.
    pub max_connections: NonZeroUsize,
    /// Those that one client address may have of them.
    pub max_connections_per_peer: NonZeroUsize,
    /// How long a connection may be open without a request, above 0.
    pub idle_timeout: Duration,
    /// How long the head of a request may take, above 0.
    pub header_timeout: Duration,
    /// How long a client may keep one waiting within a body or an answer, above 0.
    pub stall_timeout: Duration,
    /// Memory that the bodies of posts under way may hold together, 1 MiB to 1 TiB.
    pub bodies_memory: ByteSize,
}

/// `[backpressure]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Backpressure {
    /// Whether the rate follows how fast batches are processed.
    pub enabled: bool,
    /// Records a second and source until a rate has been estimated.
    pub initial_rate: Option<NonZeroU64>,
    /// How a rate is estimated.
    pub pid: Pid,
}

/// `[backpressure] pid`: the factors of the rate estimator, none below 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Pid {
    /// Of the difference between the last rate and what was processed a second.
    pub proportional: f64,
    /// Of what waits already.
    pub integral: f64,
    /// Of how fast the difference changes.
    pub derived: f64,
    /// Records a second that a source may always have.
    pub min_rate: NonZeroU64,
}

/// `[catch_up]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CatchUp {
    /// Records of a source that a batch takes at most, if limited.
    pub max_records: Option<NonZeroU64>,
    /// How many times as fast as they come missed batches are made up for, if limited; above 1.
    pub max_speed: Option<f64>,
}

/// `[jobs]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// Attempts at a task before its batch fails.
    pub max_failures: NonZeroUsize,
    /// Batch intervals after which it is told that a batch takes long; 0: never.
    pub overdue_after: u64,
    /// Wait before the first retry.
    pub retry_delay: Duration,
    /// The longest wait, at least `retry_delay`.
    pub retry_delay_max: Duration,
    /// Partitions of an aggregation that doesn't set its own.
    pub partitions: NonZeroUsize,
}

/// `[dead_letters]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// Where they are written, if anywhere: a folder, or a place in an object store.
    pub url: Option<String>,
    /// How many a batch may have.
    pub max_per_batch: NonZeroU64,
}

/// `[stop]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// How long a graceful stop may take until its last checkpoint, above 0.
    pub timeout: Duration,
    /// How much of it receivers may take, above 0.
    pub receivers: Duration,
    /// How long the last checkpoint may take, above 0.
    pub checkpoint: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// A level, or comma-separated directives `[PART=]LEVEL`.
    pub level: String,
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Where traces are sent, `http://HOST:PORT`, if they are.
    pub otlp: Option<String>,
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
    pub storage: Option<Storage>,
    pub state: Option<State>,
    pub receiver: Option<Receiver>,
    pub memory: Option<Memory>,
    pub admin: Option<Admin>,
    pub http: Option<Http>,
    pub backpressure: Option<Backpressure>,
    pub catch_up: Option<CatchUp>,
    pub jobs: Option<Jobs>,
    pub dead_letters: Option<DeadLetters>,
    pub stop: Option<Stop>,
    pub log: Option<Log>,
    pub telemetry: Option<Telemetry>,
}
