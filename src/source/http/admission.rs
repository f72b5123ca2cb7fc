//! [`admit`]: who may post.

use axum::http::{HeaderMap, header};

use super::error::IngestError;
use crate::access::{Caller, Role, Token, is_by_a_public_name, is_of_another_origin};
use crate::server::Peer;

/// Whether somebody may post to a source: by its token, or as an operator; by nothing where the address asks
/// for nothing, and nor does the source; at an address of the source's own by a certificate, too. `caller` is
/// who the admin address takes it for, none at an address of the source's own.
pub(super) fn admit(
    token: Option<&Token>,
    headers: &HeaderMap,
    caller: Option<&Caller>,
    peer: Option<&Peer>,
) -> Result<(), IngestError> {
    let is_shown = match (token, headers.get(header::AUTHORIZATION)) {
        (Some(token), Some(shown)) => token.is_shown_by(shown.as_bytes()),
        _ => false,
    };
    let is_operator = caller.is_some_and(|caller| caller.has_shown(Role::Operator));
    let is_open = token.is_none() && caller.is_none_or(|caller| caller.may(Role::Operator));
    let is_certified = caller.is_none() && peer.is_some_and(|peer| peer.certificate().is_some());
    // The admin address has looked at that itself.
    let is_of_page = || is_of_another_origin(headers) || is_by_a_public_name(headers);
    if is_shown || is_operator || is_certified {
        return Ok(());
    }
    if is_open && caller.is_none() && is_of_page() {
        return Err(IngestError::NotAdmitted {
            reason: "a web page may not post here where no token is asked for".to_owned(),
            is_known: true,
        });
    }
    if is_open {
        return Ok(());
    }
    let role = caller.and_then(Caller::role);
    let is_known = caller.is_some_and(|caller| caller.has_shown(Role::Reader));
    let whose = match token {
        Some(_) => "the source's own token or the operator's",
        None => "the operator's token",
    };
    let shown = role.filter(|_| is_known).map_or_else(String::new, |role| {
        format!(", and the token that is shown is the {role} one")
    });
    Err(IngestError::NotAdmitted {
        reason: format!("posts need {whose}{shown}: send `Authorization: Bearer TOKEN`"),
        is_known,
    })
}
