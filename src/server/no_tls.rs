//! [`Tls`] in a build without it: there is none.

use std::io;

use tokio::net::TcpStream;

use super::certificate::Certificate;
use super::tls_parts::{TlsError, TlsParts};

/// What an address shows of itself; this build has no TLS, so there is none.
#[derive(Debug)]
pub enum Tls {}

impl Tls {
    /// Makes it of its parts.
    ///
    /// # Errors
    /// Always: this build has no TLS.
    pub fn new(_: &TlsParts) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    pub(super) async fn accept(
        &self,
        _: TcpStream,
    ) -> io::Result<(TcpStream, Option<Certificate>)> {
        match *self {}
    }
}
