//! The resource owner password credentials grant (RFC 6749 §4.3).
//!
//! The rules before and after the password is checked; the check itself costs tens of milliseconds
//! by design and belongs to the server's pool. OAuth 2.1 drops this grant: a client has it only
//! where an operator registered it.

use crate::client::{Client, GrantType};
use crate::family::{Family, FamilyId};
use crate::form::Form;
use crate::policy::Policy;
use crate::refresh::{Access, Seal};
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::secret::FamilySecret;
use crate::time::Timestamp;
use crate::user::UserId;

/// What the grant will give once the password is proven.
#[derive(Clone, Debug)]
pub struct Extent {
    /// The granted scope.
    pub scope: Scope,
    /// The granted resources.
    pub resources: Resources,
}

/// The user name and the password of the request.
///
/// # Errors
/// `invalid_request` where one is missing.
pub fn credentials<'f>(form: &'f Form<'_>) -> Result<(&'f str, &'f str), Reject> {
    let username = form.find("username").ok_or(Why::UsernameMissing)?;
    let password = form.find("password").ok_or(Why::PasswordMissing)?;
    Ok((username, password))
}

/// Everything that can be refused before the password is looked at.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_target`.
pub fn extent(
    client: &Client,
    scope: Option<&Scope>,
    resources: Option<&Resources>,
) -> Result<Extent, Reject> {
    if !client.may_use(GrantType::Password) {
        return Err(Why::GrantNotRegistered.into());
    }
    Ok(Extent {
        scope: Scope::grant(scope, &client.scope)?,
        resources: Resources::grant(resources, &client.resources)?,
    })
}

/// Fresh randomness for a new family.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Its id.
    pub id: FamilyId,
    /// Its secret.
    pub secret: FamilySecret,
}

/// The family that begins when `user_id` has proven their password, and its first access token.
pub fn begin(
    client: &Client,
    user_id: UserId,
    extent: Extent,
    fresh: &Fresh,
    (policy, seal, now): (&Policy, Seal, Timestamp),
) -> (Family, Access) {
    let max_expires_at = policy.family_end(now);
    let access = Access {
        user_id,
        family: fresh.id,
        generation: 0,
        scope: extent.scope.clone(),
        resources: extent.resources.clone(),
        expires_at: now.after(policy.access_token_lifetime).min(max_expires_at),
    };
    // Without the refresh token grant the session is as long as its only access token.
    let expires_at = if client.may_use(GrantType::RefreshToken) {
        now.after(policy.refresh_token_lifetime).min(max_expires_at)
    } else {
        access.expires_at
    };
    let family = Family {
        id: fresh.id,
        secret_hash: fresh.secret.hash(),
        client_id: client.id.clone(),
        user_id,
        scope: extent.scope,
        resources: extent.resources,
        auth_time: now,
        created_at: now,
        max_expires_at,
        generation: 0,
        grace_floor: 0,
        epoch: seal.epoch,
        kid: seal.kid,
        rotated_at: now,
        expires_at,
        confirmed: false,
        revoked: None,
    };
    (family, access)
}
