//! [`HttpLimits`]: how much clients of an address may take.

use std::time::Duration;

/// How much the clients of an HTTP address may take, whoever they are. Each address counts by itself.
///
/// ```
/// use tidemill::source::HttpLimits;
///
/// let limits = HttpLimits { connections: 100, ..HttpLimits::default() };
/// assert_eq!(limits.connections_of_peer, 2048);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at once. One more is answered with 503 and closed.
    pub connections: usize,
    /// Connections at once of one peer: an IPv4 address, or the 64-bit prefix of an IPv6 address.
    pub connections_of_peer: usize,
    /// How long a connection may be open without a request.
    pub idle: Duration,
    /// How long the head of a request may take from its first byte on, and a TLS handshake.
    pub head: Duration,
    /// How long the peer may keep one waiting for the next piece of a body, or for room to send it the next
    /// piece of an answer. Besides, a body must come at 1 KiB/s on average after this time.
    pub stall: Duration,
}

impl Default for HttpLimits {
    /// 4096 connections, 2048 of one peer; 75 s without a request, 15 s for a head, 30 s without a piece of a
    /// body.
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_of_peer: 2048,
            idle: Duration::from_secs(75),
            head: Duration::from_secs(15),
            stall: Duration::from_secs(30),
        }
    }
}
