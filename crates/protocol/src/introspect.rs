//! Token introspection (RFC 7662): who may see what of a token.
//!
//! A client sees its own tokens; a resource server sees access tokens that are meant for a resource
//! it serves. Anything else is `{"active": false}` and nothing more (RFC 7662 §2.2). Looking at a
//! used-up refresh token never ends its family, or introspection would be a kill switch.

use crate::client::{Client, ClientId};
use crate::family::Loaded;
use crate::policy::Policy;
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, RefreshToken, Subject};

/// What an entitled caller learns of an active token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// `client_id`.
    pub client_id: ClientId,
    /// `sub`.
    pub subject: String,
    /// `scope`.
    pub scope: Scope,
    /// `aud`.
    pub resources: Resources,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`; access tokens only.
    pub jti: Option<Jti>,
}

/// What is known about an access token beside what it says itself.
#[derive(Clone, Copy, Debug)]
pub struct AccessState<'a> {
    /// The client that it was issued to, as registered today.
    pub owner: Option<&'a Client>,
    /// The owner's policy.
    pub owner_policy: &'a Policy,
    /// Its family; `None` for a token without one, or whose family is gone.
    pub family: Option<&'a Loaded>,
    /// Whether this very token was revoked.
    pub is_denied: bool,
}

/// Whether `caller` sees this access token as active.
pub fn access_token(
    caller: &Client,
    token: &AccessToken,
    state: AccessState<'_>,
    now: Timestamp,
) -> Option<Active> {
    let is_entitled = token.client_id == caller.id || token.resources.meets(&caller.serves);
    if !is_entitled || state.is_denied || token.expires_at <= now {
        return None;
    }
    let owner = state.owner.filter(|owner| owner.enabled)?;
    let subject = match token.subject {
        Subject::Client if token.issued_at > owner.not_before => {
            token.client_id.as_str().to_owned()
        }
        Subject::Client => return None,
        Subject::User { user_id, generation, .. } => {
            let loaded = state.family?;
            let is_superseded = state.owner_policy.revoke_access_token_on_refresh
                && generation < loaded.family.generation;
            let is_alive = loaded.family.revoked.is_none()
                && loaded.is_user_standing()
                && loaded.family.created_at > owner.not_before
                && loaded.family.client_id == token.client_id;
            if is_superseded || !is_alive {
                return None;
            }
            user_id.subject()
        }
    };
    Some(Active {
        client_id: token.client_id.clone(),
        subject,
        scope: token.scope.clone(),
        resources: token.resources.clone(),
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        jti: Some(token.jti),
    })
}

/// Whether `caller`, for whom the token opened, sees this refresh token as active: only the newest
/// one of a living family is.
pub fn refresh_token(
    caller: &Client,
    token: &RefreshToken,
    loaded: Option<&Loaded>,
    now: Timestamp,
) -> Option<Active> {
    let loaded = loaded.filter(|l| l.is_alive(caller.not_before, now))?;
    let family = &loaded.family;
    let is_newest = family.client_id == caller.id
        && family.secret_hash == token.secret.hash()
        && family.generation == token.generation;
    is_newest.then(|| Active {
        client_id: caller.id.clone(),
        subject: family.user_id.subject(),
        scope: family.scope.clone(),
        resources: family.resources.clone(),
        issued_at: family.rotated_at,
        expires_at: family.expires_at,
        jti: None,
    })
}
