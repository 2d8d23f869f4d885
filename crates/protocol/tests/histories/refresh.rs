//! Anything may happen to a family, in any order.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use remint_protocol::client::GrantType;
use remint_protocol::ends::LastEnd;
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::policy::{OnReuse, Policy};
use remint_protocol::refresh::{Case, Decision};
use remint_protocol::secret::FamilySecret;
use remint_protocol::time::Timestamp;
use remint_protocol::token::RefreshToken;

use crate::model::{
    AFTER, Answer, Ask, Bits, GRANTED, KEYS, World, access, any_grace, any_policy, bits, lasting,
    resources, scope,
};

#[derive(Clone, Debug)]
enum Event {
    /// Somebody presents a token, counted from the one that was handed out last.
    Present {
        back: usize,
        ask: Ask,
    },
    /// Two requests present the same token at once.
    PresentTwice {
        back: usize,
    },
    /// Somebody who has the key presents a token that was never handed out.
    Forge {
        ahead: u32,
        knows_secret: bool,
    },
    /// Time goes by; a promoted node's clock may be behind.
    Wait(i64),
    Revoke,
    EnableUser(bool),
    DeleteUser,
    SignOutEverywhere,
    EndSessionsOfClient,
    Register {
        scope: Bits,
        resources: Bits,
    },
    RegisterRefresh(bool),
    SetPolicy(Policy),
    ChangeRights,
    RollKeys(u8),
    FailOver {
        lost: usize,
    },
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let some = || {
        prop_oneof![
            3 => Just(None),
            2 => (0..=GRANTED).prop_map(Some),
            1 => (0..16u8).prop_map(Some),
        ]
    };
    (some(), some()).prop_map(|(scope, resources)| Ask { scope, resources })
}

fn any_wait() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..2_000i64, 4 => 0..600_000i64, 1 => 0..172_800_000i64, 1 => -100_000..0i64]
}

fn any_event() -> impl Strategy<Value = Event> {
    let registered = || prop_oneof![2 => Just(0b1111), 1 => 0..16u8];
    prop_oneof![
        24 => (0..3usize, any_ask()).prop_map(|(back, ask)| Event::Present { back, ask }),
        4 => (0..40usize, any_ask()).prop_map(|(back, ask)| Event::Present { back, ask }),
        4 => (0..3usize).prop_map(|back| Event::PresentTwice { back }),
        1 => (1..4u32, any::<bool>())
            .prop_map(|(ahead, knows_secret)| Event::Forge { ahead, knows_secret }),
        12 => any_wait().prop_map(Event::Wait),
        1 => Just(Event::Revoke),
        2 => prop::bool::weighted(0.8).prop_map(Event::EnableUser),
        1 => prop_oneof![
            Just(Event::DeleteUser),
            Just(Event::SignOutEverywhere),
            Just(Event::EndSessionsOfClient),
        ],
        2 => (registered(), registered())
            .prop_map(|(scope, resources)| Event::Register { scope, resources }),
        1 => prop::bool::weighted(0.8).prop_map(Event::RegisterRefresh),
        4 => any_policy().prop_map(Event::SetPolicy),
        3 => Just(Event::ChangeRights),
        2 => (1..=KEYS).prop_map(Event::RollKeys),
        3 => (0..4usize).prop_map(|lost| Event::FailOver { lost }),
    ]
}

fn any_history() -> impl Strategy<Value = (Policy, Vec<Event>)> {
    (any_policy(), prop::collection::vec(any_event(), 1..60))
}

/// Lets a history happen and checks the laws at each step. Gives the rows of the table that it saw.
fn live((policy, history): (Policy, Vec<Event>)) -> HashSet<Case> {
    let mut world = World::new(policy);
    let mut rows = HashSet::new();
    for event in history {
        happen(&mut world, event, &mut rows);
        check_state(&world);
    }
    rows
}

