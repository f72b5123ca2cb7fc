//! State, measured: `cargo bench --bench state [-- FILTER] [--short]`.
//!
//! Prints one JSON line a figure. `FILTER` is a part of a figure's name; `--short` takes fewer batches.
//! Data goes to a folder on the disk of the target folder, removed afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../end_to_end/report.rs"]
mod report;

mod program;
mod recovery;

use program::{Held, Program};
use report::{Report, mean, percentile};

/// Keys that a batch updates.
const UPDATES: usize = 10_000;
/// Milliseconds that the original takes for a batch of `update_state_by_key` at a million keys.
const ORIGINAL_UPDATE_MS: f64 = 1_146.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let batches = match arguments.iter().any(|argument| argument == "--short") {
        true => 30,
        false => 100,
    };
    let filter = arguments
        .iter()
        .find(|argument| !argument.starts_with("--"));
    let is_wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
    for strings in [false, true] {
        for keys in [10_000, 1_000_000, 10_000_000] {
            let name = name("map_with_state", strings, keys);
            if is_wanted(&name) {
                batch_times(&name, Program::MapWithState, strings, keys, batches);
            }
        }
        let name = name("update_state", strings, 1_000_000);
        if is_wanted(&name) {
            batch_times(&name, Program::UpdateState, strings, 1_000_000, batches);
        }
        let name = self::name("recovery", strings, 10_000_000);
        if is_wanted(&name) {
            recovery::figure(&name, strings, 10_000_000);
        }
    }
}

fn name(what: &str, strings: bool, keys: u64) -> String {
    let kind = if strings { "string" } else { "u64" };
    let keys = match keys {
        1_000_000.. => format!("{}m", keys / 1_000_000),
        _ => format!("{}k", keys / 1_000),
    };
    format!("{what}_{kind}_{keys}")
}

/// Batches with and without a checkpoint cut in them.
fn batch_times(name: &str, program: Program, strings: bool, keys: u64, batches: usize) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut held = Held::start(folder.path(), program, strings, keys);
    // What is done once is done.
    held.batches(12, UPDATES);
    let times = held.batches(batches, UPDATES);
    let (bytes, checkpoints) = held.checkpoints();
    held.stop();
    let of = |cut: bool| -> Vec<f64> {
        let times = times.iter().filter(|time| time.cut == cut);
        times.map(|time| time.ms).collect()
    };
    let (cut, others) = (of(true), of(false));
    let mut report = Report::new(name)
        .number("keys", keys as f64)
        .number("updates", UPDATES as f64)
        .number("batch_ms_mean", mean(&others))
        .number("batch_ms_p50", percentile(&others, 0.5))
        .number("batch_ms_max", percentile(&others, 1.0))
        .number("cut_batch_ms_mean", mean(&cut))
        .number("cut_batch_ms_max", percentile(&cut, 1.0))
        .number("cut_to_others", mean(&cut) / mean(&others))
        .number("checkpoints", checkpoints as f64)
        .number("checkpoint_bytes_mean", bytes);
    if program == Program::UpdateState {
        report = report
            .number("times_the_original", ORIGINAL_UPDATE_MS / mean(&others))
            .number("goal_times", 20.0);
    }
    report.print();
}
