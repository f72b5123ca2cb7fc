//! [`Caller`]: who asks, and how that is known.

use std::fmt;

use super::Role;
use crate::server::Peer;

/// Who asks; each request to the admin address has it among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    role: Option<Role>,
    proof: Proof,
    peer: Option<Peer>,
}

/// How the role is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The address asks for nothing.
    Anybody,
    Token,
    /// The certificate of the connection.
    Certificate,
    /// Nothing that counts was shown.
    Nothing,
}

impl Caller {
    pub(super) fn new(role: Option<Role>, proof: Proof, peer: Option<Peer>) -> Self {
        Self { role, proof, peer }
    }

    pub(crate) fn role(&self) -> Option<Role> {
        self.role
    }

    pub(crate) fn may(&self, needed: Role) -> bool {
        self.role.is_some_and(|role| role >= needed)
    }

    /// Whether the address asks for nothing.
    pub(crate) fn is_anybody(&self) -> bool {
        self.proof == Proof::Anybody
    }

    /// Whether it has shown that it has the role, rather than nobody having been asked.
    pub(crate) fn has_shown(&self, role: Role) -> bool {
        self.may(role) && !self.is_anybody()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.role, self.proof) {
            (None, _) => write!(f, "somebody without a role")?,
            (Some(role), Proof::Token) => write!(f, "{role} by token")?,
            (Some(role), Proof::Certificate) => {
                let shown = self.peer.as_ref().and_then(Peer::certificate);
                write!(f, "{role} by certificate")?;
                if let Some(shown) = shown {
                    write!(f, " {shown}")?;
                }
            }
            (Some(_), Proof::Anybody | Proof::Nothing) => write!(f, "anybody")?,
        }
        match &self.peer {
            Some(peer) => write!(f, " at {peer}"),
            None => Ok(()),
        }
    }
}
