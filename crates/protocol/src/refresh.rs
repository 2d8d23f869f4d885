//! The refresh token grant (RFC 6749 §6, RFC 9700 §4.14): which case of the decision table a
//! presented refresh token falls into.
//!
//! A family remembers how often it was renewed, and each token carries the generation that it was
//! issued for. Comparing the two says everything about replay. Whatever can be refused is refused
//! here, before anything is written; a refused request leaves the row byte for byte as it was, save
//! that reuse and forgery end the family.

use std::cmp::Ordering;
use std::time::Duration;

use crate::client::{Client, GrantType};
use crate::extent::Extent;
use crate::family::{Family, Loaded, RevokeReason, Rotation};
use crate::grant::{Access, Seal};
use crate::policy::{OnReuse, Policy};
use crate::reject::{Reject, Why};
use crate::resource::Resources;
use crate::scope::Scope;
use crate::time::Timestamp;
use crate::token::RefreshToken;

/// The request of the client.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The opened refresh token. Opening proved that it was sealed by us for this very client.
    pub token: &'a RefreshToken,
    /// The `scope` parameter.
    pub scope: Option<Scope>,
    /// The `resource` parameters.
    pub resources: Option<Resources>,
}

/// The cases of the decision table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
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
    /// Ahead of the row, from an epoch that the store has not reached: this is the primary of
    /// yesterday, or a copy of the store from before a failover.
    StaleStore,
}

impl Case {
    /// Every case.
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
        Self::StaleStore,
    ];

    /// The name in logs and metrics.
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
            Self::StaleStore => "stale_store",
        }
    }
}

/// The decision, complete: nothing is left to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write the rotation, answer with the new refresh token.
    Rotate {
        /// `Current` or `LostCommit`.
        case: Case,
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
        /// The seal of the successor.
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
        case: Case,
        /// The reason that the row will hold.
        reason: RevokeReason,
        /// The answer.
        reject: Reject,
    },
    /// Nothing can be said by this store: later, or by another node, it can.
    Wait,
}

impl Decision {
    /// The case of the table.
    pub const fn case(&self) -> Case {
        match self {
            Self::Rotate { case, .. } | Self::Revoke { case, .. } => *case,
            Self::Refuse(refusal) => refusal.case,
            Self::Keep { .. } => Case::Kept,
            Self::Retry { .. } => Case::Retry,
            Self::Wait => Case::StaleStore,
        }
    }
}

/// A refusal that writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The case of the table.
    pub case: Case,
    /// The answer.
    pub reject: Reject,
}

const fn refusal(case: Case, why: Why) -> Refusal {
    Refusal { case, reject: Reject { code: why.code(), why } }
}

const fn revocation(case: Case, reason: RevokeReason, why: Why) -> Decision {
    Decision::Revoke { case, reason, reject: Reject { code: why.code(), why } }
}

/// Decides about one presented refresh token. `client` has authenticated, `policy` is its own, `kid`
/// is the root key that seals now.
pub fn decide(
    request: &Request<'_>,
    loaded: Option<&Loaded>,
    client: &Client,
    policy: &Policy,
    kid: u8,
    now: Timestamp,
) -> Decision {
    let table = Table { request, client, policy, kid, now };
    table.decide(loaded).unwrap_or_else(Decision::Refuse)
}

struct Table<'a> {
    request: &'a Request<'a>,
    client: &'a Client,
    policy: &'a Policy,
    kid: u8,
    now: Timestamp,
}

