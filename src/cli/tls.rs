//! The client's side of HTTPS: whom it believes, and the certificate that it shows.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConnection, StreamOwned};

use super::args::AdminArgs;
use super::connection::Connection;
use super::error::{CliError, Result};

/// Where the system keeps the authorities that it believes.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whom a client believes, and what it shows.
#[derive(Debug)]
pub(super) struct ClientTls {
    ca: PathBuf,
    identity: Option<(PathBuf, PathBuf)>,
}

impl ClientTls {
    /// As the arguments say, for `https://`.
    pub(super) fn new(args: &AdminArgs) -> Result<Self> {
        Ok(Self {
            ca: args.ca.clone().unwrap_or_else(|| SYSTEM.into()),
            identity: args.cert.clone().zip(args.key.clone()),
        })
    }

    /// The handshake with `host`.
    pub(super) fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<Box<dyn Connection>, String> {
        let name = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
        let config = self.config().map_err(|error| error.to_string())?;
        let mut connection =
            ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        let mut stream = stream;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut stream)
                .map_err(|error| format!("{error}; which authorities are believed, --ca says"))?;
        }
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }

    fn config(&self) -> Result<rustls::ClientConfig> {
        let wrong = |path: &Path, error: &dyn std::fmt::Display| {
            CliError::Usage(format!("{}: {error}", path.display()))
        };
        let certificates = |path: &PathBuf| -> Result<Vec<CertificateDer<'static>>> {
            let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(path, &error))?;
            found
                .collect::<Result<_, _>>()
                .map_err(|error| wrong(path, &error))
        };
        let mut roots = rustls::RootCertStore::empty();
        // What the system believes may have what can't be used; one of one's own may not.
        let (added, _) = roots.add_parsable_certificates(certificates(&self.ca)?);
        if added == 0 {
            return Err(wrong(&self.ca, &"it holds no certificate of an authority"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CliError::Failed(error.to_string()))?
            .with_root_certificates(roots);
        let Some((cert, key)) = &self.identity else {
            return Ok(config.with_no_client_auth());
        };
        let chain = certificates(cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
        config
            .with_client_auth_cert(chain, key)
            .map_err(|error| wrong(cert, &error))
    }
}
