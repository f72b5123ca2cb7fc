//! How much room there is, and whether sources are held back for want of it.

use super::exposition::{Exposition, Kind};
use crate::SpaceStatus;

pub(super) fn space(text: &mut Exposition, space: &SpaceStatus) {
    let help = "1 while sources are held back because a disk is too full.";
    text.gauge("tidemill_intake_held_back", help, u8::from(space.held_back));
    if let Some(since) = space.since {
        let help = "Since when sources are held back, in seconds since the Unix epoch.";
        text.gauge(
            "tidemill_intake_held_back_since_seconds",
            help,
            super::seconds(since.as_millis()),
        );
    }
    let help = "Bytes to be kept free on each disk.";
    text.gauge("tidemill_disk_reserve_bytes", help, space.reserve);
    let help = "Writes that found no room since the start.";
    text.counter("tidemill_disk_full_total", help, space.refusals);
    let known = space
        .disks
        .iter()
        .filter_map(|disk| Some((disk, disk.free?)));
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        return;
    }
    let help = "Bytes that may still be written to the disk of a folder.";
    let mut free = text.family("tidemill_disk_free_bytes", Kind::Gauge, help);
    for (disk, bytes) in known {
        free.sample(&[("holds", disk.name), ("path", &disk.path)], bytes);
    }
}
