//! [`Peer`]: who is at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::certificate::Certificate;

/// Who is at the other end of a connection; each request has it among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    address: SocketAddr,
    certificate: Option<Arc<Certificate>>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificate: Option<Certificate>) -> Self {
        Self {
            address,
            certificate: certificate.map(Arc::new),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that it showed, which is of an authority that the address believes.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}
