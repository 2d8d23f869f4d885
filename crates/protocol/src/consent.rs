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

/// Everything that a person has allowed one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The person.
    pub user_id: UserId,
    /// The client.
    pub client_id: ClientId,
    /// The scope.
    pub scope: Scope,
    /// The resources.
    pub resources: Resources,
    /// The time at which something was allowed last.
    pub given_at: Timestamp,
}

impl Consent {
    /// The consent together with what was allowed `before`: it only grows, until it is taken back.
    #[must_use]
    pub fn with(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        Self {
            scope: Scope::union(&self.scope, &before.scope),
            resources: Resources::union(&self.resources, &before.resources),
            ..self
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn consent(scope: &str, resources: &[&str], at: i64) -> Consent {
        Consent {
            user_id: UserId([1; 16]),
            client_id: ClientId::parse("shop").unwrap(),
            scope: Scope::parse(scope).unwrap(),
            resources: Resources::parse(resources.iter().copied()).unwrap(),
            given_at: Timestamp::from_millis(at),
        }
    }

    #[test]
    fn what_is_allowed_is_added_to_what_was_allowed_before() {
        let (before, now) =
            (consent("a b", &["https://one"], 1), consent("b c", &["https://two"], 2));
        let all = consent("a b c", &["https://one", "https://two"], 2);
        assert_eq!(now.clone().with(Some(&before)), all);
        assert_eq!(now.clone().with(None), now);
    }
}
