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

use program::{BatchTime, Held, Keys, Program};
use report::{Report, mean, percentile};
use tempfile::TempDir;

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
        let held = [10_000, 1_000_000, 10_000_000].map(|keys| (Program::MapWithState, keys));
        let named = held.map(|(program, keys)| (name("map_with_state", kind, keys), program, keys));
        side_by_side(
            named.into_iter().filter(|(name, ..)| is_wanted(name)),
            kind,
            batches,
        );
        if kind == Keys::Words {
            break;
        }
        let name = name("update_state", kind, 1_000_000);
        if is_wanted(&name) {
            side_by_side([(name, Program::UpdateState, 1_000_000)], kind, batches);
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

/// Batches of a program in a row before it is another's turn.
const TURN: usize = 10;

/// A program, and what its batches took.
struct Measured {
    name: String,
    program: Program,
    keys: u64,
    held: Held,
    times: Vec<BatchTime>,
    _folder: TempDir,
}

/// What a batch without a checkpoint took: at least, and the median.
type Seen = (f64, f64);

/// Programs that take turns, so that they meet the machine in the same state.
fn side_by_side(
    programs: impl IntoIterator<Item = (String, Program, u64)>,
    kind: Keys,
    batches: usize,
) {
    let start = |(name, program, keys)| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut held = Held::start(folder.path(), program, kind, keys);
        // What is done once is done.
        held.batches(12, UPDATES);
        Measured {
            name,
            program,
            keys,
            held,
            times: Vec::new(),
            _folder: folder,
        }
    };
    let mut measured: Vec<Measured> = programs.into_iter().map(start).collect();
    for _ in 0..batches.div_ceil(TURN) {
        for one in &mut measured {
            // The first finds the caches as another has left them.
            one.held.batches(1, UPDATES);
            one.times.extend(one.held.batches(TURN, UPDATES));
        }
    }
    let mut few = None;
    for one in measured {
        let seen = report(&one, few);
        one.held.stop();
        few.get_or_insert(seen);
    }
}

/// Batches with and without a checkpoint cut in them; `few` is what they took with the fewest keys.
fn report(measured: &Measured, few: Option<Seen>) -> Seen {
    let (bytes, checkpoints) = measured.held.checkpoints();
    let of = |cut: bool| -> Vec<f64> {
        let times = measured.times.iter().filter(|time| time.cut == cut);
        times.map(|time| time.ms).collect()
    };
    let (cut, others) = (of(true), of(false));
    let mut report = Report::new(&measured.name)
        .number("keys", measured.keys as f64)
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
    if measured.program == Program::UpdateState {
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
