//! The parts that every grant gives: an access token before it is sealed, and how a new token is sealed.

use crate::client_id::ClientId;
use crate::family_id::FamilyId;
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, Subject};
use crate::user::UserId;

/// How a new token would be sealed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The active root key.
    pub kid: u8,
    /// The store's epoch.
    pub epoch: u16,
}

/// The access token that a grant gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// For whom.
    pub user_id: UserId,
    /// Which family it dies with.
    pub family: FamilyId,
    /// The family's generation that it belongs to.
    pub generation: u32,
    /// What it may be used for.
    pub scope: Scope,
    /// Where it may be used.
    pub resources: Resources,
    /// Its end.
    pub expires_at: Timestamp,
}

impl Access {
    /// The token itself.
    pub fn into_token(self, client_id: ClientId, jti: Jti, issued_at: Timestamp) -> AccessToken {
        let Self { user_id, family, generation, scope, resources, expires_at } = self;
        let subject = Subject::User { user_id, family, generation };
        AccessToken { jti, client_id, subject, scope, resources, issued_at, expires_at }
    }
}
