//! [`Tls`]: what an address shows of itself, and whom it believes.

use std::io;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;
use super::tls_parts::{Pem, TlsError, TlsParts};

/// What an address shows of itself, and whom it believes.
#[derive(Debug)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Makes it of its parts.
    ///
    /// # Errors
    /// When a part holds no certificate or key, they don't belong together, or this build has no TLS.
    ///
    /// ```
    /// use tidemill::admin::{Pem, Tls, TlsParts};
    ///
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    /// # let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// let pem = |place: &str, text: String| Pem { place: place.to_owned(), text: text.into() };
    /// let parts = TlsParts {
    ///     cert: pem("the certificate", cert),
    ///     key: pem("the key", key),
    ///     client_ca: None,
    ///     client_must: false,
    /// };
    /// assert!(Tls::new(&parts).is_ok());
    ///
    /// let swapped = TlsParts { key: parts.cert.clone(), ..parts };
    /// let error = Tls::new(&swapped).unwrap_err().to_string();
    /// assert!(error.starts_with("the certificate holds no private key in PEM form"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(parts: &TlsParts) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&parts.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&parts.key.text)
            .map_err(|error| parts.key.holds_no("private key in PEM form", &error))?;
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| parts.cert.refused(&error))?;
        let config = match &parts.client_ca {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(authority)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| authority.refused(&error))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                if !parts.client_must {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build();
                config
                    .with_client_cert_verifier(verifier.map_err(|error| authority.refused(&error))?)
            }
        };
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|error| parts.cert.refused(&error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The handshake with a client; with the certificate that it showed, if it did.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Certificate>)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0));
        let stream = acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = shown.and_then(|chain| chain.first()).map(about);
        Ok((stream, certificate))
    }
}

/// All certificates in a text, at least one.
fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.text).collect();
    let found = found.map_err(|error| pem.holds_no("certificate in PEM form", &error))?;
    match found.is_empty() {
        true => Err(pem.holds_no("certificate in PEM form", &"there is none")),
        false => Ok(found),
    }
}

fn about(shown: &CertificateDer<'_>) -> Certificate {
    let parsed = webpki::EndEntityCert::try_from(shown);
    let names = parsed.map(|parsed| parsed.valid_dns_names().map(str::to_owned).collect());
    let fingerprint = digest(&SHA256, shown);
    let fingerprint = fingerprint
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"));
    Certificate {
        names: names.unwrap_or_default(),
        fingerprint: fingerprint.collect(),
    }
}
