//! The world around one family: its row, its client, its user, the keys and the clock. What is
//! decided is applied as the store's guarded statements would, and what was handed out is noted, so
//! that the laws can be told from the notes instead of from the row.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use remint_protocol::client::{Client, GrantType};
use remint_protocol::client_id::ClientId;
use remint_protocol::ends::{Ends, LastEnd};
use remint_protocol::family::{Family, Loaded, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_protocol::grant::{Access, Issuing, NewFamilyIds, Seal};
use remint_protocol::keyring::{Keyring, RootKey};
use remint_protocol::password::{Extent, VerifiedUser, start_family};
use remint_protocol::policy::{MaxLifetime, OnReuse, Policy};
use remint_protocol::refresh::{Decision, Request, decide};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::FamilySecret;
use remint_protocol::time::Timestamp;
use remint_protocol::token::{RefreshToken, open_refresh, seal_refresh};
use remint_protocol::user::{UserId, UserStanding};

/// How many root keys there are; their numbers begin with 1.
pub(crate) const KEYS: u8 = 3;

/// The same keys, each time with another active one.
static KEYRINGS: LazyLock<Vec<Keyring>> = LazyLock::new(|| {
    let roots: Vec<_> = (1..=KEYS).map(|kid| (kid, RootKey([kid; 32]))).collect();
    (1..=KEYS).map(|active| Keyring::new(&roots, active).unwrap()).collect()
});

/// A set of scope tokens and resources of four each, as bits.
pub(crate) type Bits = u8;
/// The number of ends when the family began, in the first epoch.
const BORN: Ends = Ends::new(1 << 32);
/// The number of any end after that.
pub(crate) const AFTER: Ends = Ends::new((1 << 32) + 1);

const NAMES: [&str; 4] = ["a:1", "b:2", "c:3", "d:4"];
/// What the user granted: the last one is never part of it.
pub(crate) const GRANTED: Bits = 0b0111;

pub(crate) fn scope(bits: Bits) -> Scope {
    Scope::parse(&names(bits).join(" ")).unwrap()
}

pub(crate) fn resources(bits: Bits) -> Resources {
    Resources::parse(names(bits)).unwrap()
}

pub(crate) fn bits<'a>(names: impl Iterator<Item = &'a str>) -> Bits {
    names.map(|name| 1 << NAMES.iter().position(|n| *n == name).unwrap()).sum()
}

fn names(bits: Bits) -> Vec<&'static str> {
    (0..4).filter(|at| bits & (1 << at) != 0).map(|at| NAMES[at]).collect()
}

/// What a request asks for; `None` leaves the parameter out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) scope: Option<Bits>,
    pub(crate) resources: Option<Bits>,
}

/// A refresh token that was handed out, and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) text: String,
    pub(crate) token: RefreshToken,
}

/// What was handed out and used, as far as the surviving store can know. A failover takes back the
/// notes together with the row.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    /// The newest generation.
    pub(crate) generation: u32,
    /// Its token, as it was handed out first.
    pub(crate) newest: String,
    /// Whether that token was used and kept.
    pub(crate) is_newest_used: bool,
    /// When each older generation was used up.
    pub(crate) used_up: BTreeMap<u32, Timestamp>,
}

/// What the client got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    pub(crate) refresh: Option<String>,
}

/// The row is not as it was when the decision was made: the guard of the statement does not hold.
#[derive(Clone, Copy, Debug)]
struct Conflict;

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) loaded: Loaded,
    pub(crate) notes: Notes,
    pub(crate) client: Client,
    pub(crate) policy: Policy,
    pub(crate) active_kid: u8,
    pub(crate) epoch: u16,
    /// Every token that was ever handed out, also where its commit was lost later.
    pub(crate) issued: Vec<Issued>,
    /// What a failover may bring back.
    past: Vec<(Family, Notes)>,
}

