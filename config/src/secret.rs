//! Secrets: a pipeline never holds one, it only says where one is.
//!
//! Invariant: no key takes a secret itself. `*_file` keys take a [`Secret`], URLs with a password are
//! refused, and what is shown of texts is [`redact`]ed. So whatever holds a pipeline's text or settings
//! (checkpoints, logs, the API) holds no secret.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::tree::Node;
use crate::value::{Flaw, FromNode, text};

/// Where a secret is: a file, one of the service manager's credentials, or an environment variable.
///
/// ```
/// use tidemill_config::Secret;
///
/// let shown = |text: &str| Secret::parse(text).map(|secret| secret.to_string());
/// assert_eq!(shown("/etc/tidemill/token").unwrap(), "/etc/tidemill/token");
/// assert_eq!(shown("credential:token").unwrap(), "credential:token");
/// assert!(shown("credential:../token").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Secret {
    /// `PATH`: the contents of a file.
    File(PathBuf),
    /// `credential:NAME`: the file of this name in `$CREDENTIALS_DIRECTORY`, where systemd's
    /// `LoadCredential=` puts it.
    Credential(String),
    /// `environment:NAME`: the value of this variable.
    Environment(String),
}

impl Secret {
    /// Reads where a secret is.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub fn parse(place: &str) -> Result<Self, String> {
        let plain = |name: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
            !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
        };
        if let Some(name) = place.strip_prefix("credential:") {
            return match plain(name) {
                true => Ok(Self::Credential(name.to_owned())),
                false => Err(format!(
                    "`{name}` is no credential's name: letters, digits, `-`, `_` and `.`"
                )),
            };
        }
        if let Some(name) = place.strip_prefix("environment:") {
            return match plain(name) {
                true => Ok(Self::Environment(name.to_owned())),
                false => Err(format!("`{name}` is no environment variable's name")),
            };
        }
        if place.is_empty() {
            return Err("a path can't be empty".into());
        }
        if place.contains('\0') {
            return Err("a path can't hold a NUL".into());
        }
        Ok(Self::File(PathBuf::from(place)))
    }

    /// The file that it is in, if it is in one; `credentials` is `$CREDENTIALS_DIRECTORY`.
    ///
    /// # Errors
    ///
    /// When it is a credential, and no service manager gave any.
    pub fn path(&self, credentials: Option<&Path>) -> Result<Option<PathBuf>, String> {
        match self {
            Self::File(path) => Ok(Some(path.clone())),
            Self::Environment(_) => Ok(None),
            Self::Credential(name) => match credentials {
                Some(folder) => Ok(Some(folder.join(name))),
                None => Err(format!(
                    "`credential:{name}` needs a service manager that gives credentials: \
                     $CREDENTIALS_DIRECTORY isn't set; add LoadCredential={name}:FILE to the unit"
                )),
            },
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Environment(name) => write!(f, "environment:{name}"),
        }
    }
}

impl FromNode for Secret {
    fn from_node(node: &Node) -> Result<Self, Flaw> {
        let place = text(node, "a path, credential:NAME or environment:NAME")?;
        Self::parse(place).map_err(|reason| Flaw::invalid(node, reason))
    }
}

/// Words that begin or end the names of keys which people would write a secret under.
const SECRET_WORDS: [&str; 7] = [
    "token",
    "password",
    "passwd",
    "secret",
    "api_key",
    "access_key",
    "credentials",
];

/// What to tell somebody who wrote a secret into a pipeline under a key that doesn't exist; `known` are the
/// keys that do.
pub(crate) fn help<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let folded = name.to_ascii_lowercase().replace('-', "_");
    let last = folded.rsplit('.').next().unwrap_or_default();
    SECRET_WORDS
        .iter()
        .find(|word| last.starts_with(**word) || last.ends_with(**word))?;
    let by_reference = known.into_iter().find(|key| key.ends_with("_file"));
    Some(match by_reference {
        Some(key) => format!(
            "secrets aren't written into a pipeline: put it in a file and name that by `{key}`, which takes \
             credential:NAME and environment:NAME, too"
        ),
        None => {
            "secrets aren't written into a pipeline: object stores take theirs from the environment"
                .to_owned()
        }
    })
}

/// Refuses a URL with a password, without repeating it.
pub(crate) fn no_password(url: &str) -> Result<(), String> {
    match redact(url) {
        Cow::Borrowed(_) => Ok(()),
        Cow::Owned(shown) => Err(format!(
            "`{shown}` holds a password, and secrets aren't written into a pipeline: object stores take \
             theirs from the environment"
        )),
    }
}

/// The text with `***` for the password in each URL such as `scheme://user:password@host`.
///
/// ```
/// use tidemill_config::redact;
///
/// assert_eq!(redact("url = \"s3://me:hunter2@bucket/app\""), "url = \"s3://me:***@bucket/app\"");
/// assert_eq!(redact("s3://bucket/a:b@c"), "s3://bucket/a:b@c");
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'`".contains(c));
        let authority = after.get(..end.unwrap_or(after.len())).unwrap_or(after);
        let user = authority
            .rsplit_once('@')
            .and_then(|(user, host)| Some((user.split_once(':')?.0, host)));
        shown.push_str(before);
        shown.push_str("://");
        rest = match user {
            Some((user, host)) => {
                shown.push_str(user);
                shown.push_str(":***@");
                after
                    .get(authority.len() - host.len()..)
                    .unwrap_or_default()
            }
            None => after,
        };
    }
    shown.push_str(rest);
    match shown == text {
        true => Cow::Borrowed(text),
        false => Cow::Owned(shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_left_out_wherever_it_stands() {
        for (text, shown) in [
            ("s3://u:p@b", "s3://u:***@b"),
            (
                "a s3://u:p@b/x and http://v:q@c",
                "a s3://u:***@b/x and http://v:***@c",
            ),
            ("s3://u:p@ss@b", "s3://u:***@b"),
            ("s3://u@b", "s3://u@b"),
            ("http://[::1]:80/a@b:c", "http://[::1]:80/a@b:c"),
            ("://", "://"),
            ("x://:p@", "x://:***@"),
            ("é://é:é@é", "é://é:***@é"),
        ] {
            assert_eq!(redact(text), shown);
            assert_eq!(redact(shown), shown);
        }
    }

    #[test]
    fn places_of_secrets() {
        let folder = Path::new("/run/credentials/x");
        let token = Secret::parse("credential:token").unwrap();
        assert_eq!(token.path(Some(folder)), Ok(Some(folder.join("token"))));
        assert!(
            token
                .path(None)
                .unwrap_err()
                .contains("LoadCredential=token:FILE")
        );
        assert_eq!(
            Secret::parse("environment:TOKEN").unwrap().path(None),
            Ok(None)
        );
        for wrong in [
            "",
            "a\0",
            "credential:",
            "credential:a/b",
            "credential:..",
            "environment:",
        ] {
            assert!(Secret::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn keys_that_would_hold_a_secret_are_known_by_their_names() {
        for name in [
            "token",
            "Password",
            "api-key",
            "admin_token",
            "s3.secret_access_key",
        ] {
            assert!(help(name, ["token_file"]).is_some(), "{name}");
        }
        assert!(help("interval", ["token_file"]).is_none());
    }
}
