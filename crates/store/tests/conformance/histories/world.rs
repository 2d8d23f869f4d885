//! One family in the store, and beside it what it must look like.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use remint_protocol::client::Client;
use remint_protocol::ends::LastEnd;
use remint_protocol::family::{Family, Loaded, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_protocol::grant::{Access, Issuing, NewFamilyIds, Seal};
use remint_protocol::password::{Extent, VerifiedUser, start_family};
use remint_protocol::policy::{MaxLifetime, OnReuse, Policy};
use remint_protocol::refresh::{Decision, Request, decide};
use remint_protocol::scope::Scope;
use remint_protocol::secret::FamilySecret;
use remint_protocol::time::Timestamp;
use remint_protocol::token::RefreshToken;
use remint_protocol::user::{UserId, UserStanding};
use remint_store::{Outcome, Store};

use crate::backend::Place;
use crate::samples::{at, bytes, client, create_user};

const NAMES: [&str; 3] = ["a", "b", "c"];
/// What the user granted: the last word is never part of it.
const GRANTED: u8 = 0b011;

/// A scope of up to three words, as bits.
pub(super) fn words(bits: u8) -> Scope {
    let names = NAMES.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
    Scope::parse(&names.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")).unwrap()
}

/// What a request asks for; `None` leaves the parameter out.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) scope: Option<Scope>,
}

/// What the client got.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) refresh: Option<RefreshToken>,
}

pub(super) struct World<'a> {
    place: &'a Place,
    store: Store,
    pub(super) now: Timestamp,
    pub(super) policy: Policy,
    pub(super) seal: Seal,
    pub(super) client: Client,
    pub(super) family: Family,
    user_id: UserId,
    /// `None` once they are deleted, and then so is the family.
    user: Option<UserStanding>,
    secret: FamilySecret,
    /// Every token that was handed out.
    issued: Vec<RefreshToken>,
    /// When each older generation was used up.
    used_up: BTreeMap<u32, Timestamp>,
    /// Whether the newest token was presented and kept.
    is_newest_used: bool,
}

impl<'a> World<'a> {
    /// A user whom nobody knew signs in at a client that nobody knew.
    pub(super) async fn new(place: &'a Place, policy: Policy) -> Self {
        static NUMBERS: AtomicU32 = AtomicU32::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let store = place.open().await;
        let client = Client { scope: words(0b111), ..client(&format!("client-{number}")) };
        let user_id = UserId(bytes(number));
        store.create_client(&client).await.unwrap();
        let client = store.find_client(client.id.as_str()).await.unwrap().unwrap();
        create_user(&store, user_id, &format!("user-{number}")).await;
        let now = at(0);
        let epoch = store.epoch().await.unwrap();
        let seal = Seal { kid: 1, epoch };
        let extent = Extent { scope: words(GRANTED), resources: client.resources.clone() };
        let secret = FamilySecret::new(bytes(number));
        let fresh = NewFamilyIds { id: FamilyId(bytes(number)), secret: secret.clone() };
        let proven = store.ends().await.unwrap();
        let who = VerifiedUser { id: user_id, ends: proven, at: now };
        let (mut family, _) =
            start_family(&client, who, extent, &fresh, Issuing { policy: &policy, seal, now });
        assert_eq!(store.insert_family(&family, None).await.unwrap(), Outcome::Done);
        family.born = store.load_family(family.id).await.unwrap().unwrap().family.born;
        assert!(family.born >= proven);
        let user = Some(UserStanding { enabled: true, ended: LastEnd::default() });
        let mut world = Self {
            place,
            store,
            now,
            policy,
            seal,
            client,
            family,
            user_id,
            user,
            secret,
            issued: Vec::new(),
            used_up: BTreeMap::new(),
            is_newest_used: false,
        };
        world.issue(seal, 0);
        world
    }

    /// One of the tokens that were handed out, counted from the newest.
    pub(super) fn issued(&self, back: usize) -> &RefreshToken {
        &self.issued[self.issued.len() - 1 - back % self.issued.len()]
    }

    /// A token that was never handed out, made by somebody who has the key and the secret.
    pub(super) fn forge(&self, ahead: u32) -> RefreshToken {
        RefreshToken { generation: self.family.generation + ahead, ..self.issued(0).clone() }
    }