fn happen(world: &mut World, event: Event, rows: &mut HashSet<Case>) {
    match event {
        Event::Present { back, ask } => {
            let token = world.issued(back).token.clone();
            check_decision(world, &token, ask, &world.decide(&token, ask));
            let (text, before) = (world.issued(back).text.clone(), Before::of(world));
            let answer = world.present(&text, ask);
            rows.insert(answer.decision.case());
            before.check_writing(world, &text, &answer);
        }
        Event::PresentTwice { back } => {
            let (text, before) = (world.issued(back).text.clone(), Before::of(world));
            for answer in world.present_twice_at_once(&text) {
                rows.insert(answer.decision.case());
            }
            check_immutable(&before.family, world.family());
        }
        Event::Forge { ahead, knows_secret } => {
            let secret = FamilySecret::new([if knows_secret { 8 } else { 1 }; 16]);
            let token = world.forge(world.notes.generation + ahead, secret);
            let decision = world.decide(&token, Ask::default());
            rows.insert(decision.case());
            assert_eq!(access(&decision), None, "a forged token gives nothing");
            if knows_secret {
                check_decision(world, &token, Ask::default(), &decision);
            } else {
                let is_refused = matches!(decision, Decision::Refuse(_));
                assert!(is_refused, "who does not know the secret can not end a family");
            }
            if let Decision::Revoke { reason, .. } = decision {
                world.revoke(reason);
            }
        }
        Event::Wait(millis) => world.wait(millis),
        Event::Revoke => world.revoke(RevokeReason::Operator),
        Event::EnableUser(enabled) => {
            if let Some(user) = &mut world.loaded.user {
                user.enabled = enabled;
            }
        }
        Event::DeleteUser => world.loaded.user = None,
        Event::SignOutEverywhere => {
            if let Some(user) = &mut world.loaded.user {
                user.ended = LastEnd { number: AFTER, at: world.now };
            }
        }
        Event::EndSessionsOfClient => {
            world.loaded.client = Some(LastEnd { number: AFTER, at: world.now });
        }
        Event::Register { scope: words, resources: uris } => {
            world.client.scope = scope(words);
            world.client.resources = resources(uris);
        }
        Event::RegisterRefresh(registered) => {
            world.client.grants = vec![GrantType::Password];
            world.client.grants.extend(registered.then_some(GrantType::RefreshToken));
        }
        Event::SetPolicy(policy) => world.policy = policy,
        Event::ChangeRights => world.change_rights(),
        Event::RollKeys(kid) => world.active_kid = kid,
        Event::FailOver { lost } => world.fail_over(lost),
    }
}

/// Laws of every state: what would be decided about each token that was ever handed out.
fn check_state(world: &World) {
    let mut live = BTreeSet::new();
    for issued in &world.issued {
        let decision = world.decide(&issued.token, Ask::default());
        check_decision(world, &issued.token, Ask::default(), &decision);
        if access(&decision).is_some() && issued.token.generation <= world.notes.generation {
            live.insert(issued.token.generation);
        }
    }
    let newest = world.notes.generation;
    let with_grace = !world.policy.grace_period.is_zero()
        && live == BTreeSet::from([newest.saturating_sub(1), newest]);
    assert!(
        live.is_empty() || live == BTreeSet::from([newest]) || with_grace,
        "besides the newest generation {newest} only its predecessor may live: {live:?}"
    );
}

/// How a token stands to what was handed out and used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Newest,
    /// Its use was answered a moment ago, and the answer was never used.
    Retried,
    Stale,
    UsedUp,
    /// Ahead of the store, which has lost something since it was handed out.
    Ahead,
    NeverIssued,
}

fn standing(world: &World, token: &RefreshToken) -> Standing {
    let notes = &world.notes;
    if token.generation == notes.generation {
        return Standing::Newest;
    }
    let Some(used_at) = notes.used_up.get(&token.generation) else {
        let before_failover = token.epoch < world.epoch;
        return if before_failover { Standing::Ahead } else { Standing::NeverIssued };
    };
    let is_predecessor = token.generation + 1 == notes.generation;
    let age = (world.now.as_millis() - used_at.as_millis()).abs();
    let is_within_grace = i128::from(age) < world.policy.grace_period.as_millis().cast_signed();
    if is_predecessor && token.generation < world.family().grace_floor {
        Standing::Stale
    } else if is_predecessor && is_within_grace && !notes.is_newest_used {
        Standing::Retried
    } else {
        Standing::UsedUp
    }
}

fn is_alive(world: &World) -> bool {
    let family = world.family();
    family.revoked.is_none()
        && world.now < family.expires_at
        && world.now < family.max_expires_at
        && world.loaded.user.is_some_and(|user| user.enabled && user.ended.number < AFTER)
        && world.loaded.client.is_some_and(|ended| ended.number < AFTER)
}

