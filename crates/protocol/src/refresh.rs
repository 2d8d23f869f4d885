//! The refresh token grant (RFC 6749 §6, RFC 9700 §4.14): which row of the decision table a
//! presented refresh token falls into.
//!
//! A family remembers how often it was renewed, and each token carries the generation that it was
//! issued for. Comparing the two says everything about replay. Whatever can be refused is refused
//! here, before anything is written; a refused request leaves the row byte for byte as it was, save
//! that reuse and forgery end the family.

use crate::client::{Client, ClientId, GrantType};
use crate::family::{Family, FamilyId, Loaded, RevokeReason, Rotation};
use crate::policy::{OnReuse, Policy};
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::token::{AccessToken, Jti, RefreshToken, Subject};
use crate::user::UserId;

/// What the client asks for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The opened refresh token. Opening proved that it was sealed by us for this very client.
    pub token: &'a RefreshToken,
    /// The `scope` parameter.
    pub scope: Option<Scope>,
    /// The `resource` parameters.
    pub resources: Option<Resources>,
}

/// How a new token would be sealed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The active root key.
    pub kid: u8,
    /// The store's epoch.
    pub epoch: u16,
}

/// The rows of the decision table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// The newest token, renewal on.
    Current,
    /// Expired, revoked, or no such family; its user or client ended it.
    Dead,
    /// The request asked for more than was granted, or the grant is not registered.
    Denied,
    /// Ahead of the row within the same epoch, or with a wrong secret: impossible but for a forger.
    Forgery,
    /// The seal does not open.
    Garbage,
    /// The newest token, renewal off.
    Kept,
    /// Ahead of the row, from before a failover: its commit was lost.
    LostCommit,
    /// The predecessor within its grace: the answer to it was lost.
    Retry,
    /// Any other older token.
    Reuse,
    /// Sealed under a key that has not reached this node yet.
    RollOut,
    /// The predecessor, after the session's rights changed.
    StaleRights,
}

impl Row {
    /// Every row.
    pub const ALL: &'static [Self] = &[
        Self::Current,
        Self::Dead,
        Self::Denied,
        Self::Forgery,
        Self::Garbage,
        Self::Kept,
        Self::LostCommit,
        Self::Retry,
        Self::Reuse,
        Self::RollOut,
        Self::StaleRights,
    ];

    /// The row in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Dead => "dead",
            Self::Denied => "denied",
            Self::Forgery => "forgery",
            Self::Garbage => "garbage",
            Self::Kept => "kept",
            Self::LostCommit => "lost_commit",
            Self::Retry => "retry",
            Self::Reuse => "reuse",
            Self::RollOut => "roll_out",
            Self::StaleRights => "stale_rights",
        }
    }
}

/// The access token that a successful refresh mints.
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

/// What is to be done, all of it decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write the rotation, answer with the new refresh token.
    Rotate {
        /// `Current` or `LostCommit`.
        row: Row,
        /// The guarded change.
        rotation: Rotation,
        /// The new access token.
        access: Access,
    },
    /// Answer with the same refresh token.
    Keep {
        /// Whether the token's use must first be remembered, because its predecessor could still
        /// be retried.
        confirm: bool,
        /// The new access token.
        access: Access,
    },
    /// Answer with the successor that was issued before, computed again.
    Retry {
        /// How the successor was sealed.
        seal: Seal,
        /// Its generation.
        generation: u32,
        /// The new access token.
        access: Access,
    },
    /// Refuse. Nothing is written.
    Refuse(Refusal),
    /// Refuse, and end the family.
    Revoke {
        /// `Reuse` or `Forgery`.
        row: Row,
        /// What the row will say.
        reason: RevokeReason,
        /// The answer.
        reject: Reject,
    },
}

impl Decision {
    /// Which row of the table this is.
    pub const fn row(&self) -> Row {
        match self {
            Self::Rotate { row, .. } | Self::Revoke { row, .. } => *row,
            Self::Refuse(refusal) => refusal.row,
            Self::Keep { .. } => Row::Kept,
            Self::Retry { .. } => Row::Retry,
        }
    }
}

/// A refusal that writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which row of the table.
    pub row: Row,
    /// The answer.
    pub reject: Reject,
}

const fn refusal(row: Row, why: Why) -> Refusal {
    Refusal { row, reject: Reject { code: why.code(), why } }
}

const fn revocation(row: Row, reason: RevokeReason, why: Why) -> Decision {
    Decision::Revoke { row, reason, reject: Reject { code: why.code(), why } }
}

/// Decides about one presented refresh token. `client` has authenticated, `policy` is its own.
pub fn decide(
    request: &Request<'_>,
    loaded: Option<&Loaded>,
    client: &Client,
    policy: &Policy,
    seal: Seal,
    now: Timestamp,
) -> Decision {
    let table = Table { request, client, policy, seal, now };
    table.decide(loaded).unwrap_or_else(Decision::Refuse)
}

struct Table<'a> {
    request: &'a Request<'a>,
    client: &'a Client,
    policy: &'a Policy,
    seal: Seal,
    now: Timestamp,
}

