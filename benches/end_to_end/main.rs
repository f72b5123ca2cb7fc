//! Whole pipelines, measured: `cargo bench --bench end_to_end [-- FILTER] [--short]`.
//!
//! Prints one JSON line a figure, each with the machine's raw limit measured in the same run, and the
//! ratio: on a shared machine only ratios hold. `FILTER` is a part of a figure's name; `--short` takes
//! less time and says less. Data goes to a folder on the disk of the target folder, removed afterwards.
//! Figures that are about a process (start, recovery, memory) start this program again, see
//! [`process`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod acknowledgement;
mod cores;
mod daemon;
mod dirty_checkpoint;
mod fallible;
mod lines;
mod load;
mod log_append;
#[path = "../../tests/support/many_clients.rs"]
mod many_clients;
mod overhead;
mod pace;
mod process;
mod raw;
mod report;
mod small_batches;
mod watch;
mod windows;
mod word_count;

use std::path::Path;
use std::time::Duration;

use lines::Lines;
use report::Report;
use word_count::Run;

type Figure = fn(Run<'_>);

/// Every figure with its name, in the order in which they are taken.
const FIGURES: &[(&str, Figure)] = &[
    ("raw_count_loop", raw_count_loop),
    ("raw_write_sync", raw_write_sync),
    ("raw_memory_copy", raw_memory_copy),
    ("inprocess", word_count::in_process),
    ("unpaced", word_count::unpaced),
    ("socket_wal_off", |with| word_count::socket(with, false)),
    ("socket_wal_on", |with| word_count::socket(with, true)),
    ("http_wal_on", word_count::http),
    ("word_count_cores", cores::figure),
    ("wal_append_256B_64tasks", log_append::figure),
    ("small_batches", small_batches::figure),
    ("start_to_ready", process::start_to_ready),
    ("acknowledgement_under_load", acknowledgement::figure),
    ("checkpoint_1m_dirty_keys", dirty_checkpoint::figure),
    ("windows_60s_by_1s", windows::figure),
    ("try_map_to_map", fallible::figure),
    ("recovery_1m_keys", process::recovery),
    ("idle_rss", process::idle_rss),
    ("page_and_metrics", overhead::figure),
    ("clients_2000_connections", load::connections),
    ("clients_10000_requests", load::api),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(child) = arguments.strip_prefix(&["--child".to_owned()]) {
        return match child {
            [task, address] if task == "watch" => overhead::watch(address),
            _ => process::child(child),
        };
    }
    let short = arguments.iter().any(|argument| argument == "--short");
    let filter = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let with = Run {
        lines: Box::leak(Box::new(Lines::generate())),
        dir: folder.path(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        length: Duration::from_secs(if short { 5 } else { 12 }),
        short,
    };
    for (name, figure) in FIGURES {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            figure(with);
            clear(folder.path());
        }
    }
}

/// Removes what a figure left, so that the next has the disk to itself.
fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

fn raw_count_loop(with: Run<'_>) {
    let [one, _] = raw::count_loop(with.lines, 1);
    let [all, per_cpu_second] = raw::count_loop(with.lines, with.cores);
    Report::new("raw_count_loop")
        .number("lines_per_second_one_core", one)
        .number("lines_per_second_all_cores", all)
        .number("lines_per_cpu_second", per_cpu_second)
        .number("cores", with.cores as f64)
        .number("bytes_per_line", with.lines.bytes_per_line())
        .print();
}

fn raw_write_sync(with: Run<'_>) {
    for kib in [4, 64, 1024, 8192] {
        let rate = raw::write_sync(with.dir, kib << 10);
        Report::new("raw_write_sync")
            .number("group_kib", kib as f64)
            .number("bytes_per_second", rate)
            .number("groups_per_second", rate / (kib << 10) as f64)
            .print();
    }
}

fn raw_memory_copy(_: Run<'_>) {
    Report::new("raw_memory_copy")
        .number("bytes_per_second", raw::memory_copy())
        .print();
}