/// What the client may get out of the grant today.
fn registered(world: &World) -> (Bits, Bits) {
    (GRANTED & bits(world.client.scope.iter()), GRANTED & bits(world.client.resources.iter()))
}

fn is_sound(world: &World, ask: Ask) -> bool {
    let exceeds = |asked: Option<Bits>, allowed: Bits| asked.unwrap_or(0) & !allowed != 0;
    let (scope, resources) = registered(world);
    let asked = ask.scope.unwrap_or(GRANTED);
    !exceeds(ask.scope, GRANTED)
        && (asked == 0 || asked & scope != 0)
        && !exceeds(ask.resources, resources)
}

/// Laws of every decision, told from the notes.
fn check_decision(world: &World, token: &RefreshToken, ask: Ask, decision: &Decision) {
    let standing = standing(world, token);
    let (row, policy) = (decision.case(), &world.policy);
    if !is_alive(world) {
        assert!(matches!(decision, Decision::Refuse(_)), "a dead family: {decision:?}");
        return;
    }
    if !world.client.may_use(GrantType::RefreshToken) {
        assert!(matches!(decision, Decision::Refuse(_)), "no such grant: {decision:?}");
        assert_eq!(row, Case::Denied);
        return;
    }
    let is_answered =
        |row| matches!(row, Case::Current | Case::Kept | Case::Retry | Case::LostCommit);
    let expected = match standing {
        Standing::Newest if policy.renew_refresh_token => Case::Current,
        Standing::Newest => Case::Kept,
        Standing::Retried => Case::Retry,
        Standing::Stale => Case::StaleRights,
        Standing::UsedUp => Case::Reuse,
        Standing::Ahead => Case::LostCommit,
        Standing::NeverIssued => Case::Forgery,
    };
    // Whatever it asks for: a token that is not answered is judged by its generation alone.
    if is_answered(expected) && !is_sound(world, ask) {
        assert!(matches!(decision, Decision::Refuse(_)), "asks for too much: {decision:?}");
        assert_eq!(row, Case::Denied);
        return;
    }
    assert_eq!(row, expected, "a token that is {standing:?}");
    let ends = matches!(decision, Decision::Revoke { .. });
    let must_end = match standing {
        Standing::UsedUp => policy.on_reuse == OnReuse::RevokeFamily,
        Standing::NeverIssued => true,
        _ => false,
    };
    assert_eq!(ends, must_end, "whether a token that is {standing:?} ends the family");
    check_access(world, ask, decision);
    check_rotation(world, token, decision);
}

fn check_access(world: &World, ask: Ask, decision: &Decision) {
    let Some(access) = access(decision) else { return };
    let family = world.family();
    let (scope, resources) = registered(world);
    let given = (bits(access.scope.iter()), bits(access.resources.iter()));
    let due = (ask.scope.unwrap_or(GRANTED) & scope, ask.resources.unwrap_or(resources));
    assert_eq!(given, due, "scope and resources: no more and no less than asked for and allowed");
    assert!(access.expires_at <= family.max_expires_at, "it outlives the authorization");
    assert!(access.expires_at <= world.now.after(world.policy.access_token_lifetime));
    assert!(access.expires_at > world.now, "it is dead at birth");
    assert_eq!((access.user_id, access.family), (family.user_id, family.id));
}

fn check_rotation(world: &World, token: &RefreshToken, decision: &Decision) {
    let Decision::Rotate { rotation, access, .. } = decision else { return };
    let family = world.family();
    assert_eq!((rotation.family, rotation.from), (family.id, family.generation));
    assert_eq!(rotation.to, token.generation + 1);
    assert_eq!(access.generation, rotation.to);
    assert_eq!((rotation.kid, rotation.epoch), (world.active_kid, world.epoch));
    assert_eq!(rotation.at, world.now);
    assert!(rotation.expires_at <= family.max_expires_at, "it outlives the authorization");
    if !world.policy.extend_on_renewal {
        assert_eq!(rotation.expires_at, family.expires_at, "the expiry is inherited");
    }
}

/// What there was before a token was presented.
struct Before {
    family: Family,
    newest: String,
    issued: Vec<String>,
}