    fn issue(&mut self, seal: Seal, generation: u32) -> RefreshToken {
        let (family, secret) = (self.family.id, self.secret.clone());
        let token = RefreshToken { kid: seal.kid, epoch: seal.epoch, family, secret, generation };
        if !self.issued.contains(&token) {
            self.issued.push(token.clone());
        }
        token
    }

    fn own_policy(&self) -> Policy {
        self.client.policy(&self.policy)
    }

    /// What the store must give.
    fn expected(&self) -> Option<Loaded> {
        let user = Some(self.user?);
        let client = Some(self.client.ended);
        Some(Loaded { family: self.family.clone(), user, client, epoch: self.seal.epoch })
    }

    async fn load(&self) -> Option<Loaded> {
        let loaded = self.store.load_family(self.family.id).await.unwrap();
        assert_eq!(loaded, self.expected());
        loaded
    }

    fn decide(&self, loaded: Option<&Loaded>, token: &RefreshToken, ask: &Ask) -> Decision {
        let request = Request { token, scope: ask.scope.clone(), resources: None };
        decide(&request, loaded, &self.client, &self.own_policy(), self.seal.kid, self.now)
    }

    /// Decides about a request. The laws hold at the moment of reading: an answer that writes nothing
    /// may leave later, and counts as given then.
    async fn read_and_decide(&self, token: &RefreshToken, ask: &Ask) -> Decision {
        let decision = self.decide(self.load().await.as_ref(), token, ask);
        self.check_laws(token, ask, &decision);
        decision
    }

    /// Presents a token and carries out what is decided.
    pub(super) async fn present(&mut self, token: &RefreshToken, ask: &Ask) -> Answer {
        let decision = self.read_and_decide(token, ask).await;
        self.carry_out(token, decision).await.expect("nobody else writes")
    }

    /// Two requests at once: both have read the row before either writes. A lost race is no error:
    /// the loser reads again.
    pub(super) async fn race(&mut self, tokens: [&RefreshToken; 2]) -> [Answer; 2] {
        let ask = Ask::default();
        let first = self.read_and_decide(tokens[0], &ask).await;
        let second = self.read_and_decide(tokens[1], &ask).await;
        let first = self.carry_out(tokens[0], first).await.expect("it is the first to write");
        match self.carry_out(tokens[1], second).await {
            Some(second) => [first, second],
            None => [first, self.present(tokens[1], &ask).await],
        }
    }

    /// Carries out a decision in the store and in the model; `None` where both find that the row is
    /// not what was decided upon.
    async fn carry_out(&mut self, token: &RefreshToken, decision: Decision) -> Option<Answer> {
        let (id, before) = (self.family.id, self.place.dump_family(self.family.id));
        let outcome = self.write(token, &decision).await;
        let writes_nothing = matches!(
            decision,
            Decision::Wait
                | Decision::Refuse(_)
                | Decision::Retry { .. }
                | Decision::Keep { confirm: false, .. }
        );
        if writes_nothing || outcome == Outcome::Conflict {
            assert_eq!(self.place.dump_family(id), before, "{decision:?}");
        }
        if outcome == Outcome::Conflict {
            return None;
        }
        let refresh = self.apply(token, &decision);
        Some(Answer { decision, refresh })
    }

    /// Writes what was decided, and checks that the guard holds as it would in the model.
    async fn write(&self, token: &RefreshToken, decision: &Decision) -> Outcome {
        let (outcome, from) = match decision {
            Decision::Rotate { rotation, .. } => (self.store.rotate(rotation).await, rotation.from),
            Decision::Keep { confirm: true, .. } => {
                (self.store.confirm(self.family.id, token.generation).await, token.generation)
            }
            Decision::Revoke { reason, .. } => {
                return self.store.revoke_family(self.family.id, *reason, self.now).await.unwrap();
            }
            Decision::Wait
            | Decision::Keep { .. }
            | Decision::Retry { .. }
            | Decision::Refuse(_) => {
                return Outcome::Done;
            }
        };
        let is_there = self.user.is_some() && self.family.revoked.is_none();
        let holds = is_there && self.family.generation == from;
        let expected = if holds { Outcome::Done } else { Outcome::Conflict };
        assert_eq!(outcome.unwrap(), expected, "{decision:?}");
        expected
    }

