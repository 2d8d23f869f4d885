//! The parts that all grants with a user share: what the user authorized, the family that starts from it,
//! and the access token before it is sealed.

use crate::client::Client;
use crate::client_id::ClientId;
use crate::ends::Ends;
use crate::family::{Family, Origin};
use crate::family_id::FamilyId;
use crate::policy::Policy;
use crate::resource::Resources;
use crate::scope::Scope;
use crate::secret::FamilySecret;
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, RefreshToken, Subject};
use crate::user::UserId;

/// The key and the epoch that a new token is sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The active root key.
    pub kid: u8,
    /// The store's epoch.
    pub epoch: u16,
}

/// The conditions under which new tokens are issued.
#[derive(Clone, Copy, Debug)]
pub struct Issuing<'a> {
    /// The policy for the client.
    pub policy: &'a Policy,
    /// The seal of a new token.
    pub seal: Seal,
    /// The time of the request.
    pub now: Timestamp,
}

/// Fresh randomness for a new family.
#[derive(Clone, Debug)]
pub struct NewFamilyIds {
    /// Its id.
    pub id: FamilyId,
    /// Its secret.
    pub secret: FamilySecret,
}

impl NewFamilyIds {
    /// The first refresh token of the family.
    pub fn first_refresh_token(&self, seal: Seal) -> RefreshToken {
        RefreshToken {
            kid: seal.kid,
            epoch: seal.epoch,
            family: self.id,
            secret: self.secret.clone(),
            generation: 0,
        }
    }
}

/// An authorization by a user, from which a family of tokens starts.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The user.
    pub user_id: UserId,
    /// The scope.
    pub scope: Scope,
    /// The resources.
    pub resources: Resources,
    /// The time at which they proved who they are.
    pub auth_time: Timestamp,
    /// The ends counted when they authorized it; [`Ends::UNCOUNTED`] where that is the moment at
    /// which the row is written.
    pub born: Ends,
    /// The ends counted when they proved who they are.
    pub proven: Ends,
    /// The circumstances of that proof.
    pub origin: Origin,
}

impl Grant {
    /// Starts the family, with its first access token.
    pub fn start_family(
        self,
        client: &Client,
        fresh: &NewFamilyIds,
        Issuing { policy, seal, now }: Issuing<'_>,
    ) -> (Family, Access) {
        let max_expires_at = policy.family_end(now);
        let access = Access {
            user_id: self.user_id,
            family: fresh.id,
            generation: 0,
            scope: self.scope.clone(),
            resources: self.resources.clone(),
            expires_at: now.after(policy.access_token_lifetime).min(max_expires_at),
        };
        // Without a refresh token the session is as long as its only access token.
        let expires_at = if client.gets_refresh_token(&self.scope) {
            now.after(policy.refresh_token_lifetime).min(max_expires_at)
        } else {
            access.expires_at
        };
        let family = Family {
            id: fresh.id,
            secret_hash: fresh.secret.hash(),
            client_id: client.id.clone(),
            user_id: self.user_id,
            scope: self.scope,
            resources: self.resources,
            auth_time: self.auth_time,
            origin: self.origin,
            born: self.born,
            proven: self.proven,
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
}

/// The access token that a grant gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// For whom.
    pub user_id: UserId,
    /// The family that it ends with.
    pub family: FamilyId,
    /// The family's generation that it belongs to.
    pub generation: u32,
    /// The scope.
    pub scope: Scope,
    /// The resources that it is for.
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