impl Table<'_> {
    fn decide(&self, loaded: Option<&Loaded>) -> Result<Decision, Refusal> {
        // RFC 6749 §5.2: the client must be authorized for the grant type that it uses today.
        if !self.client.may_use(GrantType::RefreshToken) {
            return Err(refusal(Case::Denied, Why::GrantNotRegistered));
        }
        let Some(loaded) = loaded else {
            return Err(refusal(Case::Dead, Why::RefreshUnknown));
        };
        let family = &loaded.family;
        self.check_alive(loaded)?;
        // RFC 9700 §4.14.2: what the request asks for is looked at once the token is one that is answered.
        // Before, a used-up token would tell by it whether its session lives, and raise no alarm.
        let presented = self.request.token.generation;
        if presented == family.generation {
            return if self.policy.renew_refresh_token {
                self.rotate(Case::Current, loaded)
            } else {
                Ok(self.keep(family, self.access(family, presented)?))
            };
        }
        if presented > family.generation {
            return match self.request.token.epoch.cmp(&loaded.epoch) {
                // No token of the family is older than the family, whatever was lost since.
                Ordering::Less if self.request.token.epoch < family.born.epoch() => {
                    Ok(revocation(Case::Forgery, RevokeReason::Forgery, Why::RefreshForged))
                }
                Ordering::Less => self.rotate(Case::LostCommit, loaded),
                Ordering::Equal => {
                    Ok(revocation(Case::Forgery, RevokeReason::Forgery, Why::RefreshForged))
                }
                // Whoever is behind here, it is not the client.
                Ordering::Greater => Ok(Decision::Wait),
            };
        }
        if presented.checked_add(1) == Some(family.generation) {
            if presented < family.grace_floor {
                return Err(refusal(Case::StaleRights, Why::RefreshStaleRights));
            }
            let grace = self.policy.grace_period.min(Policy::MAX_GRACE_PERIOD);
            if !family.confirmed && self.is_within(grace, family) {
                return Ok(Decision::Retry {
                    seal: Seal { kid: family.kid, epoch: family.epoch },
                    generation: family.generation,
                    access: self.access(family, family.generation)?,
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
            return Err(refusal(Case::Forgery, Why::RefreshSecretWrong));
        }
        let dead = if family.revoked.is_some() {
            Why::RefreshRevoked
        } else if !loaded.is_user_standing() {
            Why::UserSessionsRevoked
        } else if !loaded.is_client_standing() {
            Why::RefreshClientEnded
        } else if !family.is_expired(self.now) {
            return Ok(());
        } else if token.generation < family.generation {
            // It was used up before it expired, so it does not get the friendlier sentence.
            Why::RefreshRevoked
        } else {
            Why::RefreshExpired
        };
        Err(refusal(Case::Dead, dead))
    }

    /// Returns the extent of the new access token: the requested part of the grant, less what the client has
    /// since lost. The grant itself stays as it is (RFC 6749 §6). A response names a scope that came out
    /// smaller, but not one that came out empty, nor the resources, so these are refused.
    fn check_extent(&self, family: &Family) -> Result<Extent, Refusal> {
        let asked = self.request.scope.as_ref().unwrap_or(&family.scope);
        if !asked.is_subset(&family.scope) {
            return Err(refusal(Case::Denied, Why::ScopeNotGranted));
        }
        let denied = |reject| Refusal { case: Case::Denied, reject };
        let today = Extent::of_today(asked, &family.resources, self.client).map_err(denied)?;
        let asked = self.request.resources.as_ref();
        let resources = Resources::grant(asked, &today.resources).map_err(denied)?;
        Ok(Extent { resources, ..today })
    }

    fn rotate(&self, case: Case, loaded: &Loaded) -> Result<Decision, Refusal> {
        let family = &loaded.family;
        let Some(to) = self.request.token.generation.checked_add(1) else {
            let why = Why::RefreshOverflow;
            return Ok(revocation(Case::Dead, RevokeReason::Overflow, why));
        };
        let access = self.access(family, to)?;
        let expires_at = if self.policy.extend_on_renewal {
            self.now.after(self.policy.refresh_token_lifetime).min(family.max_expires_at)
        } else {
            family.expires_at
        };
        let rotation = Rotation {
            family: family.id,
            from: family.generation,
            to,
            epoch: loaded.epoch,
            kid: self.kid,
            at: self.now,
            expires_at,
        };
        Ok(Decision::Rotate { case, rotation, access })
    }

    fn keep(&self, family: &Family, access: Access) -> Decision {
        // Renewal was on when this token was issued and is off now. Its use must still end the
        // predecessor's grace, also the longest that a later policy could give, at the cost of one
        // write.
        let predecessor_could_retry = family.generation > family.grace_floor
            && !family.confirmed
            && self.is_within(Policy::MAX_GRACE_PERIOD, family);
        Decision::Keep { confirm: predecessor_could_retry, access }
    }

    /// RFC 9700 §4.14.2: a used-up token in anyone's hands means that a copy exists.
    fn reuse(&self) -> Decision {
        match self.policy.on_reuse {
            OnReuse::RevokeFamily => {
                revocation(Case::Reuse, RevokeReason::Reuse, Why::RefreshReused)
            }
            OnReuse::Deny => Decision::Refuse(refusal(Case::Reuse, Why::RefreshReused)),
        }
    }

    fn is_within(&self, grace: Duration, family: &Family) -> bool {
        // Strictly less, so that a grace period of 0 is none at all.
        self.now.distance(family.rotated_at) < grace
    }

    fn access(&self, family: &Family, generation: u32) -> Result<Access, Refusal> {
        let Extent { scope, resources } = self.check_extent(family)?;
        // An access token must not outlive the authorization that it stands for.
        let expires_at =
            self.now.after(self.policy.access_token_lifetime).min(family.max_expires_at);
        let (user_id, family) = (family.user_id, family.id);
        Ok(Access { user_id, family, generation, scope, resources, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::ends::{Ends, LastEnd};
    use crate::family::Origin;
    use crate::family_id::FamilyId;
    use crate::reject::Code;
    use crate::secret::FamilySecret;
    use crate::token::{AccessToken, Jti, Subject};
    use crate::user::UserId;
    use crate::user::UserStanding;

    const GRACE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis((1_000_000 + secs) * 1000)
    }

    fn just_before(time: Timestamp) -> Timestamp {
        Timestamp::from_millis(time.as_millis() - 1)
    }

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn resources(text: &str) -> Resources {
        Resources::parse(text.split_whitespace()).unwrap()
    }

    /// One presentation: all that decides about it.
    struct Scenario {
        token: RefreshToken,
        scope: Option<Scope>,
        resources: Option<Resources>,
        loaded: Option<Loaded>,
        client: Client,
        policy: Policy,
        seal: Seal,
        now: Timestamp,
    }

    /// A family at generation 5, renewed at second 0, to which a token of the given generation is
    /// presented ten seconds later. Nothing is wrong with the request but perhaps the generation.
    fn presented(generation: u32) -> Scenario {
        let secret = FamilySecret::new([2; 16]);
        let mut demo = client("demo");
        demo.resources = resources("https://a https://b https://c");
        let family = Family {
            id: FamilyId([1; 16]),
            secret_hash: secret.hash(),
            client_id: demo.id.clone(),
            user_id: UserId([3; 16]),
            scope: scope("a b"),
            resources: resources("https://a https://b"),
            auth_time: at(-500),
            origin: Origin::default(),
            born: Ends::new((6 << 32) + 2),
            proven: Ends::new((6 << 32) + 1),
            created_at: at(-500),
            max_expires_at: at(365 * 86_400),
            generation: 5,
            grace_floor: 0,
            epoch: 7,
            kid: 1,
            rotated_at: at(0),
            expires_at: at(86_400),
            confirmed: false,
            revoked: None,
        };
        let user = Some(UserStanding { enabled: true, ended: LastEnd::uncounted(at(-1_000)) });
        let client = Some(LastEnd::uncounted(at(-1_000)));
        Scenario {
            token: RefreshToken { kid: 1, epoch: 7, family: family.id, secret, generation },
            scope: None,
            resources: None,
            loaded: Some(Loaded { family, user, client, epoch: 7 }),
            client: demo,
            policy: Policy { grace_period: GRACE, ..Policy::default() },
            seal: Seal { kid: 1, epoch: 7 },
            now: at(10),
        }
    }

    impl Scenario {
        fn loaded(&mut self) -> &mut Loaded {
            self.loaded.as_mut().unwrap()
        }

        fn family(&mut self) -> &mut Family {
            &mut self.loaded().family
        }

        fn user(&mut self) -> &mut UserStanding {
            self.loaded().user.as_mut().unwrap()
        }

        fn ended(&mut self) -> &mut LastEnd {
            self.loaded().client.as_mut().unwrap()
        }

        /// From before ends were counted.
        fn uncounted(&mut self) -> &mut Self {
            (self.family().born, self.family().proven) = (Ends::UNCOUNTED, Ends::UNCOUNTED);
            self
        }

        fn decide(&self) -> Decision {
            let Self { token, scope, resources, loaded, client, policy, seal, now } = self;
            let (scope, resources) = (scope.clone(), resources.clone());
            let request = Request { token, scope, resources };
            let loaded = loaded.clone().map(|l| Loaded { epoch: seal.epoch, ..l });
            decide(&request, loaded.as_ref(), client, policy, seal.kid, *now)
        }

        /// The change to the row and the access token of a renewal.
        fn renewed(&self) -> (Rotation, Access) {
            match self.decide() {
                Decision::Rotate { rotation, access, .. } => (rotation, access),
                other => panic!("{other:?}"),
            }
        }

        /// The case of the table and the cause of a refusal that writes nothing.
        fn refused(&self) -> (Case, Why) {
            match self.decide() {
                Decision::Refuse(Refusal { case, reject }) => {
                    assert_eq!(reject.code, reject.why.code());
                    (case, reject.why)
                }
                other => panic!("{other:?}"),
            }
        }

        /// The case of the table, the stored reason and the cause of a refusal that ends the family.
        fn revoked(&self) -> (Case, RevokeReason, Why) {
            match self.decide() {
                Decision::Revoke { case, reason, reject } => {
                    assert_eq!(reject.code, reject.why.code());
                    (case, reason, reject.why)
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn with(mut scenario: Scenario, change: impl FnOnce(&mut Scenario)) -> Scenario {
        change(&mut scenario);
        scenario
    }

    const REUSED: (Case, RevokeReason, Why) =
        (Case::Reuse, RevokeReason::Reuse, Why::RefreshReused);
    const FORGED: (Case, RevokeReason, Why) =
        (Case::Forgery, RevokeReason::Forgery, Why::RefreshForged);

    #[test]
    fn checklist_58_the_newest_token_is_renewed() {
        let scenario = with(presented(5), |c| c.seal = Seal { kid: 2, epoch: 8 });
        let rotation = Rotation {
            family: FamilyId([1; 16]),
            from: 5,
            to: 6,
            epoch: 8,
            kid: 2,
            at: at(10),
            expires_at: at(10 + 86_400),
        };
        let access = Access {
            user_id: UserId([3; 16]),
            family: FamilyId([1; 16]),
            generation: 6,
            scope: scope("a b"),
            resources: resources("https://a https://b"),
            expires_at: at(10 + 3600),
        };
        assert_eq!(scenario.decide(), Decision::Rotate { case: Case::Current, rotation, access });
    }

    #[test]
    fn the_newest_token_is_renewed_whatever_the_epoch_and_the_key_that_sealed_it() {
        for (kid, epoch) in [(1, 6), (2, 7), (9, 9)] {
            let scenario = with(presented(5), |c| (c.token.kid, c.token.epoch) = (kid, epoch));
            assert_eq!(scenario.decide(), presented(5).decide(), "only the generation counts");
        }
    }

    #[test]
    fn where_renewal_is_off_the_same_token_is_kept_and_nothing_is_written() {
        let scenario = with(presented(5), |c| {
            c.policy.renew_refresh_token = false;
            c.family().generation = 0;
            c.token.generation = 0;
        });
        let Decision::Keep { confirm: false, access } = scenario.decide() else {
            panic!("{:?}", scenario.decide())
        };
        assert_eq!((access.generation, access.expires_at), (0, at(10 + 3600)));
        assert_eq!(scenario.decide().case(), Case::Kept);
    }

    #[test]
    fn keeping_a_renewed_token_first_ends_the_grace_of_its_predecessor() {
        let kept = |change: fn(&mut Scenario)| {
            let scenario =
                with(with(presented(5), |c| c.policy.renew_refresh_token = false), change);
            match scenario.decide() {
                Decision::Keep { confirm, .. } => confirm,
                other => panic!("{other:?}"),
            }
        };
        assert!(kept(|_| ()));
        assert!(!kept(|c| c.family().confirmed = true), "it was used before");
        assert!(!kept(|c| c.family().grace_floor = 5), "the predecessor can not be retried");
        assert!(!kept(|c| c.now = at(600)), "no grace is as long");
    }

    #[test]
    fn a_longer_grace_does_not_bring_back_the_predecessor_of_a_token_that_was_used() {
        let scenario = with(presented(5), |c| {
            c.policy.renew_refresh_token = false;
            c.policy.grace_period = Duration::ZERO;
        });
        let Decision::Keep { confirm, .. } = scenario.decide() else {
            panic!("{:?}", scenario.decide())
        };
        let replay = with(presented(4), |c| {
            c.policy.grace_period = Policy::MAX_GRACE_PERIOD;
            c.family().confirmed = confirm;
        });
        assert_eq!(replay.revoked(), REUSED);
    }

    #[test]
    fn a_lost_answer_is_given_again_as_it_was() {
        let mut scenario = with(presented(4), |c| c.seal = Seal { kid: 9, epoch: 9 });
        let Decision::Retry { seal, generation, access } = scenario.decide() else {
            panic!("{:?}", scenario.decide())
        };
        assert_eq!((seal, generation), (Seal { kid: 1, epoch: 7 }, 5), "sealed as it was then");
        assert_eq!((access.generation, access.expires_at), (5, at(10 + 3600)));
        for renew in [true, false] {
            scenario.policy.renew_refresh_token = renew;
            assert_eq!(scenario.decide().case(), Case::Retry);
        }
    }

    #[test]
    fn grace_ends_with_its_period_and_with_the_first_use_of_the_successor() {
        let last = just_before(at(60));
        assert_eq!(with(presented(4), |c| c.now = last).decide().case(), Case::Retry);
        assert_eq!(with(presented(4), |c| c.now = at(60)).revoked(), REUSED);
        assert_eq!(with(presented(4), |c| c.family().confirmed = true).revoked(), REUSED);
        let strict = with(presented(4), |c| {
            c.policy.grace_period = Duration::ZERO;
            c.now = at(0);
        });
        assert_eq!(strict.revoked(), REUSED, "no grace is none at all");
    }

    #[test]
    fn grace_is_not_longer_than_any_policy_may_say() {
        let scenario = with(presented(4), |c| {
            c.policy.grace_period = HOUR;
            c.now = at(600);
        });
        assert_eq!(scenario.revoked(), REUSED);
    }

    #[test]
    fn a_clock_that_went_backwards_neither_ends_grace_nor_stretches_it() {
        assert_eq!(with(presented(4), |c| c.now = at(-59)).decide().case(), Case::Retry);
        assert_eq!(with(presented(4), |c| c.now = at(-60)).revoked(), REUSED);
        let strict = with(presented(4), |c| {
            c.policy.grace_period = Duration::ZERO;
            c.now = at(-100);
        });
        assert_eq!(strict.revoked(), REUSED);
    }

    #[test]
    fn checklist_58_a_replayed_token_ends_the_family() {
        for generation in [0, 3] {
            assert_eq!(presented(generation).revoked(), REUSED, "even within grace");
        }
        assert_eq!(with(presented(4), |c| c.now = at(3600)).revoked(), REUSED);
    }

    #[test]
    fn where_reuse_is_denied_only_the_family_lives_on() {
        let scenario = with(presented(3), |c| c.policy.on_reuse = OnReuse::Deny);
        assert_eq!(scenario.refused(), (Case::Reuse, Why::RefreshReused));
    }

    #[test]
    fn a_predecessor_with_other_rights_is_refused_and_its_family_lives() {
        let stale = with(presented(4), |c| c.family().grace_floor = 5);
        assert_eq!(stale.refused(), (Case::StaleRights, Why::RefreshStaleRights));
        let level = with(presented(4), |c| c.family().grace_floor = 4);
        assert_eq!(level.decide().case(), Case::Retry);
        let current = with(presented(5), |c| c.family().grace_floor = 5);
        assert_eq!(current.decide().case(), Case::Current);
        let older = with(presented(3), |c| c.family().grace_floor = 5);
        assert_eq!(older.revoked(), REUSED);
    }

    #[test]
    fn after_a_lost_commit_the_row_catches_up() {
        for generation in [6, 9] {
            let scenario = with(presented(generation), |c| c.seal = Seal { kid: 2, epoch: 8 });
            assert_eq!(scenario.decide().case(), Case::LostCommit);
            let (rotation, access) = scenario.renewed();
            assert_eq!((rotation.from, rotation.to), (5, generation + 1));
            assert_eq!((rotation.kid, rotation.epoch), (2, 8));
            assert_eq!(access.generation, generation + 1);
        }
    }

    #[test]
    fn a_generation_that_was_never_issued_is_a_forgery() {
        assert_eq!(presented(6).revoked(), FORGED);
        let deny = with(presented(6), |c| c.policy.on_reuse = OnReuse::Deny);
        assert_eq!(deny.revoked(), FORGED, "on_reuse speaks of reuse alone");
    }

    #[test]
    fn a_token_of_a_later_epoch_than_the_stores_says_that_the_store_is_behind() {
        let later = |generation| with(presented(generation), |c| c.token.epoch = 8);
        assert_eq!(later(6).decide(), Decision::Wait);
        assert_eq!(later(6).decide().case(), Case::StaleStore);
        assert_eq!(later(5).decide().case(), Case::Current, "the generation decides");
        assert_eq!(later(3).revoked(), REUSED);
    }

    #[test]
    fn a_wrong_secret_is_refused_and_ends_nothing() {
        let secret = with(presented(5), |c| c.token.secret = FamilySecret::new([9; 16]));
        assert_eq!(secret.refused(), (Case::Forgery, Why::RefreshSecretWrong));
        let replay = with(presented(3), |c| c.token.secret = FamilySecret::new([9; 16]));
        assert_eq!(replay.refused(), (Case::Forgery, Why::RefreshSecretWrong));
        let foreign = with(presented(3), |c| c.client.id = client("other").id);
        assert_eq!(foreign.refused(), (Case::Forgery, Why::RefreshSecretWrong));
    }

    #[test]
    fn checklist_61_a_family_that_is_over_gives_nothing_and_stays_as_it_is() {
        type End = fn(&mut Scenario);
        let over: [(End, Why); 12] = [
            (|c| c.loaded = None, Why::RefreshUnknown),
            (|c| c.family().revoked = Some((at(1), RevokeReason::Client)), Why::RefreshRevoked),
            (|c| c.loaded().user = None, Why::UserSessionsRevoked),
            (|c| c.user().enabled = false, Why::UserSessionsRevoked),
            (|c| c.user().ended.number = Ends::new((6 << 32) + 2), Why::UserSessionsRevoked),
            (|c| c.ended().number = Ends::new((6 << 32) + 3), Why::RefreshClientEnded),
            (|c| c.loaded().client = None, Why::RefreshClientEnded),
            (|c| c.uncounted().user().ended.at = at(-500), Why::UserSessionsRevoked),
            (|c| c.uncounted().ended().at = at(-500), Why::RefreshClientEnded),
            (|c| c.now = at(86_400), Why::RefreshExpired),
            (|c| c.now = at(90_000), Why::RefreshExpired),
            (|c| c.family().max_expires_at = at(10), Why::RefreshExpired),
        ];
        for (end, why) in over {
            // Asking for too much on top of it changes nothing.
            for wish in [None, Some(scope("z"))] {
                let scenario = with(with(presented(5), end), |c| c.scope = wish);
                assert_eq!(scenario.refused(), (Case::Dead, why));
                assert_eq!(scenario.refused().1.code(), Code::InvalidGrant);
            }
            // No reuse, no forgery: what is over is over.
            for generation in [3, 4, 6] {
                assert_eq!(with(presented(generation), end).refused().0, Case::Dead);
            }
        }
    }

    #[test]
    fn a_token_of_an_epoch_before_the_familys_own_is_forgery_and_no_lost_commit() {
        // The family began in epoch 6, and the store is in epoch 7.
        let ahead = |epoch| with(presented(6), |c| c.token.epoch = epoch).decide();
        assert_eq!(ahead(6).case(), Case::LostCommit);
        let reject = Why::RefreshForged.into();
        let forged =
            Decision::Revoke { case: Case::Forgery, reason: RevokeReason::Forgery, reject };
        assert_eq!(ahead(5), forged);
    }

    #[test]
    fn what_began_after_the_end_of_all_sessions_lives() {
        let scenario = with(presented(5), |c| {
            c.user().ended = LastEnd { number: Ends::new((6 << 32) + 1), at: at(90_000) };
            *c.ended() = LastEnd { number: Ends::new((6 << 32) + 2), at: at(90_000) };
        });
        assert_eq!(scenario.decide().case(), Case::Current, "by a clock that was a day ahead");
        let scenario = with(presented(5), |c| {
            c.uncounted().user().ended.at = just_before(at(-500));
            c.uncounted().ended().at = just_before(at(-500));
        });
        assert_eq!(scenario.decide().case(), Case::Current);
    }

    #[test]
    fn only_the_newest_token_of_an_expired_family_is_told_that_it_expired() {
        let late = |generation| with(presented(generation), |c| c.now = at(86_400)).refused();
        assert_eq!(late(5), (Case::Dead, Why::RefreshExpired));
        assert_eq!(late(4), (Case::Dead, Why::RefreshRevoked));
        assert_eq!(late(0), (Case::Dead, Why::RefreshRevoked));
    }

    #[test]
    fn checklist_62_the_grant_must_be_registered_today() {
        for generation in [3, 4, 5, 6] {
            let scenario =
                with(presented(generation), |c| c.client.grants = vec![GrantType::Password]);
            assert_eq!(scenario.refused(), (Case::Denied, Why::GrantNotRegistered));
        }
    }

    #[test]
    fn checklist_60_scope_never_grows() {
        let given = |asked: Option<&str>, registered: &str| {
            let scenario = with(presented(5), |c| {
                c.scope = asked.map(scope);
                c.client.scope = scope(registered);
            });
            scenario.renewed().1.scope.to_string()
        };
        assert_eq!(given(None, "a b c"), "a b", "what was granted");
        assert_eq!(given(Some("b"), "a b c"), "b", "less when less is asked for");
        assert_eq!(given(None, "a c"), "a", "and less what the client has lost");
        assert_eq!(given(Some("a b"), "b c"), "b");
        for asked in ["c", "a c", "ab", "z"] {
            let scenario = with(presented(5), |c| c.scope = Some(scope(asked)));
            assert_eq!(scenario.refused(), (Case::Denied, Why::ScopeNotGranted), "{asked}");
        }
        for (asked, registered) in [(None, "x"), (Some("a"), "b")] {
            let scenario = with(presented(5), |c| {
                c.scope = asked.map(scope);
                c.client.scope = scope(registered);
            });
            // An answer could not tell that nothing is left (RFC 6749 §3.3).
            assert_eq!(scenario.refused(), (Case::Denied, Why::ScopeLost));
        }
    }

    #[test]
    fn checklist_60_resources_never_grow() {
        let scenario = |asked: Option<&str>, registered: &str| {
            with(presented(5), |c| {
                c.resources = asked.map(resources);
                c.client.resources = resources(registered);
            })
        };
        let given =
            |asked, registered| scenario(asked, registered).renewed().1.resources.to_string();
        let all = "https://a https://b https://c";
        assert_eq!(given(None, all), "https://a https://b");
        assert_eq!(given(Some("https://b"), all), "https://b");
        assert_eq!(given(None, "https://a https://c"), "https://a", "less what the client lost");
        for (asked, registered) in
            [("https://c", all), ("https://a https://c", all), ("https://b", "https://a")]
        {
            let refused = scenario(Some(asked), registered).refused();
            assert_eq!(refused, (Case::Denied, Why::ResourceNotGranted), "{asked} of {registered}");
        }
    }

    type Change = fn(&mut Scenario);

    /// Requests for more than was granted, and the cause that each is refused for.
    fn too_much() -> [(Change, Why); 3] {
        [
            (|c| c.scope = Some(scope("a z")), Why::ScopeNotGranted),
            (|c| c.resources = Some(resources("https://z")), Why::ResourceNotGranted),
            (|c| c.client.scope = scope("x"), Why::ScopeLost),
        ]
    }

    #[test]
    fn a_request_for_too_much_is_denied_where_the_token_would_have_been_answered() {
        for (ask, why) in too_much() {
            assert_eq!(with(presented(5), ask).refused(), (Case::Denied, why));
            let kept = with(presented(5), |c| c.policy.renew_refresh_token = false);
            assert_eq!(with(kept, ask).refused(), (Case::Denied, why), "renewal off");
            assert_eq!(with(presented(4), ask).refused(), (Case::Denied, why), "a retry");
            let ahead = with(presented(6), |c| c.seal.epoch = 8);
            assert_eq!(with(ahead, ask).refused(), (Case::Denied, why), "a lost commit");
        }
    }

    #[test]
    fn a_used_up_or_forged_token_is_judged_by_its_generation_whatever_it_asks_for() {
        for (ask, _) in too_much() {
            for generation in [0, 3] {
                assert_eq!(with(presented(generation), ask).revoked(), REUSED);
            }
            let late = with(presented(4), |c| c.now = at(3600));
            assert_eq!(with(late, ask).revoked(), REUSED, "the predecessor after its grace");
            let deny = with(presented(3), |c| c.policy.on_reuse = OnReuse::Deny);
            assert_eq!(with(deny, ask).refused(), (Case::Reuse, Why::RefreshReused));
            let stale = with(presented(4), |c| c.family().grace_floor = 5);
            assert_eq!(with(stale, ask).refused(), (Case::StaleRights, Why::RefreshStaleRights));
            assert_eq!(with(presented(6), ask).revoked(), FORGED);
            let behind = with(presented(6), |c| c.token.epoch = 8);
            assert_eq!(with(behind, ask).decide(), Decision::Wait);
        }
    }

    #[test]
    fn a_renewed_token_inherits_its_expiry_where_the_policy_says_so() {
        let scenario = with(presented(5), |c| c.policy.extend_on_renewal = false);
        assert_eq!(scenario.renewed().0.expires_at, at(86_400));
    }

    #[test]
    fn no_token_outlives_the_authorization() {
        let end = at(600);
        let (rotation, access) = with(presented(5), |c| c.family().max_expires_at = end).renewed();
        assert_eq!((rotation.expires_at, access.expires_at), (end, end));
    }

    #[test]
    fn a_family_whose_counter_is_used_up_ends() {
        let scenario = with(presented(u32::MAX), |c| c.family().generation = u32::MAX);
        let overflow = (Case::Dead, RevokeReason::Overflow, Why::RefreshOverflow);
        assert_eq!(scenario.revoked(), overflow);
        assert_eq!(with(presented(u32::MAX), |c| c.seal.epoch = 8).revoked(), overflow);
        let last = with(presented(u32::MAX - 1), |c| c.family().generation = u32::MAX - 1);
        assert_eq!(last.renewed().0.to, u32::MAX);
    }

    #[test]
    fn the_access_token_says_what_was_decided() {
        let access = presented(5).renewed().1;
        let token = access.into_token(client("demo").id, Jti([8; 16]), at(10));
        let expected = AccessToken {
            jti: Jti([8; 16]),
            client_id: client("demo").id,
            subject: Subject::User {
                user_id: UserId([3; 16]),
                family: FamilyId([1; 16]),
                generation: 6,
            },
            scope: scope("a b"),
            resources: resources("https://a https://b"),
            issued_at: at(10),
            expires_at: at(10 + 3600),
        };
        assert_eq!(token, expected);
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut names: Vec<_> = Case::ALL.iter().map(|case| case.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Case::ALL.len());
    }
}
