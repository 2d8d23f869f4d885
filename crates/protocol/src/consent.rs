//! Consent: what a person allowed a client to have (OpenID Connect Core §3.1.2.4).
//!
//! Asked once for each client and set of scopes, and remembered. A first-party client is not asked for;
//! a public client whose identity nobody can know is asked for every time, or any program could pose as
//! it and go unseen (RFC 8252 §8.6).

use crate::client::Client;
use crate::client_id::ClientId;
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::user::UserId;

/// What a person allowed a client, in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who allowed it.
    pub user_id: UserId,
    /// Whom it was allowed to.
    pub client_id: ClientId,
    /// The scope.
    pub scope: Scope,
    /// The resources.
    pub resources: Resources,
    /// When something was allowed last.
    pub given_at: Timestamp,
}

impl Consent {
    /// Whether nothing is asked for that was not allowed before.
    pub fn covers(&self, scope: &Scope, resources: &Resources) -> bool {
        scope.is_subset(&self.scope) && resources.is_subset(&self.resources)
    }
}

/// Whether the person must be asked. `is_unproven`: nobody can know who gets the answer.
pub fn is_needed(
    client: &Client,
    is_unproven: bool,
    scope: &Scope,
    resources: &Resources,
    before: Option<&Consent>,
) -> bool {
    if is_unproven {
        return true;
    }
    let is_known = before.is_some_and(|consent| consent.covers(scope, resources));
    !client.authorize.first_party && !is_known
}
