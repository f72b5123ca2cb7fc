//! What a driver hands in for a checkpoint, and what it gets back.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::chunk::ChunkBuilder;
use crate::error::Error;
use crate::manifest::Manifest;

/// The contents of a checkpoint to be written. A series that is neither in `series` nor in `unchanged`
/// is not part of it, and is gone with the checkpoints before.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The batch time it stands for, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// When it was cut, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Makes it a savepoint of this name, which must be free.
    pub name: Option<String>,
    /// Opaque to the store.
    pub metadata: Bytes,
    /// For each log, the first sequence number that a replay from this checkpoint needs.
    pub low_water: BTreeMap<String, u64>,
    /// The series that changed.
    pub series: Vec<SeriesChanges>,
    /// Names of series that are as they were in the checkpoint before.
    pub unchanged: Vec<String>,
}

/// What changed in a series.
#[derive(Debug, Clone)]
pub struct SeriesChanges {
    /// Its name.
    pub name: String,
    /// The format of its entries; opaque. Another format than before needs `full` partitions.
    pub format: u32,
    /// One for each partition. Another number than before needs `full` partitions.
    pub partitions: Vec<PartitionChanges>,
}

/// What changed in one partition of a series.
#[derive(Debug, Clone, Default)]
pub struct PartitionChanges {
    /// Whether `builder` holds every entry, and nothing from before counts any more.
    pub full: bool,
    /// The entries that changed, keys that are gone as tombstones.
    pub builder: ChunkBuilder,
}

/// A checkpoint that is durable.
#[derive(Debug, Clone)]
pub struct Written {
    /// What it names.
    pub manifest: Manifest,
    /// Bytes written for it, manifest included.
    pub bytes: u64,
    /// Chunks written for it.
    pub chunks: usize,
}

/// A checkpoint that was not written. The ones before are as they were.
///
/// It gives the draft back: the changes in it are in no checkpoint, so the next draft has to hold them,
/// too ([`Draft::absorb`]). They may be handed in again even where it turns out that the checkpoint did
/// appear after all.
#[derive(Debug)]
pub struct WriteFailed {
    /// Why.
    pub error: Error,
    /// What was handed in.
    pub draft: Box<Draft>,
}

impl fmt::Display for WriteFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for WriteFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<WriteFailed> for Error {
    fn from(failed: WriteFailed) -> Self {
        failed.error
    }
}

impl Draft {
    /// Makes this draft, which wasn't written, the one that stands for both it and `newer`: times,
    /// metadata and series are `newer`'s, with the changes of both, those of `newer` winning.
    pub fn absorb(&mut self, newer: Self) {
        let older = std::mem::replace(self, newer);
        let mut older: BTreeMap<String, SeriesChanges> = older
            .series
            .into_iter()
            .map(|series| (series.name.clone(), series))
            .collect();
        for series in &mut self.series {
            if let Some(older) = older.remove(&series.name) {
                series.put_upon(older);
            }
        }
        // "Unchanged" is said relative to the draft that failed: its changes are still to be written.
        for name in std::mem::take(&mut self.unchanged) {
            match older.remove(&name) {
                Some(changes) => self.series.push(changes),
                None => self.unchanged.push(name),
            }
        }
    }
}

impl SeriesChanges {
    /// Puts these changes upon older ones. Where partitions don't correspond these must be full.
    fn put_upon(&mut self, older: Self) {
        if older.format != self.format || older.partitions.len() != self.partitions.len() {
            return;
        }
        for (newer, older) in self.partitions.iter_mut().zip(older.partitions) {
            if newer.full {
                continue;
            }
            let on_top = std::mem::replace(newer, older);
            newer.builder.absorb(on_top.builder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunk;

    fn changes(name: &str, full: bool, entries: &[(&str, Option<&str>)]) -> SeriesChanges {
        let mut builder = ChunkBuilder::new();
        for (key, value) in entries {
            builder.push(key.as_bytes(), value.map(str::as_bytes));
        }
        let partitions = vec![PartitionChanges { full, builder }];
        SeriesChanges {
            name: name.to_owned(),
            format: 1,
            partitions,
        }
    }

    fn entries(series: &SeriesChanges) -> String {
        let chunk = Chunk::decode(series.partitions[0].builder.clone().finish()).unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let entry = |(key, value): (_, Option<_>)| match value {
            Some(value) => format!("{}={} ", text(key), text(value)),
            None => format!("{}- ", text(key)),
        };
        chunk.iter().map(entry).collect()
    }

    #[test]
    fn a_failed_draft_and_a_newer_one_make_one() {
        let mut draft = Draft {
            time_ms: 1,
            series: vec![
                changes("both", true, &[("a", Some("1")), ("b", Some("1"))]),
                changes("rewritten", false, &[("x", Some("1"))]),
                changes("then unchanged", false, &[("y", Some("1"))]),
                changes("then dropped", false, &[("z", Some("1"))]),
            ],
            unchanged: vec!["then changed".to_owned()],
            ..Draft::default()
        };
        draft.absorb(Draft {
            time_ms: 2,
            series: vec![
                changes("both", false, &[("b", None), ("c", Some("2"))]),
                changes("rewritten", true, &[("w", Some("2"))]),
                changes("then changed", false, &[("v", Some("2"))]),
            ],
            unchanged: vec!["then unchanged".to_owned(), "always unchanged".to_owned()],
            ..Draft::default()
        });
        assert_eq!(draft.time_ms, 2);
        let found: BTreeMap<_, _> = draft
            .series
            .iter()
            .map(|series| {
                (
                    series.name.as_str(),
                    (series.partitions[0].full, entries(series)),
                )
            })
            .collect();
        let expected = [
            ("both", (true, "a=1 b- c=2 ".to_owned())),
            ("rewritten", (true, "w=2 ".to_owned())),
            ("then changed", (false, "v=2 ".to_owned())),
            ("then unchanged", (false, "y=1 ".to_owned())),
        ];
        assert_eq!(found, expected.into());
        assert_eq!(draft.unchanged, ["always unchanged"]);
    }
}
