//! Network addresses: to listen on, and to connect to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::tree::{Node, Value};
use crate::value::{Flaw, FromNode, text};

/// A host and a port to connect to; the host may be a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl HostPort {
    /// Reads `HOST:PORT`, with an IPv6 host in brackets.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is no HOST:PORT: {why}");
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| wrong("the port is missing"))?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| wrong("the port must be a number from 1 to 65535"))?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) => inner,
            None if host.contains(':') => return Err(wrong("put an IPv6 address in [brackets]")),
            None => host,
        };
        let good = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/');
        if good {
            return Ok(Self {
                host: host.to_owned(),
                port,
            });
        }
        Err(wrong("the host must be a name or an address"))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromNode for HostPort {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let text = text(node, "an address such as \"127.0.0.1:9999\"")?;
        Self::parse(text).map_err(|why| Flaw::invalid(node, why))
    }
}

impl FromNode for SocketAddr {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let address = text(node, "an address such as \"127.0.0.1:4040\"")?;
        if let Some(port) = address
            .strip_prefix("localhost:")
            .and_then(|port| port.parse().ok())
        {
            return Ok(Self::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        }
        address.parse().map_err(|_| {
            let what = "isn't an IP address and a port, as in 127.0.0.1:4040";
            Flaw::invalid(node, format!("`{address}` {what}"))
        })
    }
}

/// An address to listen on, or `false` or `"none"` for not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen(pub Option<SocketAddr>);

impl FromNode for Listen {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        match &node.value {
            Value::Boolean(false) => Ok(Self(None)),
            Value::String(text) if text == "none" => Ok(Self(None)),
            Value::String(_) => SocketAddr::from_node(node).map(|address| Self(Some(address))),
            _ => Err(Flaw::wrong_type(
                node,
                "an address such as \"127.0.0.1:4040\", or false",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports() {
        for good in [
            "localhost:9999",
            "10.0.0.1:1",
            "[::1]:80",
            "a-b.example:65535",
        ] {
            assert_eq!(HostPort::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "host",
            "host:",
            "host:0",
            "host:65536",
            ":80",
            "::1:80",
            "http://h:80",
        ] {
            assert!(HostPort::parse(bad).is_err(), "{bad}");
        }
    }
}
