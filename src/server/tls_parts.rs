//! [`TlsParts`]: what TLS at an address is made of, and what can be wrong with it. [`TlsSlot`]: where it is.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::Tls;

/// What TLS at an address is made of, as texts in PEM form.
#[derive(Debug, Clone)]
pub struct TlsParts {
    /// The certificate, and those between it and its authority.
    pub cert: Pem,
    /// Its private key.
    pub key: Pem,
    /// The authorities whose clients are believed; `None`: clients are asked for no certificate.
    pub client_ca: Option<Pem>,
    /// Whether a client without a certificate is refused in the handshake.
    pub client_must: bool,
}

/// A text in PEM form, and where it is from. Never printed.
#[derive(Clone)]
pub struct Pem {
    /// Where it is from, in words.
    pub place: String,
    /// It.
    pub text: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({})", self.place)
    }
}

/// Why there is no TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A part isn't what it should be.
    #[error("{place} holds no {wanted}: {reason}")]
    Part {
        /// Where it is from.
        place: String,
        /// What should be there.
        wanted: &'static str,
        /// What is.
        reason: String,
    },
    /// A part can't be used.
    #[error("{place} can't be used: {reason}")]
    Refused {
        /// Where it is from.
        place: String,
        /// Why.
        reason: String,
    },
    /// This build has none.
    #[error("this build has no TLS: build it with the feature `tls`")]
    NotBuilt,
}

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

impl Pem {
    /// Reads a file of at most 1 MiB.
    ///
    /// # Errors
    /// When it can't be read.
    ///
    /// ```
    /// use tidemill::admin::Pem;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("cert.pem");
    /// # std::fs::write(&path, "-----BEGIN CERTIFICATE-----")?;
    /// let pem = Pem::read(&path)?;
    /// assert_eq!(pem.place, path.display().to_string());
    /// // A key's text can't get into a log by accident.
    /// assert_eq!(format!("{pem:?}"), format!("Pem({})", pem.place));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut text = Vec::new();
        File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
        Ok(Self {
            place: path.display().to_string(),
            text,
        })
    }

    #[cfg(feature = "tls")]
    pub(super) fn holds_no(&self, wanted: &'static str, reason: &impl fmt::Display) -> TlsError {
        TlsError::Part {
            place: self.place.clone(),
            wanted,
            reason: reason.to_string(),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn refused(&self, reason: &impl fmt::Display) -> TlsError {
        TlsError::Refused {
            place: self.place.clone(),
            reason: reason.to_string(),
        }
    }
}

/// The TLS of an address, if it has one: another may take its place while connections are open, which go on with
/// what they began with. Clones are the same slot.
#[derive(Debug, Clone, Default)]
pub struct TlsSlot(Arc<RwLock<Option<Arc<Tls>>>>);

impl TlsSlot {
    /// Connections that are made from now on have this.
    ///
    /// ```
    /// use tidemill::admin::TlsSlot;
    ///
    /// let served = TlsSlot::default();
    /// // Whoever serves an address has a clone, and asks it at each new connection. `None`: plain HTTP.
    /// let slot = served.clone();
    /// slot.replace(None);
    /// ```
    pub fn replace(&self, tls: Option<Tls>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tls.map(Arc::new);
    }

    /// Whether there is one.
    pub(crate) fn is_set(&self) -> bool {
        self.get().is_some()
    }

    pub(super) fn get(&self) -> Option<Arc<Tls>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
