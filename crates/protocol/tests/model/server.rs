//! The server of the model: the real `decide`, asked about a small row and a small token.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::time::Duration;

use remint_protocol::client::{Client, GrantType};
use remint_protocol::client_id::ClientId;
use remint_protocol::ends::{Ends, LastEnd};
use remint_protocol::family::{Family, Loaded, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_protocol::grant::{Issuing, NewFamilyIds, Seal};
use remint_protocol::password::{Extent, VerifiedUser, start_family};
use remint_protocol::policy::{MaxLifetime, OnReuse, Policy};
use remint_protocol::refresh::{Decision, Request, decide};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::FamilySecret;
use remint_protocol::time::Timestamp;
use remint_protocol::token::RefreshToken;
use remint_protocol::user::{UserId, UserStanding};

use crate::explore::Fnv;

/// Time goes by in steps of half a grace period.
const TICK: Duration = Duration::from_secs(30);
const TODAY: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// The number of ends when the family began, in the first epoch.
const BORN: Ends = Ends::new(1 << 32);
const SECRET: FamilySecret = FamilySecret::new([2; 16]);

/// A refresh token: what tells one from another within a family. Sealing is deterministic, so two
/// tokens that agree here have the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) generation: u8,
    pub(crate) epoch: u8,
    pub(crate) kid: u8,
}

/// A family's row, as far as renewals change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) newest: Token,
    /// Ticks since the last renewal.
    pub(crate) age: u8,
    pub(crate) confirmed: bool,
    pub(crate) revoked: bool,
}

/// All that a decision depends on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) presented: Token,
    pub(crate) row: Row,
    /// The store's epoch, read together with the row.
    pub(crate) epoch: u8,
    /// The key that seals on the node that decides.
    pub(crate) kid: u8,
    /// Ticks since the request arrived, which is when it reads the clock.
    pub(crate) age: u8,
    /// Whether renewal is on.
    pub(crate) renews: bool,
}

/// A decision, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Rotate {
        from: u8,
        successor: Token,
    },
    Keep {
        confirm: bool,
    },
    Retry(Token),
    Refuse,
    /// `seen` is the generation that the row must still have, where that is part of the guard.
    Revoke {
        seen: Option<u8>,
    },
}

/// One server, or any number of them: they hold nothing but what is configured.
pub(crate) struct Server {
    client: Client,
    policy: Policy,
    family: Family,
    /// Decisions are pure, so each question is asked once.
    decided: RefCell<HashMap<Question, Verdict, BuildHasherDefault<Fnv>>>,
    rows: RefCell<BTreeSet<&'static str>>,
}

impl Server {
    /// `grace` in ticks.
    pub(crate) fn new(grace: u8) -> Self {
        let client = Client {
            grants: GrantType::ALL.to_vec(),
            ..Client::new(ClientId::parse("shop").unwrap(), Timestamp::default())
        };
        let policy = Policy {
            refresh_token_max_lifetime: MaxLifetime::Endless,
            grace_period: TICK * u32::from(grace),
            on_reuse: OnReuse::RevokeFamily,
            ..Policy::default()
        };
        let fresh = NewFamilyIds { id: FamilyId([1; 16]), secret: SECRET };
        let extent = Extent { scope: Scope::default(), resources: Resources::default() };
        let issuing = Issuing { policy: &policy, seal: Seal { kid: 1, epoch: 1 }, now: TODAY };
        let (mut family, _) = start_family(
            &client,
            VerifiedUser { id: UserId([3; 16]), ends: BORN, at: TODAY },
            extent,
            &fresh,
            issuing,
        );
        family.born = BORN;
        let (decided, rows) = (RefCell::default(), RefCell::default());
        Self { client, policy, family, decided, rows }
    }

    /// The rows of the decision table that were reached.
    pub(crate) fn rows(&self) -> Vec<&'static str> {
        self.rows.borrow().iter().copied().collect()
    }

    pub(crate) fn decide(&self, question: Question) -> Verdict {
        if let Some(verdict) = self.decided.borrow().get(&question) {
            return *verdict;
        }
        let verdict = self.ask(question);
        self.decided.borrow_mut().insert(question, verdict);
        verdict
    }

    fn ask(&self, question: Question) -> Verdict {
        let Question { presented, row, epoch, kid, age, renews } = question;
        let ago = |ticks: u8| TODAY.before(TICK * u32::from(ticks));
        let family = Family {
            generation: row.newest.generation.into(),
            epoch: row.newest.epoch.into(),
            kid: row.newest.kid,
            rotated_at: ago(row.age),
            confirmed: row.confirmed,
            revoked: row.revoked.then_some((TODAY, RevokeReason::Reuse)),
            ..self.family.clone()
        };
        let user = Some(UserStanding { enabled: true, ended: LastEnd::default() });
        let client = Some(LastEnd::default());
        let loaded = Loaded { family, user, client, epoch: epoch.into() };
        let token = RefreshToken {
            kid: presented.kid,
            epoch: presented.epoch.into(),
            family: self.family.id,
            secret: SECRET,
            generation: presented.generation.into(),
        };
        let request = Request { token: &token, scope: None, resources: None };
        let policy = Policy { renew_refresh_token: renews, ..self.policy.clone() };
        let decision = decide(&request, Some(&loaded), &self.client, &policy, kid, ago(age));
        // What a request asks for never decides before the generation does: whoever presents a token that is not
        // answered learns the same, and ends the same, with a scope that was never granted.
        let wide = Request { scope: Some(Scope::parse("never").unwrap()), ..request.clone() };
        let asked = decide(&wide, Some(&loaded), &self.client, &policy, kid, ago(age));
        match &decision {
            Decision::Rotate { .. } | Decision::Keep { .. } | Decision::Retry { .. } => {
                assert_eq!(asked.case(), remint_protocol::refresh::Case::Denied, "{asked:?}");
            }
            Decision::Refuse(_) | Decision::Revoke { .. } | Decision::Wait => {
                assert_eq!(asked, decision);
            }
        }
        self.rows.borrow_mut().insert(decision.case().name());
        if let Decision::Rotate { rotation, .. } = &decision {
            let made = (rotation.at, rotation.kid, u16::from(epoch));
            assert_eq!(made, (ago(age), kid, rotation.epoch), "sealed now, dated on arrival");
        }
        verdict(&decision, row)
    }
}

fn verdict(decision: &Decision, row: Row) -> Verdict {
    let small = |number: u32| u8::try_from(number).unwrap();
    let token = |seal: Seal, generation| Token {
        generation: small(generation),
        epoch: small(seal.epoch.into()),
        kid: seal.kid,
    };
    match decision {
        Decision::Rotate { rotation, .. } => Verdict::Rotate {
            from: small(rotation.from),
            successor: token(Seal { kid: rotation.kid, epoch: rotation.epoch }, rotation.to),
        },
        Decision::Keep { confirm, .. } => Verdict::Keep { confirm: *confirm },
        Decision::Retry { seal, generation, .. } => Verdict::Retry(token(*seal, *generation)),
        Decision::Refuse(_) | Decision::Wait => Verdict::Refuse,
        Decision::Revoke { reason, .. } => Verdict::Revoke {
            seen: (*reason == RevokeReason::Forgery).then_some(row.newest.generation),
        },
    }
}
