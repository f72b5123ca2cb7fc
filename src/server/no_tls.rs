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
    ///
    /// ```
    /// use tidemill::admin::{Pem, Tls, TlsError, TlsParts};
    ///
    /// let nothing = Pem { place: "nowhere".to_owned(), text: Vec::new() };
    /// let parts = TlsParts { cert: nothing.clone(), key: nothing, client_ca: None, client_must: false };
    /// assert_eq!(Tls::new(&parts).unwrap_err(), TlsError::NotBuilt);
    /// ```
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
