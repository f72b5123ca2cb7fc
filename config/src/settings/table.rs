//! The keys of the settings as data.

use crate::key::Key;

pub(super) const TOP: &[Key] = &[
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
    )
    .in_unit("jobs"),
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
    )
    .reloadable(),
    Key::default(
        "retain",
        "an integer",
        "2",
        "Newest checkpoints to keep, at least 2: if the newest turns out bad, an older one and the log \
         behind it still hold everything.",
    )
    .in_unit("checkpoints")
    .reloadable(),
    Key::optional(
        "renames",
        "a table of uids",
        "{ \"counts.update_state_by_key\" = \"totals\" }",
        "Operators that older checkpoints know by another name, old = new: state and received data follow. \
         It may stay for ever.",
    ),
    Key::optional(
        "drop",
        "a list of uids",
        "[\"visits.update_state_by_key\"]",
        "State in a checkpoint that may be given up, where no operator takes it over. Without this such a \
         start is refused.",
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

const STORAGE: &[Key] = &[
    Key::default(
        "reserve",
        "a size",
        "\"64MiB\"",
        "Bytes to keep free on the disks of logs and checkpoints; 0 for none. Below it nothing more is taken \
         in, so that what was taken in can be processed and cleaned up; it goes on by itself when a quarter \
         more than this is free. A start takes a quarter of it.",
    )
    .reloadable(),
    Key::derived(
        "scratch",
        "a folder",
        "\"/var/tmp\"",
        "the system's folder for temporary files",
        "Where kept datasets (persist) lie that aren't in memory. What they have there goes with the process.",
    ),
    Key::optional(
        "scratch_replica",
        "a folder",
        "\"/mnt/other/tmp\"",
        "A second such folder, on another disk, for the storage levels that keep two copies.",
    ),
];

const STATE: &[Key] = &[
    Key::optional(
        "memory",
        "a size",
        "\"1GiB\"",
        "Bytes of memory for all states, windows among them; what is beyond lies in a scratch folder. No \
         limit by default.",
    ),
    Key::derived(
        "scratch",
        "a folder",
        "\"/var/tmp\"",
        "`scratch` beside the checkpoint or the logs, or a temporary folder",
        "Where states lie that have no room in memory. It is made anew at each start.",
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
    )
    .in_unit("blocks"),
    Key::optional(
        "max_rate",
        "an integer",
        "100000",
        "Records a second and source, at most. A source may set its own.",
    )
    .in_unit("records/s")
    .reloadable(),
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
    Key::default(
        "unready_after",
        "a duration",
        "\"30s\"",
        "How long one may be down, failing and being started again, before /readyz fails.",
    )
    .reloadable(),
];

const MEMORY: &[Key] = &[
    Key::optional(
        "cached",
        "a size",
        "\"1GiB\"",
        "Bytes of kept datasets to hold in memory. Over it, those used the longest ago are let go, and computed \
         again when they are needed.",
    ),
    Key::optional(
        "shuffle",
        "a size",
        "\"1GiB\"",
        "Bytes that keyed steps of all running jobs may hold in memory. One that needs more is worked off in parts \
         of its keys, and computes its input again for each; a batch in which the values of one key are more fails, \
         and the process lives. No limit by default.",
    ),
];

pub(crate) const TLS_CERT: Key = Key::optional(
    "tls.cert",
    "a path",
    "\"/etc/tidemill/cert.pem\"",
    "The certificate in PEM form, with those between it and its authority: the address speaks HTTPS. Needs the \
     feature `tls`. A reload reads it again.",
);

pub(crate) const TLS_KEY_FILE: Key = Key::optional(
    "tls.key_file",
    "where a secret is",
    "\"credential:tls-key\"",
    "Where its private key is in PEM form: a file, credential:NAME or environment:NAME. A reload reads it again.",
);

pub(crate) const TLS_CLIENT_CA: Key = Key::optional(
    "tls.client_ca",
    "a path",
    "\"/etc/tidemill/clients.pem\"",
    "Certificates of the authorities whose clients are let in by theirs (mutual TLS), instead of a token. Where there \
     is a token, too, either will do. A reload reads it again.",
);

const ADMIN: &[Key] = &[
    Key::default(
        "listen",
        "an address, or false",
        "\"127.0.0.1:4040\"",
        "Address of the streaming page, the HTTP API and /ingest; false or \"none\" for none.",
    ),
    Key::optional(
        "token_file",
        "where a secret is",
        "\"/etc/tidemill/token\"",
        "Where the operators' token is, which requests must show as a bearer token: a file, credential:NAME or \
         environment:NAME. Required unless `listen` is a loopback address. A reload reads it again.",
    )
    .reloadable(),
    Key::optional(
        "read_token_file",
        "where a secret is",
        "\"/etc/tidemill/read-token\"",
        "Where a second token is, for those who may look at everything and change nothing. Without `token_file` \
         nobody may change anything over HTTP. A reload reads it again.",
    )
    .reloadable(),
    TLS_CERT,
    TLS_KEY_FILE,
    TLS_CLIENT_CA,
    Key::optional(
        "tls.operators",
        "a list of names",
        "[\"ops.example\", \"sha256:9F86D081...\"]",
        "Clients whose certificate makes them operators, by DNS name or `sha256:` and its fingerprint. Others of \
         `tls.client_ca` may look at everything and change nothing.",
    )
    .reloadable(),
    Key::default(
        "retained_batches",
        "an integer",
        "1000",
        "Completed batches of which the page and the API know the figures, after a restart, too.",
    )
    .in_unit("batches")
    .reloadable(),
];

const HTTP: &[Key] = &[
    Key::default(
        "max_connections",
        "an integer",
        "4096",
        "Connections that an address may have at once; one more is answered with 503 and closed.",
    )
    .in_unit("connections"),
    Key::default(
        "max_connections_per_peer",
        "an integer",
        "2048",
        "Those that one client address may have of them. Behind a proxy all clients have the proxy's.",
    )
    .in_unit("connections"),
    Key::default(
        "idle_timeout",
        "a duration",
        "\"75s\"",
        "How long a connection may be open without a request.",
    ),
    Key::default(
        "header_timeout",
        "a duration",
        "\"15s\"",
        "How long the head of a request may take from its first byte on, and a TLS handshake.",
    ),
    Key::default(
        "stall_timeout",
        "a duration",
        "\"30s\"",
        "How long a client may keep one waiting for the next piece of a body, or for room for the next piece of an \
         answer. After this time a body has to have come at 1 KiB/s on average.",
    ),
    Key::default(
        "bodies_memory",
        "a size",
        "\"256MiB\"",
        "Memory that the bodies of posts under way may hold together, over all sources: 1MiB to 1TiB. A post beyond that is \
         answered with 503. The largest `max_body` of a source has room at any rate.",
    ),
];

const BACKPRESSURE: &[Key] = &[
    Key::default(
        "enabled",
        "true or false",
        "false",
        "Adapt the rate of each source to how fast batches are processed.",
    ),
    Key::optional(
        "initial_rate",
        "an integer",
        "10000",
        "Records a second and source until a rate has been estimated; one that a checkpoint holds goes first.",
    )
    .in_unit("records/s")
    .reloadable(),
    Key::default(
        "pid.proportional",
        "a number",
        "1.0",
        "How much of the difference between the last rate and what was processed a second is corrected at once.",
    )
    .reloadable(),
    Key::default(
        "pid.integral",
        "a number",
        "0.2",
        "How much of what waits already, as the scheduling delay tells it, is worked off at once.",
    )
    .reloadable(),
    Key::default(
        "pid.derived",
        "a number",
        "0.0",
        "How much the rate follows how fast that difference changes.",
    )
    .reloadable(),
    Key::default(
        "pid.min_rate",
        "an integer",
        "100",
        "Never hold a source back below this rate.",
    )
    .in_unit("records/s")
    .reloadable(),
];

const CATCH_UP: &[Key] = &[
    Key::optional(
        "max_records",
        "an integer",
        "100000",
        "Records of a source that a batch takes at most; what waits beyond is for later batches. So what has come          while it was down isn't one batch. Sources that don't know how many they read, as files, aren't held to it.",
    )
    .in_unit("records")
    .reloadable(),
    Key::optional(
        "max_speed",
        "a number",
        "10",
        "How many times as fast as they come missed batches are made up for, at most; above 1. By default as fast as          they are processed.",
    )
    .reloadable(),
];

const JOBS: &[Key] = &[
    Key::default(
        "max_failures",
        "an integer",
        "4",
        "Attempts at a task before its batch fails.",
    )
    .in_unit("attempts")
    .reloadable(),
    Key::default(
        "overdue_after",
        "an integer",
        "10",
        "Batch intervals after which it is told that a batch takes long, and what it is at, but not before 10 s; 0 for \
         never.",
    )
    .in_unit("intervals")
    .reloadable(),
    Key::default(
        "retry_delay",
        "a duration",
        "\"100ms\"",
        "Wait before the first retry; it doubles.",
    )
    .reloadable(),
    Key::default(
        "retry_delay_max",
        "a duration",
        "\"30s\"",
        "The longest wait between retries.",
    )
    .reloadable(),
    Key::derived(
        "partitions",
        "an integer",
        "2",
        "the number of cores",
        "Partitions of an aggregation that doesn't set its own.",
    )
    .in_unit("partitions"),
];

const STOP: &[Key] = &[
    Key::default(
        "timeout",
        "a duration",
        "\"60s\"",
        "A graceful stop whose receivers and batches take longer than this becomes an immediate one. Nothing is \
         lost either way. With `checkpoint` it has to fit into the service manager's limit.",
    )
    .reloadable(),
    Key::default(
        "receivers",
        "a duration",
        "\"15s\"",
        "How much of `timeout` receivers may take to end. What a slower one stores is processed after the next \
         start.",
    )
    .reloadable(),
    Key::default(
        "checkpoint",
        "a duration",
        "\"20s\"",
        "How long the last checkpoint may take, after `timeout` at the latest. Then the process ends without it.",
    )
    .reloadable(),
];

const DEAD_LETTERS: &[Key] = &[
    Key::optional(
        "url",
        "a folder or a place in an object store",
        "\"data/readings/dead_letters\"",
        "Where records go that an operator can't work on: PATH, file:PATH, s3://, gs:// or az://. Each batch \
         that has any writes the folder letters-TIME_MS.jsonl there, once. Without this they are left out, \
         counted and told in the log, unless an operator's `on_error` says otherwise.",
    ),
    Key::default(
        "max_per_batch",
        "an integer",
        "10000",
        "A batch with more of them fails: then it isn't the records that are wrong.",
    )
    .in_unit("records")
    .reloadable(),
];

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
    )
    .reloadable(),
];

