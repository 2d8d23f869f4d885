//! The client credentials grant (RFC 6749 §4.4): a client speaks for itself.
//!
//! Refuses public clients and scopes about a person. Never gives a refresh token (RFC 6749 §4.4.3).

use crate::client::{Client, GrantType};
use crate::ends::Ends;
use crate::policy::Policy;
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::{Scope, USER_SCOPES};
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, Subject};

/// The extent that a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The scope; `None` where the request has none.
    pub scope: Option<&'a Scope>,
    /// The resources (RFC 8707); `None` where the request has none.
    pub resources: Option<&'a Resources>,
}

/// Grants an access token to an authenticated client, which was read when `born` ends were counted.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_target`.
pub fn grant(
    client: &Client,
    Request { scope, resources }: Request<'_>,
    policy: &Policy,
    jti: Jti,
    born: Ends,
    now: Timestamp,
) -> Result<AccessToken, Reject> {
    is_registered(client)?;
    if scope.is_some_and(|s| s.iter().any(|word| USER_SCOPES.contains(&word))) {
        return Err(Why::ScopeNeedsUser.into());
    }
    Ok(AccessToken {
        jti,
        client_id: client.id.clone(),
        // A client whose sessions were never ended has nothing to tell apart.
        subject: Subject::Client {
            born: if client.ended.number.is_counted() { born } else { Ends::UNCOUNTED },
        },
        scope: Scope::grant(scope, &client.scope.without_user_scopes())?,
        resources: Resources::grant(resources, &client.resources)?,
        issued_at: now,
        expires_at: now.after(policy.access_token_lifetime),
    })
}

/// Whether the client may have tokens that speak for itself.
///
/// # Errors
/// `unauthorized_client`.
pub fn is_registered(client: &Client) -> Result<(), Reject> {
    if client.is_public() {
        return Err(Why::GrantNeedsConfidentialClient.into());
    }
    if !client.may_use(GrantType::ClientCredentials) {
        return Err(Why::GrantNotRegistered.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{AuthMethod, tests::client};

    fn why(client: &Client, scope: &str) -> Result<String, Why> {
        let scope = (!scope.is_empty()).then(|| Scope::parse(scope).unwrap());
        let (jti, now) = (Jti([0; 16]), Timestamp::from_millis(5_000));
        let asked = Request { scope: scope.as_ref(), resources: None };
        grant(client, asked, &Policy::default(), jti, Ends::new(4), now)
            .map(|token| token.scope.to_string())
            .map_err(|r| r.why)
    }

    #[test]
    fn checklist_55_client_credentials_are_for_confidential_clients_without_a_persons_scopes() {
        let mut demo = client("demo");
        demo.scope = Scope::parse("a openid").unwrap();
        assert_eq!(why(&demo, ""), Ok("a".into()), "the default leaves a person's scopes out");
        assert_eq!(why(&demo, "openid"), Err(Why::ScopeNeedsUser));
        assert_eq!(why(&demo, "b"), Err(Why::ScopeNotRegistered));
        demo.auth_methods = vec![AuthMethod::None];
        assert_eq!(why(&demo, "a"), Err(Why::GrantNeedsConfidentialClient));
        demo.auth_methods = vec![AuthMethod::ClientSecretBasic];
        demo.grants = vec![GrantType::Password];
        assert_eq!(why(&demo, "a"), Err(Why::GrantNotRegistered));
    }
}