    /// What the decision makes of the model.
    fn apply(&mut self, token: &RefreshToken, decision: &Decision) -> Option<RefreshToken> {
        match decision {
            Decision::Rotate { rotation, .. } => {
                self.family = crate::samples::rotated(&self.family, rotation);
                self.used_up.insert(token.generation, self.now);
                self.is_newest_used = false;
                let seal = Seal { kid: rotation.kid, epoch: rotation.epoch };
                let (handed_out, new) = (self.issued.len(), self.issue(seal, rotation.to));
                assert_eq!(self.issued.len(), handed_out + 1, "a new token was seen before");
                Some(new)
            }
            Decision::Keep { confirm, .. } => {
                self.family.confirmed |= confirm;
                self.is_newest_used = true;
                Some(token.clone())
            }
            Decision::Retry { seal, generation, .. } => {
                let (handed_out, same) = (self.issued.len(), self.issue(*seal, *generation));
                assert_eq!(self.issued.len(), handed_out, "a retry gives the same token");
                Some(same)
            }
            Decision::Revoke { reason, .. } => {
                self.family.revoked.get_or_insert((self.now, *reason));
                None
            }
            Decision::Refuse(_) | Decision::Wait => None,
        }
    }

    /// Laws of every answer, told from what was handed out and used before.
    fn check_laws(&self, token: &RefreshToken, ask: &Ask, decision: &Decision) {
        let family = &self.family;
        let Some(access) = access(decision) else { return };
        assert!(self.user.is_some_and(|u| u.enabled && u.ended.number <= family.proven));
        assert!(self.client.ended.number <= family.born);
        assert!(family.revoked.is_none() && !family.is_expired(self.now), "a dead family");
        assert!(access.scope.is_subset(&words(GRANTED)), "more than was granted");
        assert!(access.scope.is_subset(&self.client.scope), "more than is registered");
        assert!(ask.scope.as_ref().is_none_or(|asked| access.scope.is_subset(asked)));
        assert!(access.expires_at <= family.max_expires_at, "it outlives the authorization");
        if let Decision::Rotate { rotation, .. } = decision {
            assert!(rotation.expires_at <= family.max_expires_at);
            assert_eq!(rotation.to, family.generation + 1);
        }
        if token.generation != family.generation {
            assert_eq!(token.generation + 1, family.generation, "a used-up token gave a token");
            let age = self.now.distance(self.used_up[&token.generation]);
            assert!(age < self.own_policy().grace_period, "reuse outside of grace gave a token");
            assert!(!self.is_newest_used, "the successor was in use");
        }
    }

    /// Laws of every state, told from what the store gives.
    pub(super) async fn check_state(&self) {
        let loaded = self.load().await;
        let found = self.store.find_client(self.client.id.as_str()).await.unwrap();
        assert_eq!(found.as_ref(), Some(&self.client));
        let Some(Loaded { family, .. }) = &loaded else { return };
        assert!(family.expires_at <= family.max_expires_at);
        assert_eq!(family.scope, words(GRANTED), "what was granted never changes");
        let newest = family.generation;
        assert_eq!(newest, self.issued(0).generation);
        for token in &self.issued {
            let decision = self.decide(loaded.as_ref(), token, &Ask::default());
            let is_next_to_newest =
                token.generation + 1 == newest && !self.own_policy().grace_period.is_zero();
            assert!(
                access(&decision).is_none() || token.generation == newest || is_next_to_newest,
                "generation {} of {newest} lives",
                token.generation
            );
        }
    }

    /// Time goes by; the clock of a machine may also be set back.
    pub(super) fn wait(&mut self, millis: i64) {
        self.now = Timestamp::from_millis(self.now.as_millis() + millis);
    }

    pub(super) async fn revoke(&mut self, reason: RevokeReason) {
        self.store.revoke_family(self.family.id, reason, self.now).await.unwrap();
        self.family.revoked.get_or_insert((self.now, reason));
    }

    fn outcome_for_user(&self) -> Outcome {
        if self.user.is_some() { Outcome::Done } else { Outcome::Conflict }
    }

