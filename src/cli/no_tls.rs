//! [`ClientTls`] in a build without it: there is none.

use std::net::TcpStream;

use super::args::AdminArgs;
use super::connection::Connection;
use super::error::{CliError, Result};
use crate::admin::TlsError;

/// Whom a client believes, and what it shows; this build has no TLS, so there is none.
#[derive(Debug)]
pub(super) enum ClientTls {}

impl ClientTls {
    /// Refuses `https://`.
    pub(super) fn new(args: &AdminArgs) -> Result<Self> {
        let (address, why) = (&args.admin, TlsError::NotBuilt);
        Err(CliError::Usage(format!("`{address}`: {why}")))
    }

    pub(super) fn connect(&self, _: &str, _: TcpStream) -> Result<Box<dyn Connection>, String> {
        match *self {}
    }
}
