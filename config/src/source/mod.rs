//! `[sources.NAME]`: where records come from.
//!
//! What sources are lives here; `table` lists their types as data with keys and builders, and `read`
//! reads them. To add one, add an entry to the table and a variant of [`SourceKind`].

mod read;
mod table;

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

pub(crate) use read::{check_addresses, read};
pub(crate) use table::{COMMON_KEYS, RECEIVER_KEYS, SOURCES};

use crate::value::choice;
use crate::{ByteSize, HostPort, Location, Name, Secret, Tls};

/// A source of lines of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name, which no stream has.
    pub name: Name,
    /// What it is.
    pub kind: SourceKind,
    /// When it counts as silent, if it does.
    pub silence: Option<Silence>,
    /// How its records become blocks, if it is a receiver; `None` for sources that name a range of
    /// records or files for each batch.
    pub limits: Option<Limits>,
    /// Where it is declared.
    pub location: Location,
}

/// When a source counts as silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// So long after its last record, above 0.
    pub after: Duration,
    /// What follows.
    pub then: OnSilence,
}

choice! {
    /// What follows when a source is silent.
    pub enum OnSilence ("policy") {
        /// It is told.
        Warn = "warn",
        /// `/readyz` fails as well.
        Unready = "unready",
    }
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
        /// Where the token is that posts must show, if there is one.
        token_file: Option<Secret>,
        /// HTTPS at an address of its own, if it is to be.
        tls: Option<Tls>,
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
        /// The folder, or a place in an object store.
        path: String,
        /// File names to take, with `*` and `?`; `None`: all.
        pattern: Option<String>,
        /// Whether files that are there at the first start are left out.
        new_files_only: bool,
        /// How many a batch takes at most.
        max_files_per_batch: Option<NonZeroUsize>,
        /// Whether the parts in folders with a `_SUCCESS`, as sinks write them, are read as well.
        batch_folders: bool,
        /// How long names are remembered, by the times of the files; `None`: as long as the files are there.
        remember: Option<Duration>,
        /// Whether names ascend, so that only the greatest is remembered.
        ascending_names: bool,
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
