//! Connections of the addresses that clients come to.

use super::Shared;
use super::exposition::{Exposition, Kind};

/// The label of the admin address; sources have their names, none of which begins so.
const ADMIN: &str = "(admin)";

pub(super) fn connections(text: &mut Exposition, shared: &Shared) {
    let mut doors = vec![(ADMIN.to_owned(), shared.door.status())];
    doors.extend(shared.context.ingest().doors());
    let help =
        "Connections that are open, by the address: the admin's, or that of a source of its own.";
    let family = ("tidemill_http_connections", Kind::Gauge, help);
    let open = doors.iter().map(|(name, door)| (name.as_str(), door.open));
    text.each(family, "listener", open);
    let help = "Connections turned away since the start, because of all there were or those of the same peer.";
    let mut family = text.family(
        "tidemill_http_connections_refused_total",
        Kind::Counter,
        help,
    );
    for (name, door) in &doors {
        for (reason, count) in door.refused {
            family.sample(&[("listener", name), ("reason", reason)], count);
        }
    }
}
