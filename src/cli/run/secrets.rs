//! What protects the addresses, read from where the pipeline says that it is, and put in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_config::{Pipeline, Secret, SourceKind, Tls as Files};

use super::super::error::{CliError, Result};
use crate::admin::{Access, AccessSlot, Pem, Tls, TlsError, TlsParts, TlsSlot, Token};
use crate::source::Ingest;

/// Where a service manager puts credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What was read, not in force yet.
pub(super) struct Keys {
    access: Access,
    tls: Option<Tls>,
    sources: Vec<SourceKeys>,
}

/// What protects an HTTP source.
struct SourceKeys {
    name: String,
    token: Option<Token>,
    tls: Option<Tls>,
}

/// Where it comes into force, then and at each reload.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks {
    pub(super) access: Arc<AccessSlot>,
    pub(super) tls: TlsSlot,
}

impl Locks {
    /// Puts `keys` in force. Nothing in here can fail: what could has been tried when they were read.
    pub(super) fn change(&self, keys: Keys, ingest: &Ingest) {
        self.access.replace(keys.access);
        self.tls.replace(keys.tls);
        for source in keys.sources {
            ingest.require_token(&source.name, source.token);
            ingest.use_tls(&source.name, source.tls);
        }
    }
}

/// Reads all of it.
pub(super) fn read(pipeline: &Pipeline) -> Result<Keys> {
    let admin = &pipeline.admin;
    let access = Access::new(
        token("admin.read_token_file", admin.read_token_file.as_ref())?,
        token("admin.token_file", admin.token_file.as_ref())?,
    );
    let mut access =
        access.map_err(|error| CliError::Usage(format!("`admin.token_file`: {error}")))?;
    if admin
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca.is_some())
    {
        access = access.with_certificates(admin.tls_operators.clone());
    }
    let has_token = admin.token_file.is_some() || admin.read_token_file.is_some();
    let mut sources = Vec::new();
    for source in &pipeline.sources {
        let SourceKind::Http {
            token_file, tls, ..
        } = &source.kind
        else {
            continue;
        };
        let section = format!("sources.{}", source.name);
        sources.push(SourceKeys {
            name: source.name.to_string(),
            token: token(&format!("{section}.token_file"), token_file.as_ref())?,
            tls: self::tls(&section, tls.as_ref(), token_file.is_some())?,
        });
    }
    Ok(Keys {
        access,
        tls: tls("admin", admin.tls.as_ref(), has_token)?,
        sources,
    })
}

/// The token that `key` says the place of, if it does.
fn token(key: &str, secret: Option<&Secret>) -> Result<Option<Token>> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    Ok(Some(match place(key, secret)? {
        Place::File(path) => Token::read(&path)?,
        Place::Text(text) => Token::parse(&secret.to_string(), &text)?,
    }))
}

/// The TLS of an address, if it is to have one. Where there is a token, too, a client needs no certificate.
fn tls(section: &str, files: Option<&Files>, has_token: bool) -> Result<Option<Tls>> {
    let Some(Files {
        cert,
        key,
        client_ca,
    }) = files
    else {
        return Ok(None);
    };
    let wrong = |error: TlsError| CliError::Usage(format!("`{section}.tls`: {error}"));
    let key_name = format!("{section}.tls.key_file");
    let key = match place(&key_name, key)? {
        Place::File(path) => pem(&key_name, &path)?,
        Place::Text(text) => Pem {
            place: key.to_string(),
            text,
        },
    };
    let client_ca = client_ca.as_ref();
    let client_ca = client_ca.map(|path| pem(&format!("{section}.tls.client_ca"), path));
    let parts = TlsParts {
        cert: pem(&format!("{section}.tls.cert"), cert)?,
        key,
        client_ca: client_ca.transpose()?,
        client_must: !has_token,
    };
    Tls::new(&parts).map(Some).map_err(wrong)
}

/// Where a secret is, or it.
enum Place {
    File(PathBuf),
    Text(Vec<u8>),
}

fn place(key: &str, secret: &Secret) -> Result<Place> {
    let wrong = |reason| CliError::Usage(format!("`{key}`: {reason}"));
    if let Secret::Environment(name) = secret {
        let value = std::env::var_os(name)
            .ok_or_else(|| wrong(format!("the environment variable {name} isn't set")))?;
        return Ok(Place::Text(value.into_encoded_bytes()));
    }
    let credentials = std::env::var_os(CREDENTIALS).map(PathBuf::from);
    match secret.path(credentials.as_deref()).map_err(wrong)? {
        Some(path) => Ok(Place::File(path)),
        None => Err(wrong(format!(
            "`{secret}` is no place that a secret can be read from"
        ))),
    }
}

/// The file that `key` names.
fn pem(key: &str, path: &Path) -> Result<Pem> {
    Pem::read(path)
        .map_err(|error| CliError::Usage(format!("`{key}`: {}: {error}", path.display())))
}
