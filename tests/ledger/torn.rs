//! Interrupted writes: a kill leaves none, because the page cache outlives it, but a power cut would.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::rng::Rng;

/// Puts the beginning of something behind the last segment of each log, as a write that was cut short
/// would leave it. No daemon may run.
pub fn tear_logs(wal: &Path, dice: &mut Rng) {
    for log in ["driver", "blocks"] {
        let Ok(entries) = std::fs::read_dir(wal.join(log)) else {
            continue;
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        let segments = paths.filter(|path| path.extension().is_some_and(|end| end == "wal"));
        let Some(last) = segments.max() else { continue };
        let torn: Vec<u8> = (0..dice.below(1..200))
            .map(|_| dice.below(0..256) as u8)
            .collect();
        OpenOptions::new()
            .append(true)
            .open(last)
            .unwrap()
            .write_all(&torn)
            .unwrap();
    }
}
