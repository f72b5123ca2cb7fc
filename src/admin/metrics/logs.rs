//! The logs' figures, one sample a log.

use tidemill_wal::WalStatus;

use super::exposition::{Exposition, Kind};
use crate::LogStatus;

type Figure = (&'static str, Kind, &'static str, fn(&WalStatus) -> u64);

const FIGURES: [Figure; 7] = [
    (
        "tidemill_wal_segments",
        Kind::Gauge,
        "Segments kept.",
        |status| status.segments,
    ),
    (
        "tidemill_wal_bytes",
        Kind::Gauge,
        "Bytes of the segments kept.",
        |status| status.bytes,
    ),
    (
        "tidemill_wal_next_sequence",
        Kind::Gauge,
        "The number that the next entry gets.",
        |status| status.next_sequence.0,
    ),
    (
        "tidemill_wal_appends_total",
        Kind::Counter,
        "Entries made durable since the start.",
        |status| status.appends,
    ),
    (
        "tidemill_wal_syncs_total",
        Kind::Counter,
        "Groups of entries synced since the start.",
        |status| status.syncs,
    ),
    (
        "tidemill_wal_synced_bytes_total",
        Kind::Counter,
        "Bytes synced since the start.",
        |status| status.synced_bytes,
    ),
    (
        "tidemill_wal_poisoned",
        Kind::Gauge,
        "1 when a failed sync ended the log for this process.",
        |status| u64::from(status.poisoned.is_some()),
    ),
];

pub(super) fn logs(text: &mut Exposition, logs: &[LogStatus]) {
    if logs.is_empty() {
        return;
    }
    for (name, kind, help, figure) in FIGURES {
        let mut family = text.family(name, kind, help);
        logs.iter()
            .for_each(|log| family.sample(&[("log", log.name)], figure(&log.status)));
    }
    let help = "How long writing and syncing a group of entries took.";
    let mut family = text.family("tidemill_wal_sync_duration_seconds", Kind::Histogram, help);
    for log in logs {
        family.histogram(&[("log", log.name)], &log.status.sync_latency);
    }
}
