//! [`Door`]: how many connections an address has, and of whom. Pure bookkeeping, no sockets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::HttpLimits;

/// The connections of an address.
#[derive(Debug)]
pub(crate) struct Door {
    limits: HttpLimits,
    seats: Mutex<Seats>,
    /// Connections turned away since the start, because there were too many.
    refused: AtomicU64,
    /// Because their peer had too many.
    refused_of_peer: AtomicU64,
}

#[derive(Debug, Default)]
struct Seats {
    all: usize,
    of_peer: HashMap<IpAddr, usize>,
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// There are as many as there may be.
    All,
    /// Its peer has as many as one may have.
    Peer,
}

/// What is told about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoorStatus {
    /// Connections that are open.
    pub(crate) open: usize,
    /// Connections turned away, by the reason.
    pub(crate) refused: [(&'static str, u64); 2],
}

impl Door {
    pub(crate) fn new(limits: HttpLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            seats: Mutex::default(),
            refused: AtomicU64::new(0),
            refused_of_peer: AtomicU64::new(0),
        })
    }

    pub(super) fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    pub(crate) fn status(&self) -> DoorStatus {
        let refused = |full| self.counter(full).load(Ordering::Relaxed);
        DoorStatus {
            open: self.lock().all,
            refused: [("all", refused(Full::All)), ("peer", refused(Full::Peer))],
        }
    }

    /// Counts a connection in until the seat is dropped.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<Seat, Full> {
        let peer = counted_as(peer);
        let mut seats = self.lock();
        let of_peer = seats.of_peer.get(&peer).copied().unwrap_or_default();
        let full = if seats.all >= self.limits.connections {
            Some(Full::All)
        } else if of_peer >= self.limits.connections_of_peer {
            Some(Full::Peer)
        } else {
            None
        };
        if let Some(full) = full {
            self.counter(full).fetch_add(1, Ordering::Relaxed);
            return Err(full);
        }
        seats.all += 1;
        seats.of_peer.insert(peer, of_peer + 1);
        Ok(Seat {
            door: Arc::clone(self),
            peer,
        })
    }

    fn counter(&self, full: Full) -> &AtomicU64 {
        match full {
            Full::All => &self.refused,
            Full::Peer => &self.refused_of_peer,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct Seat {
    door: Arc<Door>,
    peer: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.door.lock();
        seats.all = seats.all.saturating_sub(1);
        if let Some(count) = seats.of_peer.get_mut(&self.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                seats.of_peer.remove(&self.peer);
            }
        }
    }
}

/// One peer has a whole prefix of IPv6 addresses, and may come by IPv4 as IPv6.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(connections: usize, connections_of_peer: usize) -> Arc<Door> {
        Door::new(HttpLimits {
            connections,
            connections_of_peer,
            ..HttpLimits::default()
        })
    }

    #[test]
    fn a_seat_is_free_again_when_it_is_left() {
        let door = door(3, 2);
        let peer = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (one, other) = (peer("10.0.0.1"), peer("10.0.0.2"));
        let first = door.enter(one).unwrap();
        let _second = door.enter(one).unwrap();
        assert_eq!(door.enter(one).unwrap_err(), Full::Peer);
        let _third = door.enter(other).unwrap();
        assert_eq!(door.enter(other).unwrap_err(), Full::All);
        drop(first);
        let _fourth = door.enter(one).unwrap();
        let status = door.status();
        assert_eq!(
            (status.open, status.refused),
            (3, [("all", 1), ("peer", 1)])
        );
        drop((_second, _third, _fourth));
        assert_eq!(door.status().open, 0);
        assert!(door.lock().of_peer.is_empty(), "nobody is remembered");
    }

    #[test]
    fn addresses_of_one_peer_count_as_one() {
        let door = door(9, 1);
        for (first, again) in [
            ("10.0.0.1", "::ffff:10.0.0.1"),
            ("2001:db8::1", "2001:db8::ffff:1"),
        ] {
            let _seat = door.enter(first.parse().unwrap()).unwrap();
            assert!(door.enter(again.parse().unwrap()).is_err(), "{again}");
        }
        let _one = door.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(door.enter("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }
}
