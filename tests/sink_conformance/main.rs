//! The contract of sinks, tested on each that there is; and the test itself, tested on sinks that are wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod disks;
mod forms;
#[path = "../support/object_servers/mod.rs"]
#[allow(unused_imports)]
mod object_servers;
mod objects;
mod others;
#[path = "../../examples/own_sink.rs"]
mod own_sink;
#[path = "../sink_stores/requests.rs"]
#[allow(dead_code)]
mod requests;
mod servers;
mod wrong;

use tidemill::sink::conformance::{Harness, Report, Rule, Verdict, check, unusual_records};

/// Lines can't hold line ends.
fn unusual_lines() -> Vec<String> {
    let mut records = unusual_records();
    records.retain(|record| !record.contains('\n'));
    records
}

fn lines(text: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(text).unwrap();
    text.split_terminator('\n').map(str::to_owned).collect()
}

/// Holds the sink to the contract, and shows what was found. Every rule was tested, but those of `skipped`.
fn conforms(harness: &impl Harness, skipped: &[Rule]) -> Report {
    let report = check(harness);
    println!("{report}");
    assert!(report.conforms(), "{report}");
    let found: Vec<Rule> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, Verdict::Skipped(_)))
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(found, skipped, "{report}");
    report
}
