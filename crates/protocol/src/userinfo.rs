//! The userinfo endpoint (OpenID Connect Core §5.3): whom an access token lets it speak of.
//!
//! Refuses tokens without a user or without the scope `openid` (RFC 6750 §3.1: `insufficient_scope`), and
//! those that are over (`invalid_token`).

use std::collections::BTreeSet;

use crate::claims::Claim;
use crate::claims_parameter::Requested;
use crate::client::Client;
use crate::family::Family;
use crate::introspect::Active;
use crate::reject::{Reject, Why};
use crate::token::Subject;
use crate::user::UserId;

/// Finds the user whom the token speaks for. `active` is the token as its own client would be told of it, `None`
/// for one that is over.
///
/// # Errors
/// `insufficient_scope` and `invalid_token`.
pub fn user(subject: &Subject, active: Option<&Active>) -> Result<UserId, Reject> {
    let user = match subject {
        Subject::User { user_id, .. } => *user_id,
        Subject::Client { .. } => return Err(Why::AccessTokenWithoutOpenid.into()),
    };
    let active = active.ok_or(Why::AccessTokenDead)?;
    if !active.scope.contains("openid") {
        return Err(Why::AccessTokenWithoutOpenid.into());
    }
    Ok(user)
}

/// The claims that the authorization request asked for one by one (§5.5), to be added to those of the scope.
pub fn requested(family: Option<&Family>, client: &Client) -> BTreeSet<Claim> {
    let asked = family.map_or("", |family| family.origin.claims.as_str());
    Requested::kept(asked, client).userinfo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::ends::Ends;
    use crate::family_id::FamilyId;
    use crate::resource::Resources;
    use crate::scope::Scope;
    use crate::time::Timestamp;

    const ALICE: UserId = UserId([3; 16]);

    fn active(scope: &str) -> Active {
        Active {
            client_id: client("shop").id,
            subject: Some(ALICE),
            scope: Scope::parse(scope).unwrap(),
            resources: Resources::default(),
            jti: None,
            issued_at: Timestamp::default(),
            expires_at: Timestamp::default(),
        }
    }

    #[test]
    fn a_token_speaks_of_its_user_alone_and_only_with_openid() {
        let alice = Subject::User { user_id: ALICE, family: FamilyId([1; 16]), generation: 0 };
        let whom = |active: Option<Active>| user(&alice, active.as_ref()).map_err(|r| r.why);
        assert_eq!(whom(Some(active("openid profile"))), Ok(ALICE));
        assert_eq!(whom(Some(active("profile"))), Err(Why::AccessTokenWithoutOpenid));
        assert_eq!(whom(None), Err(Why::AccessTokenDead));
    }

    #[test]
    fn a_token_of_a_client_speaks_of_nobody() {
        let own = Subject::Client { born: Ends::default() };
        let refused = user(&own, Some(&active("openid"))).map_err(|reject| reject.why);
        assert_eq!(refused, Err(Why::AccessTokenWithoutOpenid));
    }
}
