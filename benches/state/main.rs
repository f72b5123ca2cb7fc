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

use program::{Held, Keys, Program};
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
    for kind in [Keys::Numbers, Keys::Texts, Keys::Words] {
        let mut few = None;
        for keys in [10_000, 1_000_000, 10_000_000] {
            let name = name("map_with_state", kind, keys);
            if is_wanted(&name) {
                let seen = batch_times(&name, Program::MapWithState, kind, keys, batches, few);
                few.get_or_insert(seen);
            }
        }
        if kind == Keys::Words {
            break;
        }
        let name = name("update_state", kind, 1_000_000);
        if is_wanted(&name) {
            batch_times(&name, Program::UpdateState, kind, 1_000_000, batches, None);
        }
        let name = self::name("recovery", kind, 10_000_000);
        if is_wanted(&name) {
            recovery::figure(&name, kind, 10_000_000);
        }
    }
}

fn name(what: &str, kind: Keys, keys: u64) -> String {
    let kind = match kind {
        Keys::Numbers => "u64",
        Keys::Texts => "string",
        Keys::Words => "words",
    };
    let keys = match keys {
        1_000_000.. => format!("{}m", keys / 1_000_000),
        _ => format!("{}k", keys / 1_000),
    };
    format!("{what}_{kind}_{keys}")
}

/// What a batch took: at least, and the median.
type Seen = (f64, f64);

/// Batches with and without a checkpoint cut in them; `few` is what they took with the fewest keys.
fn batch_times(
    name: &str,
    program: Program,
    kind: Keys,
    keys: u64,
    batches: usize,
    few: Option<Seen>,
) -> Seen {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut held = Held::start(folder.path(), program, kind, keys);
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
        .number("batch_ms_min", percentile(&others, 0.0))
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
    let seen = (percentile(&others, 0.0), percentile(&others, 0.5));
    if let Some((min, p50)) = few {
        report = report
            .number("min_to_fewest_keys", seen.0 / min)
            .number("p50_to_fewest_keys", seen.1 / p50)
            .number("goal_to_fewest_keys", 1.5);
    }
    report.print();
    seen
}