impl Table<'_> {
    fn decide(&self, loaded: Option<&Loaded>) -> Result<Decision, Refusal> {
        // RFC 6749 §5.2: the client must be authorized for the grant type that it uses today.
        if !self.client.may_use(GrantType::RefreshToken) {
            return Err(refusal(Row::Denied, Why::GrantNotRegistered));
        }
        let Some(loaded) = loaded else {
            return Err(refusal(Row::Dead, Why::RefreshUnknown));
        };
        let family = &loaded.family;
        self.check_alive(loaded)?;
        let (scope, resources) = self.check_extent(family)?;
        let access = |generation| self.access(family, generation, scope, resources);

        let presented = self.request.token.generation;
        if presented == family.generation {
            return Ok(if self.policy.renew_refresh_token {
                self.rotate(Row::Current, family, presented, access)
            } else {
                self.keep(family, access(presented))
            });
        }
        if presented > family.generation {
            return Ok(if self.request.token.epoch < self.seal.epoch {
                self.rotate(Row::LostCommit, family, presented, access)
            } else {
                revocation(Row::Forgery, RevokeReason::Forgery, Why::RefreshForged)
            });
        }
        if presented.checked_add(1) == Some(family.generation) {
            if presented < family.grace_floor {
                return Err(refusal(Row::StaleRights, Why::RefreshStaleRights));
            }
            if !family.confirmed && self.is_within_grace(family) {
                return Ok(Decision::Retry {
                    seal: Seal { kid: family.kid, epoch: family.epoch },
                    generation: family.generation,
                    access: access(family.generation),
                });
            }
        }
        Ok(self.reuse())
    }

    /// RFC 6749 §5.2: expired and revoked tokens are `invalid_grant`, whatever else is wrong.
    fn check_alive(&self, loaded: &Loaded) -> Result<(), Refusal> {
        let family = &loaded.family;
        let token = self.request.token;
        // RFC 6749 §6: the token is bound to the client it was issued to. The seal says so already;
        // the row must agree.
        if family.client_id != self.client.id || family.secret_hash != token.secret.hash() {
            return Err(refusal(Row::Forgery, Why::RefreshSecretWrong));
        }
        let dead = if family.revoked.is_some() {
            Why::RefreshRevoked
        } else if !loaded.is_user_standing() {
            Why::RefreshUserEnded
        } else if family.created_at <= self.client.not_before {
            Why::RefreshClientEnded
        } else if !family.is_expired(self.now) {
            return Ok(());
        } else if token.generation < family.generation {
            // It was used up before it expired, so it does not get the friendlier sentence.
            Why::RefreshRevoked
        } else {
            Why::RefreshExpired
        };
        Err(refusal(Row::Dead, dead))
    }

    /// What the new access token may do: the requested part of the grant, less what the client has
    /// since lost. The grant itself stays as it is (RFC 6749 §6).
    fn check_extent(&self, family: &Family) -> Result<(Scope, Resources), Refusal> {
        let scope = match &self.request.scope {
            None => family.scope.intersect(&self.client.scope),
            Some(asked) if asked.is_subset(&family.scope) => asked.intersect(&self.client.scope),
            Some(_) => return Err(refusal(Row::Denied, Why::ScopeNotGranted)),
        };
        let resources = Resources::grant(self.request.resources.as_ref(), &family.resources)
            .map_err(|reject| Refusal { row: Row::Denied, reject })?;
        Ok((scope, resources))
    }

    fn rotate(
        &self,
        row: Row,
        family: &Family,
        presented: u32,
        access: impl FnOnce(u32) -> Access,
    ) -> Decision {
        let Some(to) = presented.checked_add(1) else {
            return revocation(Row::Dead, RevokeReason::Overflow, Why::RefreshOverflow);
        };
        let expires_at = if self.policy.extend_on_renewal {
            self.now.after(self.policy.refresh_token_lifetime).min(family.max_expires_at)
        } else {
            family.expires_at
        };
        let rotation = Rotation {
            family: family.id,
            from: family.generation,
            to,
            epoch: self.seal.epoch,
            kid: self.seal.kid,
            at: self.now,
            expires_at,
        };
        Decision::Rotate { row, rotation, access: access(to) }
    }

    fn keep(&self, family: &Family, access: Access) -> Decision {
        // Renewal was on when this token was issued and is off now. Its use must still end the
        // predecessor's grace, at the cost of one write.
        let predecessor_could_retry = family.generation > family.grace_floor
            && !family.confirmed
            && self.is_within_grace(family);
        Decision::Keep { confirm: predecessor_could_retry, access }
    }

    /// RFC 9700 §4.14.2: a used-up token in anyone's hands means that a copy exists.
    fn reuse(&self) -> Decision {
        match self.policy.on_reuse {
            OnReuse::RevokeFamily => {
                revocation(Row::Reuse, RevokeReason::Reuse, Why::RefreshReused)
            }
            OnReuse::Deny => Decision::Refuse(refusal(Row::Reuse, Why::RefreshReused)),
        }
    }

    fn is_within_grace(&self, family: &Family) -> bool {
        // Strictly less, so that a grace period of 0 is none at all.
        self.now.since(family.rotated_at) < self.policy.grace_period
    }

    fn access(
        &self,
        family: &Family,
        generation: u32,
        scope: Scope,
        resources: Resources,
    ) -> Access {
        // An access token must not outlive the authorization that it stands for.
        let expires_at =
            self.now.after(self.policy.access_token_lifetime).min(family.max_expires_at);
        let (user_id, family) = (family.user_id, family.id);
        Access { user_id, family, generation, scope, resources, expires_at }
    }
}
