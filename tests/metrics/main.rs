//! The metrics of a real daemon, and the dashboard and alerts that are made of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../cli_support/mod.rs"]
mod cli_support;
mod lags;
mod ops;
mod original;
mod promtool;
mod samples;
mod scrape;
#[path = "../support/mod.rs"]
mod support;

/// A pipeline that has whatever has metrics: each kind of input, a state, records that don't fit, back-pressure.
const PIPELINE: &str = r#"name = "everything"
batch_interval = "100ms"

[checkpoint]
url = "sled:data/checkpoint"
interval = "1s"

[dead_letters]
url = "letters"

[backpressure]
enabled = true
initial_rate = 1000

[admin]
listen = "127.0.0.1:0"

[sources.lines]
type = "http"

[sources.nowhere]
type = "socket"
silent_after = "5m"
address = "127.0.0.1:1"

[sources.folder]
type = "files"
path = "in"
max_files_per_batch = 1

[streams.numbers]
from = "lines"
ops = [{ op = "map", function = "parse_int" }, { op = "count_by_value" }, { op = "update_state_by_key", function = "sum" }]

[streams.rest]
from = ["nowhere", "folder"]
ops = [{ op = "count" }]

[sinks.numbers]
from = "numbers"
type = "discard"

[sinks.rest]
from = "rest"
type = "discard"
"#;

/// A daemon that runs [`PIPELINE`].
fn everything() -> (cli_support::Place, cli_support::Daemon) {
    let place = cli_support::Place::new();
    std::fs::write(place.path("p.toml"), PIPELINE).unwrap();
    std::fs::create_dir(place.path("in")).unwrap();
    let command = place.command(&["run", "p.toml"]);
    // Not `ready`: a receiver is down for good.
    let daemon = cli_support::Daemon::spawn(command);
    (place, daemon)
}