impl World {
    /// A user has just signed in.
    pub(crate) fn new(policy: Policy) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let client = Client {
            grants: GrantType::ALL.to_vec(),
            scope: scope(0b1111),
            resources: resources(0b1111),
            ..Client::new(ClientId::parse("shop").unwrap(), Timestamp::default())
        };
        let extent = Extent { scope: scope(GRANTED), resources: resources(GRANTED) };
        let fresh = NewFamilyIds { id: FamilyId([7; 16]), secret: FamilySecret::new([8; 16]) };
        let seal = Seal { kid: 1, epoch: 1 };
        let (mut family, _) = start_family(
            &client,
            VerifiedUser { id: UserId([9; 16]), ends: BORN, at: now },
            extent,
            &fresh,
            Issuing { policy: &policy, seal, now },
        );
        family.born = BORN;
        let user = Some(UserStanding { enabled: true, ended: LastEnd::default() });
        let notes = Notes {
            generation: 0,
            newest: String::new(),
            is_newest_used: false,
            used_up: BTreeMap::new(),
        };
        let loaded = Loaded { family, user, client: Some(LastEnd::default()), epoch: 1 };
        let (issued, past) = (Vec::new(), Vec::new());
        let (active_kid, epoch) = (1, 1);
        let mut world =
            Self { now, loaded, notes, client, policy, active_kid, epoch, issued, past };
        world.notes.newest = world.seal(seal, 0);
        world
    }

    pub(crate) fn family(&self) -> &Family {
        &self.loaded.family
    }

    pub(crate) fn keys(&self) -> &'static Keyring {
        &KEYRINGS[usize::from(self.active_kid) - 1]
    }

    pub(crate) fn open(&self, text: &str) -> RefreshToken {
        open_refresh(self.keys(), text, &self.client.id).unwrap()
    }

    /// One of the tokens that were ever handed out, counted from the newest.
    pub(crate) fn issued(&self, back: usize) -> &Issued {
        &self.issued[self.issued.len() - 1 - back % self.issued.len()]
    }

    /// Decides and changes nothing.
    pub(crate) fn decide(&self, token: &RefreshToken, ask: Ask) -> Decision {
        let (scope, resources) = (ask.scope.map(scope), ask.resources.map(resources));
        let request = Request { token, scope, resources };
        let loaded = Loaded { epoch: self.epoch, ..self.loaded.clone() };
        decide(&request, Some(&loaded), &self.client, &self.policy, self.active_kid, self.now)
    }

    /// Presents a token and carries out what is decided.
    pub(crate) fn present(&mut self, text: &str, ask: Ask) -> Answer {
        let token = self.open(text);
        let decision = self.decide(&token, ask);
        let refresh = self.apply(&token, &decision).expect("nobody else writes");
        Answer { decision, refresh }
    }

    /// Two requests present a token at once: both have read the row before either writes.
    pub(crate) fn present_twice_at_once(&mut self, text: &str) -> [Answer; 2] {
        let token = self.open(text);
        [self.decide(&token, Ask::default()), self.decide(&token, Ask::default())].map(|decision| {
            match self.apply(&token, &decision) {
                Ok(refresh) => Answer { decision, refresh },
                // A lost race is no error: the loser reads again.
                Err(Conflict) => self.present(text, Ask::default()),
            }
        })
    }

    /// Carries out a decision as the store would, and gives the refresh token of the answer.
    fn apply(
        &mut self,
        token: &RefreshToken,
        decision: &Decision,
    ) -> Result<Option<String>, Conflict> {
        let is_over = self.family().revoked.is_some();
        match decision {
            Decision::Rotate { rotation, .. } => {
                if self.family().generation != rotation.from || is_over {
                    return Err(Conflict);
                }
                assert_eq!(rotation.family, self.family().id);
                self.past.push((self.family().clone(), self.notes.clone()));
                let family = &mut self.loaded.family;
                family.generation = rotation.to;
                family.epoch = rotation.epoch;
                family.kid = rotation.kid;
                family.rotated_at = rotation.at;
                family.expires_at = rotation.expires_at;
                family.confirmed = false;
                let seal = Seal { kid: rotation.kid, epoch: rotation.epoch };
                let text = self.seal(seal, rotation.to);
                for generation in self.notes.generation..=token.generation {
                    self.notes.used_up.insert(generation, self.now);
                }
                self.notes.generation = token.generation + 1;
                self.notes.newest.clone_from(&text);
                self.notes.is_newest_used = false;
                Ok(Some(text))
            }
            Decision::Keep { confirm, .. } => {
                if *confirm {
                    if self.family().generation != token.generation || is_over {
                        return Err(Conflict);
                    }
                    self.loaded.family.confirmed = true;
                }
                self.notes.is_newest_used = true;
                Ok(seal_refresh(self.keys(), token, &self.client.id))
            }
            Decision::Retry { seal, generation, .. } => Ok(Some(self.seal(*seal, *generation))),
            Decision::Refuse(_) | Decision::Wait => Ok(None),
            Decision::Revoke { reason, .. } => {
                self.revoke(*reason);
                Ok(None)
            }
        }
    }

    fn seal(&mut self, seal: Seal, generation: u32) -> String {
        let token = RefreshToken {
            kid: seal.kid,
            epoch: seal.epoch,
            family: self.family().id,
            secret: FamilySecret::new([8; 16]),
            generation,
        };
        let text = seal_refresh(self.keys(), &token, &self.client.id).unwrap();
        if self.issued.iter().all(|issued| issued.text != text) {
            self.issued.push(Issued { text: text.clone(), token });
        }
        text
    }

    /// A token that was never handed out, made by someone who has the key.
    pub(crate) fn forge(&self, generation: u32, secret: FamilySecret) -> RefreshToken {
        let (kid, epoch, family) = (self.active_kid, self.epoch, self.family().id);
        RefreshToken { kid, epoch, family, secret, generation }
    }

    pub(crate) fn revoke(&mut self, reason: RevokeReason) {
        let now = self.now;
        self.loaded.family.revoked.get_or_insert((now, reason));
    }

    pub(crate) fn wait(&mut self, millis: i64) {
        self.now = Timestamp::from_millis(self.now.as_millis() + millis);
    }

    /// The user's rights change: who holds the predecessor must not get the new ones.
    pub(crate) fn change_rights(&mut self) {
        self.loaded.family.grace_floor = self.family().generation;
    }

    /// The store loses its last rotations, and its epoch rises. What ended the family and what
    /// changed its rights is not lost: such writes wait for every copy.
    pub(crate) fn fail_over(&mut self, lost: usize) {
        self.epoch += 1;
        let lost = lost.min(self.past.len());
        if lost > 0 {
            let (family, notes) = self.past.swap_remove(self.past.len() - lost);
            self.past.truncate(self.past.len() - (lost - 1));
            let Family { revoked, grace_floor, .. } = *self.family();
            self.loaded.family = Family { revoked, grace_floor, ..family };
            self.notes = notes;
        }
    }
}

