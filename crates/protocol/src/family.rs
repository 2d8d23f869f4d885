//! The family: all refresh tokens that descend from one authorization, remembered as one row.

use std::fmt;

use crate::browser_session::BrowserSessionId;
use crate::client_id::ClientId;
use crate::ends::{Ends, LastEnd};
use crate::family_id::FamilyId;
use crate::resource::Resources;
use crate::scope::Scope;
use crate::secret::SecretHash;
use crate::time::Timestamp;
use crate::token::{AccessToken, Subject};
use crate::user::{UserId, UserStanding};

/// One row. The first block never changes; the second changes in place at each renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its key.
    pub id: FamilyId,
    /// Hash of the secret that its tokens carry.
    pub secret_hash: SecretHash,
    /// The client that the tokens were issued to.
    pub client_id: ClientId,
    /// The user who authorized them.
    pub user_id: UserId,
    /// The granted scope. Never widened, never narrowed.
    pub scope: Scope,
    /// The resources that were granted (RFC 8707).
    pub resources: Resources,
    /// The time at which the user proved their identity.
    pub auth_time: Timestamp,
    /// The circumstances of that proof.
    pub origin: Origin,
    /// The number of ends that the store had counted when the user authorized it. The store fills in its own
    /// number if none is given.
    pub born: Ends,
    /// The number of ends that it had counted when the user proved their identity.
    pub proven: Ends,
    /// The time at which the family started.
    pub created_at: Timestamp,
    /// The end of the family, however often it is refreshed.
    pub max_expires_at: Timestamp,

    /// The number of renewals so far.
    pub generation: u32,
    /// Predecessors below this generation may not be retried.
    pub grace_floor: u32,
    /// The store's epoch at the last renewal.
    pub epoch: u16,
    /// The root key that sealed the current token, so that a retry gets the same bytes.
    pub kid: u8,
    /// The time at which the current token was issued.
    pub rotated_at: Timestamp,
    /// The time at which the current token expires.
    pub expires_at: Timestamp,
    /// Whether the current token was presented, which ends its predecessor's grace.
    pub confirmed: bool,
    /// The time and the reason of an early end.
    pub revoked: Option<(Timestamp, RevokeReason)>,
}

/// The circumstances in which a family was authorized, for ID tokens and for ending it with the browser
/// session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The session of the browser; none where the user was not at one of our pages.
    pub browser_session: Option<BrowserSessionId>,
    /// Whether it goes on when that session ends (OpenID Connect Core §11).
    pub offline: bool,
    /// The `acr` claim; empty where nothing is said.
    pub acr: String,
    /// The `amr` claim (RFC 8176), separated by spaces.
    pub amr: String,
    /// The claims that were asked for one by one (OpenID Connect Core §5.5).
    pub claims: String,
}

/// A family as loaded: the row, and the user as they are today; `None` for a deleted user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The row.
    pub family: Family,
    /// The user today.
    pub user: Option<UserStanding>,
    /// The last end of all the client's sessions; `None` for a deleted client.
    pub client: Option<LastEnd>,
    /// The store's epoch at the moment of reading. A row and an epoch of different moments would
    /// take a lost commit for a forgery.
    pub epoch: u16,
}

impl Family {
    /// Whether one of the two lifetimes is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now || self.max_expires_at <= now
    }

    /// Whether an access token says of itself what the family does. Its seal does not show that: whoever has
    /// the key file makes one.
    pub fn may_have_issued(&self, token: &AccessToken) -> bool {
        matches!(token.subject, Subject::User { user_id, family, .. }
            if user_id == self.user_id && family == self.id)
            && token.client_id == self.client_id
    }
}

/// The state of a family, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It gives tokens.
    Live,
    /// It was ended.
    Revoked(RevokeReason),
    /// Its user is gone or disabled, or has ended all their sessions.
    UserEnded,
    /// Its client is gone, or all the client's sessions were ended.
    ClientEnded,
    /// One of its two lifetimes is over.
    Expired,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Revoked(reason) => write!(f, "revoked ({})", reason.as_str()),
            Self::UserEnded => f.write_str("ended (user)"),
            Self::ClientEnded => f.write_str("ended (client)"),
            Self::Expired => f.write_str("expired"),
        }
    }
}

impl Loaded {
    /// Whether the family is alive: not revoked, not expired, its user and its client standing.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.state(now) == State::Live
    }

    /// The state of the family, by the first thing that ends it.
    pub fn state(&self, now: Timestamp) -> State {
        match self.family.revoked {
            Some((_, reason)) => State::Revoked(reason),
            None if !self.is_user_standing() => State::UserEnded,
            None if !self.is_client_standing() => State::ClientEnded,
            None if self.family.is_expired(now) => State::Expired,
            None => State::Live,
        }
    }

    /// Whether the user exists, is enabled, and has not signed out everywhere since they proved who they are:
    /// what a code or a browser of before began later is over with them.
    pub fn is_user_standing(&self) -> bool {
        self.user.is_some_and(|user| user.accepts(self.family.proven, self.family.auth_time))
    }

    /// Whether the client exists, and its sessions were not ended since this one was authorized.
    pub fn is_client_standing(&self) -> bool {
        self.client.is_some_and(|ended| ended.spares(self.family.born, self.family.created_at))
    }
}