impl Before {
    fn of(world: &World) -> Self {
        Self {
            family: world.family().clone(),
            newest: world.notes.newest.clone(),
            issued: world.issued.iter().map(|issued| issued.text.clone()).collect(),
        }
    }

    /// Laws of what is written and what is handed out.
    fn check_writing(&self, world: &World, presented: &str, answer: &Answer) {
        let (before, after) = (&self.family, world.family());
        check_immutable(before, after);
        let refresh = answer.refresh.as_deref();
        match &answer.decision {
            Decision::Rotate { .. } => {
                let text = refresh.unwrap();
                assert!(!self.issued.iter().any(|t| t == text), "a new token was seen before");
                assert_eq!(world.open(text).generation, after.generation);
            }
            Decision::Keep { .. } => {
                assert_eq!(refresh, Some(presented), "the token is the same");
                let confirmed = Family { confirmed: after.confirmed, ..before.clone() };
                assert_eq!(after, &confirmed, "nothing changes but what is confirmed");
            }
            Decision::Retry { .. } => {
                assert_eq!(refresh, Some(&*self.newest), "a retry gives the same bytes");
                assert_eq!(after, before, "a retry writes nothing");
            }
            Decision::Refuse(_) | Decision::Wait => {
                assert_eq!(refresh, None);
                assert_eq!(after, before, "a refused request writes nothing");
            }
            Decision::Revoke { reason, .. } => {
                assert_eq!(refresh, None);
                let revoked = Some((world.now, *reason));
                assert_eq!(after, &Family { revoked, ..before.clone() });
            }
        }
    }
}

fn check_immutable(before: &Family, after: &Family) {
    let immutable = |f: &Family| {
        let Family { id, secret_hash, client_id, user_id, scope, resources, .. } = f.clone();
        let Family { auth_time, created_at, max_expires_at, .. } = *f;
        let grant = (client_id, user_id, scope, resources);
        (id, secret_hash, grant, (auth_time, created_at, max_expires_at))
    };
    assert_eq!(immutable(before), immutable(after), "what never changes has changed");
    assert!(after.revoked.is_some() || before.revoked.is_none(), "a family came back to life");
    assert!(after.generation >= before.generation, "a generation came back");
}

/// What an honest client and the world around it do while nobody steals.
#[derive(Clone, Debug)]
enum Peaceful {
    /// It refreshes; the answer may get lost, and then it keeps its token.
    Refresh {
        is_lost: bool,
        ask: Ask,
    },
    /// Two of its windows refresh at once; either answer may be the one that it keeps.
    RefreshTwice {
        keeps: usize,
    },
    Wait(i64),
    SetGrace(Duration),
    Renew(bool),
    Extend(bool),
    ChangeRights,
    RollKeys(u8),
    FailOver {
        lost: usize,
    },
}

fn any_peaceful() -> impl Strategy<Value = Peaceful> {
    let ask = (prop::option::of(0..=GRANTED), prop::option::of(0..=GRANTED))
        .prop_map(|(scope, resources)| Ask { scope, resources });
    let grace = (1..=600u64).prop_map(Duration::from_secs);
    prop_oneof![
        12 => (any::<bool>(), ask).prop_map(|(is_lost, ask)| Peaceful::Refresh { is_lost, ask }),
        3 => (0..2usize).prop_map(|keeps| Peaceful::RefreshTwice { keeps }),
        6 => prop_oneof![0..600_000i64, 0..172_800_000i64].prop_map(Peaceful::Wait),
        1 => grace.prop_map(Peaceful::SetGrace),
        1 => any::<bool>().prop_map(Peaceful::Renew),
        1 => any::<bool>().prop_map(Peaceful::Extend),
        1 => Just(Peaceful::ChangeRights),
        2 => (1..=KEYS).prop_map(Peaceful::RollKeys),
        3 => (0..4usize).prop_map(|lost| Peaceful::FailOver { lost }),
    ]
}

