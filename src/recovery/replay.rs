//! The driver's log, read behind a checkpoint.

use tidemill_wal::{Entry, Sequence, Wal};

use super::{Metadata, Renames};
use crate::block::Event;
use crate::error::{Error, Result};

/// Brings a checkpoint's tracker up to the end of the log; returns how many entries there were. `on_entry` is
/// called for each, before it is applied.
pub(crate) fn replay_driver_log(
    log: &Wal,
    place: &str,
    metadata: &mut Metadata,
    renames: &Renames,
    on_entry: impl Fn(),
) -> Result<u64> {
    let from = Sequence(metadata.tracker.replay_from);
    let entries = log.replay(from).map_err(|error| in_log(place, error))?;
    replay_entries(entries.inspect(|_| on_entry()), place, metadata, renames)
}

/// As [`replay_driver_log`], from entries; those that the checkpoint contains change nothing.
pub(crate) fn replay_entries(
    entries: impl Iterator<Item = Result<Entry, tidemill_wal::Error>>,
    place: &str,
    metadata: &mut Metadata,
    renames: &Renames,
) -> Result<u64> {
    let mut count = 0;
    for entry in entries {
        let entry = entry.map_err(|error| in_log(place, error))?;
        if entry.sequence.0 < metadata.tracker.replay_from {
            continue;
        }
        let event = Event::decode(entry.kind, &entry.payload);
        event
            .and_then(|event| {
                let (sequence, through) = (entry.sequence.0, metadata.complete_through);
                metadata
                    .tracker
                    .apply(sequence, renames.event(event), through)
            })
            .map_err(|reason| Error::Unreadable {
                place: format!(
                    "{place}, segment {}, offset {}, entry {}",
                    entry.position.segment, entry.position.offset, entry.sequence
                ),
                reason,
            })?;
        count += 1;
    }
    Ok(count)
}

fn in_log(place: &str, error: tidemill_wal::Error) -> Error {
    Error::Log {
        log: place.to_owned(),
        error: Box::new(error),
    }
}