/// The reason for which a family ended early. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeReason {
    /// A used-up refresh token was presented.
    Reuse = 1,
    /// A generation that was never issued was presented.
    Forgery = 2,
    /// The client revoked it (RFC 7009).
    Client = 3,
    /// An operator revoked it.
    Operator = 4,
    /// The generation counter was used up.
    Overflow = 5,
    /// Its authorization code was redeemed a second time.
    CodeReuse = 6,
    /// The user signed out of the browser's session that it belongs to.
    SignOut = 7,
    /// The user ended it, or took back their consent.
    User = 8,
}

impl RevokeReason {
    const ALL: [Self; 8] = [
        Self::Reuse,
        Self::Forgery,
        Self::Client,
        Self::Operator,
        Self::Overflow,
        Self::CodeReuse,
        Self::SignOut,
        Self::User,
    ];

    /// The number in the store.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// Reads the number in the store.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// For logs and listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::Forgery => "forgery",
            Self::Client => "client",
            Self::Operator => "operator",
            Self::Overflow => "overflow",
            Self::CodeReuse => "code_reuse",
            Self::SignOut => "sign_out",
            Self::User => "user",
        }
    }
}

/// The change that a renewal makes to its row, guarded by `from`: the row must still have that
/// generation and must not be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The family.
    pub family: FamilyId,
    /// The generation that the row must have.
    pub from: u32,
    /// The generation that it gets.
    pub to: u32,
    /// The epoch of the new token.
    pub epoch: u16,
    /// The key of the new token.
    pub kid: u8,
    /// The time of the renewal.
    pub at: Timestamp,
    /// The time at which the new token expires.
    pub expires_at: Timestamp,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::grant::{Grant, Issuing, NewFamilyIds, Seal};
    use crate::policy::Policy;
    use crate::secret::FamilySecret;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn loaded((born, proven): (i64, i64), user: LastEnd, client: LastEnd) -> Loaded {
        let grant = Grant {
            user_id: UserId([3; 16]),
            scope: Scope::default(),
            resources: Resources::default(),
            auth_time: at(5_000),
            born: Ends::new(born),
            proven: Ends::new(proven),
            origin: Origin::default(),
        };
        let fresh = NewFamilyIds { id: FamilyId([1; 16]), secret: FamilySecret::new([2; 16]) };
        let shop = crate::client::tests::client("shop");
        let policy = Policy::default();
        let issuing = Issuing { policy: &policy, seal: Seal { kid: 1, epoch: 1 }, now: at(9_000) };
        let (family, _) = grant.start_family(&shop, &fresh, issuing);
        let user = Some(UserStanding { enabled: true, ended: user });
        Loaded { family, user, client: Some(client), epoch: 1 }
    }

    /// A family of the client `shop`, which began at 9 seconds.
    pub(crate) fn family() -> Family {
        loaded((1, 1), NEVER, NEVER).family
    }

    const NEVER: LastEnd = LastEnd::uncounted(at(0));

    fn end(number: i64) -> LastEnd {
        LastEnd { number: Ends::new(number), at: at(1) }
    }

    #[test]
    fn checklist_61_a_family_begun_by_a_proof_from_before_the_end_is_over_as_well() {
        let alive = |begun, user, client| loaded(begun, user, client).is_alive(at(9_001));
        assert!(alive((7, 3), end(3), end(7)), "proven and authorized after the ends");
        assert!(
            !alive((7, 3), end(4), NEVER),
            "the password of before, though authorized after it"
        );
        assert!(!alive((7, 3), NEVER, end(8)), "the client's sessions were ended since");
        assert!(
            alive((7, 3), end(3), end(4)),
            "single sign-on goes on where a client's sessions end"
        );
    }

    #[test]
    fn a_session_from_before_ends_were_counted_is_judged_by_time_until_the_first_one_that_is() {
        let alive = |user, client| loaded((0, 0), user, client).is_alive(at(9_001));
        let by_time = |millis| LastEnd::uncounted(at(millis));
        assert!(alive(by_time(4_999), by_time(8_999)));
        assert!(!alive(by_time(5_000), NEVER) && !alive(NEVER, by_time(9_000)));
        assert!(!alive(end(1), NEVER) && !alive(NEVER, end(1)));
    }

    #[test]
    fn an_operator_sees_what_ended_a_session() {
        let mut family = loaded((1, 1), NEVER, NEVER);
        let state = |loaded: &Loaded, now| loaded.state(at(now)).to_string();
        assert_eq!(state(&family, 9_001), "live");
        assert_eq!(state(&family, i64::MAX), "expired");
        assert_eq!(state(&loaded((1, 1), NEVER, end(2)), i64::MAX), "ended (client)");
        assert_eq!(state(&loaded((1, 1), end(2), end(2)), 9_001), "ended (user)");
        family.family.revoked = Some((at(9_000), RevokeReason::CodeReuse));
        assert_eq!(state(&family, i64::MAX), "revoked (code_reuse)");
    }

    #[test]
    fn a_session_of_a_client_that_was_deleted_is_over() {
        let loaded = Loaded { client: None, ..loaded((1, 1), NEVER, NEVER) };
        assert!(!loaded.is_alive(at(9_001)));
    }
}
