//! All types of sources as data: name, keys, meaning and builder.

use std::net::SocketAddr;
use std::time::Duration;

use super::SourceKind;
use crate::key::Key;
use crate::section::Section;
use crate::settings::table::{TLS_CERT, TLS_CLIENT_CA, TLS_KEY_FILE};
use crate::settings::{positive, tls};
use crate::store_url::check_place;
use crate::value::NonEmpty;
use crate::{ByteSize, format_duration};

/// A type of source.
pub(crate) struct SourceSpec {
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    pub build: fn(&mut Section<'_>) -> Option<SourceKind>,
    /// Whether it gathers records into blocks, and so takes [`RECEIVER_KEYS`].
    pub is_receiver: bool,
}

pub(crate) const COMMON_KEYS: &[Key] = &[
    Key::required(
        "type",
        "a type of source",
        "\"http\"",
        "http, socket, files, rate or queue.",
    ),
    Key::optional(
        "silent_after",
        "a duration",
        "\"5m\"",
        "It is told when the source has given no record for so long.",
    ),
    Key::default(
        "on_silence",
        "warn or unready",
        "\"warn\"",
        "What follows then: a warning, or /readyz fails as well.",
    ),
];

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
    )
    .in_unit("records/s")
    .reloadable(),
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
            Key::optional(
                "token_file",
                "where a secret is",
                "\"/etc/tidemill/visits-token\"",
                "Where the token is that posts to this source must show, if not the operators': a file, \
                 credential:NAME or environment:NAME. A reload reads it again.",
            )
            .reloadable(),
            TLS_CERT,
            TLS_KEY_FILE,
            TLS_CLIENT_CA,
            Key::default(
                "open",
                "true or false",
                "false",
                "Let anybody post who reaches `listen`, though it isn't a loopback address and there is no \
                 `token_file`.",
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
            Key::required(
                "path",
                "a path or location",
                "\"data/in\"",
                "The folder to watch: PATH, file:PATH, s3://BUCKET/FOLDER, gs:// or az://.",
            ),
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
            )
            .in_unit("files"),
            Key::default(
                "batch_folders",
                "true or false",
                "false",
                "Read the folders that file sinks write there, too, each when it is whole.",
            ),
            Key::optional(
                "remember",
                "a duration",
                "\"1h\"",
                "Forget names of files that changed so long before the newest; older ones that appear aren't read. \
                 By default a name is known for as long as the file is there.",
            ),
            Key::default(
                "ascending_names",
                "true or false",
                "false",
                "Names ascend: only the greatest is remembered, and an object store lists what is behind it.",
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
            )
            .in_unit("lines/s"),
            Key::default("words_per_line", "an integer", "8", "Words in a line.").in_unit("words"),
            Key::default("vocabulary", "an integer", "10000", "Different words.").in_unit("words"),
            Key::default("seed", "an integer", "1", "What the words are drawn from."),
            Key::optional(
                "limit",
                "an integer",
                "1000000",
                "Lines after which it ends.",
            )
            .in_unit("lines"),
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

impl SourceSpec {
    /// All keys that it takes.
    pub fn all_keys(&self) -> [&'static [Key]; 3] {
        let shared = if self.is_receiver { RECEIVER_KEYS } else { &[] };
        [COMMON_KEYS, self.keys, shared]
    }
}

/// Types that are planned, and what to use meanwhile.
pub(super) const LATER: &[(&str, &str)] = &[
    ("kafka", "a consumer that posts to an `http` source"),
    ("nats", "a subscriber that posts to an `http` source"),
    ("mqtt", "a subscriber that posts to an `http` source"),
    ("flume", "Flume's HTTP sink with an `http` source"),
    ("kinesis", "a consumer that posts to an `http` source"),
    ("twitter", "a client that posts to an `http` source"),
    ("zeromq", "a subscriber that posts to an `http` source"),
];

fn http(section: &mut Section<'_>) -> Option<SourceKind> {
    let listen = section.get::<SocketAddr>("listen");
    let token_file = section.get("token_file");
    let open = section.get("open");
    let is_outside = listen.is_some_and(|address| !address.ip().is_loopback());
    let tls = tls(section);
    if tls.is_some() && !section.has("listen") {
        let reason = "is for a `listen` of the source's own: at the admin address [admin] has it";
        section.invalid("tls.cert", reason, None);
    }
    let is_protected = section.has("token_file") || section.has("tls.client_ca");
    if open == Some(true) && (is_protected || !is_outside) {
        let reason = match is_protected {
            true => "can't go with `token_file` or `tls.client_ca`: posts must show something",
            false => "is for a `listen` that isn't a loopback address",
        };
        section.invalid("open", reason, None);
    }
    if is_outside && !is_protected && open == Some(false) {
        let reason = "isn't a loopback address, so `token_file` is required";
        let help = "anybody who reaches the address could post records: name a file with a token, listen on \
                    127.0.0.1, or say that this is meant with `open = true`";
        section.invalid("listen", reason, Some(help.into()));
    }
    let max_body = section.get_if::<ByteSize>("max_body", above_zero);
    Some(SourceKind::Http {
        listen,
        token_file,
        tls,
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
    let path = section.get_if::<NonEmpty>("path", |path| {
        check_place(&path.0, "a database has no files to read")
    });
    let pattern = section.get_if::<NonEmpty>("pattern", |pattern| {
        if pattern.0.contains('/') {
            return Err("is matched with file names, which hold no `/`".into());
        }
        Ok(())
    });
    let new_files_only = section.get("new_files_only");
    let max_files_per_batch = section.get("max_files_per_batch");
    let batch_folders = section.get("batch_folders");
    let remember = section.get_if("remember", positive);
    let ascending_names = section.get::<bool>("ascending_names");
    if ascending_names == Some(true) && section.has("remember") {
        let reason = "can't go with `ascending_names`, which remembers one name only";
        section.invalid("remember", reason, None);
    }
    Some(SourceKind::Files {
        path: path?.0,
        pattern: pattern.map(|pattern| pattern.0),
        new_files_only: new_files_only?,
        max_files_per_batch,
        batch_folders: batch_folders?,
        remember,
        ascending_names: ascending_names?,
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