/// The history of an honest client, which retries within grace when it got no answer.
fn live_peacefully(grace: Duration, history: Vec<Peaceful>) {
    let mut world = World::new(lasting(grace, OnReuse::RevokeFamily));
    let mut hand = world.notes.newest.clone();
    for event in history {
        // It holds the predecessor where an answer was lost and its commit was not.
        let owes_retry = world.open(&hand).generation < world.notes.generation;
        match event {
            Peaceful::Refresh { is_lost, ask } => {
                let answer = world.present(&hand, ask);
                let text = answer.refresh.expect("an honest client was logged out");
                if !is_lost {
                    hand = text;
                }
            }
            Peaceful::RefreshTwice { keeps } => {
                let answers = world.present_twice_at_once(&hand);
                let texts = answers.map(|a| a.refresh.expect("an honest client was logged out"));
                assert_eq!(texts[0], texts[1], "two windows got different tokens");
                hand.clone_from(&texts[keeps]);
            }
            Peaceful::Wait(millis) => {
                let end = world.family().rotated_at.after(world.policy.grace_period).as_millis();
                let left = end - 1 - world.now.as_millis();
                world.wait(if owes_retry { millis.min(left) } else { millis });
            }
            Peaceful::SetGrace(_) | Peaceful::ChangeRights if owes_retry => {}
            Peaceful::SetGrace(grace) => world.policy.grace_period = grace,
            Peaceful::ChangeRights => world.change_rights(),
            Peaceful::Renew(renew) => world.policy.renew_refresh_token = renew,
            Peaceful::Extend(extend) => world.policy.extend_on_renewal = extend,
            Peaceful::RollKeys(kid) => world.active_kid = kid,
            Peaceful::FailOver { lost } => world.fail_over(lost),
        }
    }
}

/// `PROPTEST_CASES` scales every property here.
fn config(share: u32) -> Config {
    let cases = Config::default().cases;
    Config { cases: cases * share / 4, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn every_answer_follows_from_what_was_handed_out_and_used_before(history in any_history()) {
        live(history);
    }

    #[test]
    fn an_honest_client_that_retries_within_grace_is_never_logged_out(
        grace in (1..=600u64).prop_map(Duration::from_secs),
        history in prop::collection::vec(any_peaceful(), 1..60),
    ) {
        live_peacefully(grace, history);
    }

    #[test]
    fn of_two_requests_at_once_one_wins_and_within_grace_the_other_gets_the_same(
        grace in any_grace(), before in 0..4usize, revoke in any::<bool>(),
    ) {
        let on_reuse = if revoke { OnReuse::RevokeFamily } else { OnReuse::Deny };
        let mut world = World::new(lasting(grace, on_reuse));
        for _ in 0..before {
            let newest = world.notes.newest.clone();
            assert!(world.present(&newest, Ask::default()).refresh.is_some());
        }
        let newest = world.notes.newest.clone();
        let [winner, loser] = world.present_twice_at_once(&newest);
        prop_assert_eq!(winner.decision.case(), Case::Current);
        prop_assert_eq!(world.notes.generation as usize, before + 1, "one renewal, not two");
        if grace.is_zero() {
            prop_assert_eq!(loser.decision.case(), Case::Reuse);
            prop_assert_eq!(loser.refresh, None);
            prop_assert_eq!(world.family().revoked.is_some(), revoke);
        } else {
            prop_assert_eq!(loser.decision.case(), Case::Retry);
            prop_assert_eq!(loser.refresh, winner.refresh);
        }
    }
}

/// Otherwise the laws above would hold of histories in which nothing happens.
#[test]
fn random_histories_reach_every_row_of_the_table() {
    let seen = RefCell::new(HashSet::new());
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let outcome = TestRunner::new_with_rng(config, rng).run(&any_history(), |history| {
        seen.borrow_mut().extend(live(history));
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    // Two are told before there is a row to decide about, and this store is never behind its tokens.
    let unseen: Vec<_> = Case::ALL
        .iter()
        .filter(|row| !matches!(row, Case::Garbage | Case::RollOut | Case::StaleStore))
        .filter(|row| !seen.borrow().contains(row))
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// An end of time that no clock reaches keeps the sums from wrapping.
#[test]
fn at_the_end_of_time_tokens_end_with_it() {
    let mut world = World::new(lasting(Duration::from_mins(1), OnReuse::RevokeFamily));
    let end = Timestamp::from_millis(i64::MAX);
    world.loaded.family.max_expires_at = end;
    world.loaded.family.expires_at = end;
    world.now = Timestamp::from_millis(i64::MAX - 1);
    let newest = world.notes.newest.clone();
    let answer = world.present(&newest, Ask::default());
    assert_eq!(access(&answer.decision).unwrap().expires_at, end);
    assert_eq!(world.family().expires_at, end);
}
