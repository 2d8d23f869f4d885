//! Token revocation (RFC 7009): what a client's wish to be rid of a token ends.
//!
//! A refresh token of any generation ends its whole family with its access tokens, so that signing
//! out works with an old token too. An access token ends alone. A token that is unknown, dead or
//! another client's is left as it is, and the answer is the same (RFC 7009 §2.2).

use crate::client::Client;
use crate::family::Family;
use crate::family_id::FamilyId;
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, RefreshToken, Subject};

/// The write that revokes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// End this family.
    Family(FamilyId),
    /// Remember this access token as revoked until it expires.
    Access {
        /// Its id.
        jti: Jti,
        /// Until when it must be remembered.
        expires_at: Timestamp,
        /// The family that it belongs to, and that lives on.
        family: Option<FamilyId>,
    },
}

/// Decides the revocation of a refresh token, which opened for `caller`. A family that is over is ended
/// again: that it is may be known to this store alone, see `Store::revoke_family`.
pub fn refresh_token(
    caller: &Client,
    token: &RefreshToken,
    family: Option<&Family>,
) -> Option<Revocation> {
    family
        .filter(|f| f.client_id == caller.id && f.secret_hash == token.secret.hash())
        .map(|f| Revocation::Family(f.id))
}

/// Decides the revocation of an access token. `family` is the one that the token names. One that no family of
/// the client's has issued was made up, and is not worth a row.
pub fn access_token(
    caller: &Client,
    token: &AccessToken,
    family: Option<&Family>,
    now: Timestamp,
) -> Option<Revocation> {
    // RFC 7009 §2.1: the token must have been issued to the client that asks.
    if token.client_id != caller.id || token.expires_at <= now {
        return None;
    }
    let (jti, expires_at) = (token.jti, token.expires_at);
    match token.subject {
        Subject::Client { .. } => {
            (!caller.is_public()).then_some(Revocation::Access { jti, expires_at, family: None })
        }
        Subject::User { .. } => {
            family.filter(|family| family.may_have_issued(token)).map(|family| Revocation::Access {
                jti,
                expires_at: expires_at.min(family.max_expires_at),
                family: Some(family.id),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::ends::Ends;
    use crate::resource::Resources;
    use crate::scope::Scope;

    #[test]
    fn checklist_69_a_client_ends_only_its_own_access_tokens() {
        let token = AccessToken {
            jti: Jti([1; 16]),
            client_id: client("demo").id,
            subject: Subject::Client { born: Ends::UNCOUNTED },
            scope: Scope::default(),
            resources: Resources::default(),
            issued_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(10),
        };
        let at = Timestamp::from_millis;
        assert!(access_token(&client("demo"), &token, None, at(9)).is_some());
        assert_eq!(access_token(&client("other"), &token, None, at(9)), None);
        assert_eq!(access_token(&client("demo"), &token, None, at(10)), None, "nothing to end");
        let mut public = client("demo");
        public.auth_methods = vec![crate::client::AuthMethod::None];
        assert_eq!(access_token(&public, &token, None, at(9)), None, "a public client gets none");
    }
}