/// The access token that a decision gives.
pub(crate) fn access(decision: &Decision) -> Option<&Access> {
    match decision {
        Decision::Rotate { access, .. }
        | Decision::Keep { access, .. }
        | Decision::Retry { access, .. } => Some(access),
        Decision::Refuse(_) | Decision::Revoke { .. } | Decision::Wait => None,
    }
}

/// Any grace that a policy may have; often none.
pub(crate) fn any_grace() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        3 => (1..=600u64).prop_map(Duration::from_secs),
    ]
}

/// Any policy with lifetimes that a history of some days can outlive.
pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    let lifetimes = (60..100_000u64, 3_600..200_000u64, 0..400_000u64);
    let on_reuse = prop_oneof![2 => Just(OnReuse::RevokeFamily), 1 => Just(OnReuse::Deny)];
    let switches = (prop::bool::weighted(0.7), any::<bool>(), any::<bool>());
    (lifetimes, any_grace(), on_reuse, switches).prop_map(
        |((access, refresh, more), grace_period, on_reuse, (renew, extend, revoke))| Policy {
            access_token_lifetime: Duration::from_secs(access),
            refresh_token_lifetime: Duration::from_secs(refresh),
            renew_refresh_token: renew,
            extend_on_renewal: extend,
            refresh_token_max_lifetime: MaxLifetime::Of(Duration::from_secs(refresh + more)),
            grace_period,
            on_reuse,
            revoke_access_token_on_refresh: revoke,
        },
    )
}

/// A policy under which nothing ends by itself.
pub(crate) fn lasting(grace_period: Duration, on_reuse: OnReuse) -> Policy {
    let years = Duration::from_hours(24 * 3650);
    Policy {
        refresh_token_lifetime: years,
        refresh_token_max_lifetime: MaxLifetime::Of(years),
        grace_period,
        on_reuse,
        ..Policy::default()
    }
}