    pub(super) async fn enable_user(&mut self, enabled: bool) {
        let outcome = self.store.set_user_enabled(self.user_id, enabled, self.now).await.unwrap();
        assert_eq!(outcome, self.outcome_for_user());
        self.user = self.user.map(|user| UserStanding { enabled, ..user });
    }

    /// Everything that there is, by whichever clock it began.
    async fn end_user(&mut self) {
        let Some(before) = self.user else { return };
        let number = self.store.load_user(self.user_id).await.unwrap().unwrap().ended.number;
        assert!(number > before.ended.number);
        let risen = before.ended.at.after(Duration::from_millis(1));
        let at = risen.max(self.now).max(self.family.auth_time);
        self.user = Some(UserStanding { ended: LastEnd { number, at }, ..before });
    }

    pub(super) async fn set_password(&mut self) {
        let outcome = self.store.set_password(self.user_id, "new", self.now).await.unwrap();
        assert_eq!(outcome, self.outcome_for_user());
        self.end_user().await;
    }

    pub(super) async fn end_sessions_of_user(&mut self) {
        self.store.end_user_sessions(self.user_id, self.now).await.unwrap();
        self.end_user().await;
    }

    pub(super) async fn end_sessions_of_client(&mut self, of_all: bool) {
        let outcome = if of_all {
            self.store.end_all_sessions(self.now).await.unwrap()
        } else {
            self.store.end_client_sessions(&self.client.id, self.now).await.unwrap()
        };
        assert_eq!(outcome, Outcome::Done);
        let found = self.store.find_client(self.client.id.as_str()).await.unwrap().unwrap();
        let (before, number) = (self.client.ended, found.ended.number);
        assert!(number > before.number);
        self.client.ended = LastEnd { number, at: before.at.max(self.now) };
    }

    pub(super) async fn delete_user(&mut self) {
        let outcome = self.store.delete_user(self.user_id).await.unwrap();
        assert_eq!(outcome, self.outcome_for_user());
        self.user = None;
    }

    pub(super) async fn update_client(&mut self, client: Client) {
        let seen_at = self.client.updated_at;
        let client = Client { updated_at: seen_at.after(Duration::from_millis(1)), ..client };
        assert_eq!(self.store.update_client(&client, seen_at).await.unwrap(), Outcome::Done);
        let again = self.store.update_client(&client, seen_at).await.unwrap();
        assert_eq!(again, Outcome::Conflict, "somebody changed it since");
        self.client = client;
    }

    pub(super) async fn restart(&mut self) {
        self.store.close().await;
        self.store = self.place.open().await;
    }
}

/// The access token that a decision gives.
fn access(decision: &Decision) -> Option<&Access> {
    match decision {
        Decision::Rotate { access, .. }
        | Decision::Keep { access, .. }
        | Decision::Retry { access, .. } => Some(access),
        Decision::Refuse(_) | Decision::Revoke { .. } | Decision::Wait => None,
    }
}

/// Any grace that a policy may have; often none.
pub(super) fn any_grace() -> impl Strategy<Value = Duration> {
    prop_oneof![1 => Just(Duration::ZERO), 3 => (1..=600u64).prop_map(Duration::from_secs)]
}

/// Any policy with lifetimes that a history of some days can outlive.
pub(super) fn any_policy() -> impl Strategy<Value = Policy> {
    let lifetimes = (60..100_000u64, 3_600..200_000u64, 0..400_000u64);
    let on_reuse = prop_oneof![Just(OnReuse::RevokeFamily), Just(OnReuse::Deny)];
    let switches = (prop::bool::weighted(0.7), any::<bool>());
    (lifetimes, any_grace(), on_reuse, switches).prop_map(
        |((access, refresh, more), grace_period, on_reuse, (renew, extend))| Policy {
            access_token_lifetime: Duration::from_secs(access),
            refresh_token_lifetime: Duration::from_secs(refresh),
            renew_refresh_token: renew,
            extend_on_renewal: extend,
            refresh_token_max_lifetime: MaxLifetime::Of(Duration::from_secs(refresh + more)),
            grace_period,
            on_reuse,
            revoke_access_token_on_refresh: false,
        },
    )
}
