//! Who may do what: roles, the tokens that show them, and what is noted of changes.
//!
//! Decisions only, on what a request shows. Where the tokens come from is [`cli`](crate::cli)'s, how a refusal is
//! answered the address's that was asked.

mod audit;
mod browser;
mod caller;
mod token;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use audit::{AUDIT, Audit};
pub(crate) use browser::{is_by_a_public_name, is_of_another_origin};
pub(crate) use caller::Caller;
use caller::Proof;
pub use token::{Token, TokenError};

use crate::server::Peer;

/// What somebody may do at the admin address; the later may what the earlier may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything, change nothing.
    Reader,
    /// Stop, cut checkpoints, reload, put dead letters back, and post to every source.
    Operator,
}

impl Role {
    /// Its name in answers and logs.
    ///
    /// ```
    /// use tidemill::admin::Role;
    ///
    /// assert_eq!(Role::Reader.name(), "read-only");
    /// assert!(Role::Reader < Role::Operator);
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "read-only",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What gives whom which role at an address. Without anything, everybody is an operator.
#[derive(Debug, Default)]
pub struct Access {
    reader: Option<Token>,
    operator: Option<Token>,
    /// Whose certificates are an operator's, where certificates count.
    certified: Option<Vec<String>>,
}

impl Access {
    /// Who shows one of the tokens has its role.
    ///
    /// # Errors
    /// When both are the same: then everybody who may read could change everything.
    ///
    /// ```
    /// use tidemill::admin::{Access, Token};
    ///
    /// let token = |text: &[u8]| Token::parse("the example", text);
    /// let (reader, operator) = (token(b"to-read-0123456789")?, token(b"to-change-0123456789")?);
    /// assert!(Access::new(Some(reader), Some(operator)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(reader: Option<Token>, operator: Option<Token>) -> Result<Self, SameToken> {
        if let (Some(reader), Some(operator)) = (&reader, &operator)
            && reader.is(operator)
        {
            return Err(SameToken);
        }
        Ok(Self {
            reader,
            operator,
            certified: None,
        })
    }

    /// The same, where a client's certificate counts, too, once TLS has verified it: one of `operators` (DNS names,
    /// or `sha256:` and a fingerprint) is an operator's, any other may read.
    ///
    /// ```
    /// use tidemill::admin::Access;
    ///
    /// let access = Access::default().with_certificates(vec!["ops.example".to_owned()]);
    /// ```
    #[must_use]
    pub fn with_certificates(self, operators: Vec<String>) -> Self {
        Self {
            certified: Some(operators),
            ..self
        }
    }

    /// Who asks, by what the request shows.
    pub(crate) fn caller(&self, authorization: Option<&[u8]>, peer: Option<&Peer>) -> Caller {
        let shows = |token: &Option<Token>| {
            let shown = token.as_ref().zip(authorization);
            shown.is_some_and(|(token, shown)| token.is_shown_by(shown))
        };
        let (reads, operates) = (shows(&self.reader), shows(&self.operator));
        let certified = self
            .certified
            .as_ref()
            .zip(peer.and_then(Peer::certificate));
        let certified = certified.map(|(operators, certificate)| {
            let is_operator = operators.iter().any(|operator| certificate.is(operator));
            if is_operator {
                Role::Operator
            } else {
                Role::Reader
            }
        });
        let (role, proof) = match certified {
            _ if self.is_open() => (Some(Role::Operator), Proof::Anybody),
            _ if operates => (Some(Role::Operator), Proof::Token),
            Some(role) if role == Role::Operator || !reads => (Some(role), Proof::Certificate),
            _ if reads => (Some(Role::Reader), Proof::Token),
            _ => (None, Proof::Nothing),
        };
        Caller::new(role, proof, peer.cloned())
    }

    fn is_open(&self) -> bool {
        self.reader.is_none() && self.operator.is_none() && self.certified.is_none()
    }
}

/// One token for two roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the read-only token is the operator's, too: whoever may look could change everything; make another with \
     `openssl rand -hex 32`"
)]
pub struct SameToken;

/// The access that holds now: another may take its place while the address is served.
#[derive(Debug, Default)]
pub struct AccessSlot(RwLock<Arc<Access>>);

impl AccessSlot {
    /// A slot that holds `access`.
    ///
    /// ```
    /// use tidemill::admin::{Access, AccessSlot, Token};
    ///
    /// let operator = Token::parse("the example", b"to-change-0123456789")?;
    /// let slot = AccessSlot::new(Access::new(None, Some(operator))?);
    /// # let _ = slot;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self(RwLock::new(Arc::new(access)))
    }

    /// Judges by another from now on.
    ///
    /// ```
    /// use tidemill::admin::{Access, AccessSlot, Token};
    ///
    /// // An address that is being served asks for nothing, and then for a token: nobody is disconnected.
    /// let slot = AccessSlot::default();
    /// let operator = Token::parse("the example", b"to-change-0123456789")?;
    /// slot.replace(Access::new(None, Some(operator))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace(&self, access: Access) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }

    pub(crate) fn get(&self) -> Arc<Access> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::parse("a test", text.as_bytes()).unwrap()
    }

    const READ: &str = "read-0123456789abcdef";
    const OPERATE: &str = "operate-0123456789abcdef";

    #[test]
    fn each_token_shows_its_role_and_no_other() {
        let (reader, operator) = (Some(Role::Reader), Some(Role::Operator));
        let access = |read: bool, operate: bool| {
            let given = |is: bool, text| is.then(|| token(text));
            Access::new(given(read, READ), given(operate, OPERATE)).unwrap()
        };
        for (access, by_none, by_read, by_operate) in [
            (access(false, false), operator, operator, operator),
            (access(true, false), None, reader, None),
            (access(false, true), None, None, operator),
            (access(true, true), None, reader, operator),
        ] {
            let role = |shown: Option<&str>| {
                let shown = shown.map(|shown| format!("Bearer {shown}"));
                access
                    .caller(shown.as_deref().map(str::as_bytes), None)
                    .role()
            };
            assert_eq!(role(None), by_none, "{access:?}");
            assert_eq!(role(Some("another-0123456789")), by_none, "{access:?}");
            assert_eq!(role(Some(READ)), by_read, "{access:?}");
            assert_eq!(role(Some(OPERATE)), by_operate, "{access:?}");
        }
        assert!(Access::new(Some(token(READ)), Some(token(READ))).is_err());
    }
}
