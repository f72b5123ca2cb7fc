//! The driver's log, read behind a checkpoint.

use tidemill_wal::{Sequence, Wal};

use super::Metadata;
use crate::block::Event;
use crate::error::{Error, Result};

/// Brings a checkpoint's tracker up to the end of the log; returns how many entries there were.
pub(crate) fn replay_driver_log(log: &Wal, place: &str, metadata: &mut Metadata) -> Result<u64> {
    let in_log = |error| Error::Log {
        log: place.to_owned(),
        error: Box::new(error),
    };
    let from = Sequence(metadata.tracker.replay_from);
    let mut entries = 0;
    for entry in log.replay(from).map_err(in_log)? {
        let entry = entry.map_err(in_log)?;
        let event = Event::decode(entry.kind, &entry.payload);
        event
            .and_then(|event| {
                let (sequence, through) = (entry.sequence.0, metadata.complete_through);
                metadata.tracker.apply(sequence, event, through)
            })
            .map_err(|reason| Error::Unreadable {
                place: format!(
                    "{place}, segment {}, offset {}, entry {}",
                    entry.position.segment, entry.position.offset, entry.sequence
                ),
                reason,
            })?;
        entries += 1;
    }
    Ok(entries)
}