const TELEMETRY: &[Key] = &[Key::optional(
    "otlp",
    "an address",
    "\"http://127.0.0.1:4318\"",
    "Collector to which a trace of each batch is sent, by OTLP over HTTP. Needs a build with the feature `otel`.",
)];

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
    ("storage", "The disks that all of this lies on.", STORAGE),
    ("state", "What operators with state keep in memory.", STATE),
    (
        "receiver",
        "How received records are gathered into blocks.",
        RECEIVER,
    ),
    (
        "memory",
        "What kept datasets and keyed steps may take.",
        MEMORY,
    ),
    (
        "admin",
        "The HTTP side: page, API, metrics and ingest.",
        ADMIN,
    ),
    (
        "http",
        "What clients may take of the admin address, and of each address that a source has of its own.",
        HTTP,
    ),
    (
        "backpressure",
        "Holding sources back when batches fall behind.",
        BACKPRESSURE,
    ),
    (
        "catch_up",
        "How it catches up after it was down or fell behind.",
        CATCH_UP,
    ),
    ("jobs", "How the work of a batch is run.", JOBS),
    (
        "dead_letters",
        "What becomes of records that can't be processed.",
        DEAD_LETTERS,
    ),
    ("stop", "How it stops.", STOP),
    ("log", "What it says on standard error.", LOG),
    ("telemetry", "What it tells a collector.", TELEMETRY),
];

/// The section of settings that a key by this name belongs to, if it is exactly one.
pub(crate) fn home_of(name: &str) -> Option<String> {
    let mut homes = SECTIONS
        .iter()
        .filter(|(_, _, keys)| keys.iter().any(|key| key.name == name))
        .map(|(section, _, _)| match *section {
            "" => "the top of the file, before the first [section]".to_owned(),
            section => format!("[{section}]"),
        });
    let home = homes.next()?;
    homes.next().is_none().then_some(home)
}
