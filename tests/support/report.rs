//! What a long run did, for the table at its end: a line for each kind of fault, in the file that
//! `TIDEMILL_TORTURE_REPORT` names. Without that variable nothing is written.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "tests, helpers included"
)]

use std::fs::OpenOptions;
use std::io::Write;

/// Adds to the report: a suite injected so many faults of a kind, and saw so many violations.
pub fn report(suite: &str, fault: &str, faults: u64, violations: u64) {
    let Some(path) = std::env::var_os("TIDEMILL_TORTURE_REPORT") else {
        return;
    };
    let line = format!(
        "{{\"suite\":\"{suite}\",\"fault\":\"{fault}\",\"faults\":{faults},\"violations\":{violations}}}\n"
    );
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    // One write a line: several processes add to the file.
    file.write_all(line.as_bytes()).unwrap();
}
