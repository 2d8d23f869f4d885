//! Random histories: the rules decide, the store remembers, and after each step the row is what a
//! model in memory says.
//!
//! The histories of the rules alone are tested in the crate of the rules, over more cases. Here the
//! laws are told once more from what the store gives back. Two rows of the decision table need what
//! no verb of the store does yet: a rising epoch and a rising floor of grace.

mod honest;
mod world;

use std::cell::RefCell;
use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use remint_protocol::client::{Client, GrantType};
use remint_protocol::family::RevokeReason;
use remint_protocol::policy::{OnReuse, Overrides, Policy};
use remint_protocol::refresh::Case;

use crate::backend::{Place, on_every_backend_by_hand};
use world::{Ask, World, any_grace, any_policy, words};

#[derive(Clone, Debug)]
enum Event {
    /// Somebody presents a token, counted from the one that was handed out last.
    Present {
        back: usize,
        ask: Ask,
    },
    /// Two requests present two tokens at once: both have read the row before either writes.
    Race {
        backs: [usize; 2],
    },
    /// A token that was never handed out is presented.
    Forge {
        ahead: u32,
    },
    Wait(i64),
    Revoke,
    EnableUser(bool),
    SetPassword,
    EndSessionsOfUser,
    EndSessionsOfClient,
    EndAllSessions,
    DeleteUser,
    Register {
        scope: u8,
        may_refresh: bool,
        enabled: bool,
    },
    Override(Overrides),
    SetPolicy(Policy),
    RollKeys(u8),
    /// The store is closed and opened again.
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    let wait = prop_oneof![4 => 0..2_000i64, 4 => 0..600_000i64, 1 => 0..172_800_000i64, 1 => -99_000..0i64];
    let scope = prop_oneof![2 => Just(0b111), 1 => 0..8u8];
    let overrides = prop::option::of((any_grace(), any::<bool>(), any::<bool>()));
    prop_oneof![
        20 => (0..2usize, any_ask()).prop_map(|(back, ask)| Event::Present { back, ask }),
        3 => (0..30usize, any_ask()).prop_map(|(back, ask)| Event::Present { back, ask }),
        5 => (0..3usize, 0..3usize).prop_map(|(a, b)| Event::Race { backs: [a, b] }),
        1 => (1..4u32).prop_map(|ahead| Event::Forge { ahead }),
        9 => wait.prop_map(Event::Wait),
        1 => Just(Event::Revoke),
        2 => prop::bool::weighted(0.8).prop_map(Event::EnableUser),
        1 => prop_oneof![
            Just(Event::SetPassword),
            Just(Event::EndSessionsOfUser),
            Just(Event::EndSessionsOfClient),
            Just(Event::EndAllSessions),
            Just(Event::DeleteUser),
        ],
        2 => (scope, prop::bool::weighted(0.8), any::<bool>()).prop_map(
            |(scope, may_refresh, enabled)| Event::Register { scope, may_refresh, enabled }
        ),
        2 => overrides.prop_map(|own| Event::Override(own.map_or_else(Overrides::default, depart))),
        3 => any_policy().prop_map(Event::SetPolicy),
        2 => (1..4u8).prop_map(Event::RollKeys),
        1 => Just(Event::Restart),
    ]
}

fn depart((grace, renew, deny): (std::time::Duration, bool, bool)) -> Overrides {
    Overrides {
        grace_period: Some(grace),
        renew_refresh_token: Some(renew),
        on_reuse: Some(if deny { OnReuse::Deny } else { OnReuse::RevokeFamily }),
        ..Overrides::default()
    }
}

fn any_ask() -> impl Strategy<Value = Ask> {
    prop_oneof![4 => Just(None), 2 => (0..4u8).prop_map(Some), 1 => (0..8u8).prop_map(Some)]
        .prop_map(|bits| Ask { scope: bits.map(words) })
}

fn any_history() -> impl Strategy<Value = (Policy, Vec<Event>)> {
    (any_policy(), prop::collection::vec(any_event(), 1..40))
}

/// Lets a history happen to a new family. Gives the rows of the table that it saw.
async fn live(place: &Place, (policy, history): (Policy, Vec<Event>)) -> HashSet<Case> {
    let mut world = World::new(place, policy).await;
    let mut rows = HashSet::new();
    for event in history {
        rows.extend(happen(&mut world, event).await);
        world.check_state().await;
    }
    rows
}

async fn happen(world: &mut World<'_>, event: Event) -> Vec<Case> {
    match event {
        Event::Present { back, ask } => {
            let token = world.issued(back).clone();
            return vec![world.present(&token, &ask).await.decision.case()];
        }
        Event::Race { backs } => {
            let tokens = backs.map(|back| world.issued(back).clone());
            let answers = world.race([&tokens[0], &tokens[1]]).await;
            return answers.iter().map(|answer| answer.decision.case()).collect();
        }
        Event::Forge { ahead } => {
            let token = world.forge(ahead);
            return vec![world.present(&token, &Ask::default()).await.decision.case()];
        }
        Event::Wait(millis) => world.wait(millis),
        Event::Revoke => world.revoke(RevokeReason::Operator).await,
        Event::EnableUser(enabled) => world.enable_user(enabled).await,
        Event::SetPassword => world.set_password().await,
        Event::EndSessionsOfUser => world.end_sessions_of_user().await,
        Event::EndSessionsOfClient => world.end_sessions_of_client(false).await,
        Event::EndAllSessions => world.end_sessions_of_client(true).await,
        Event::DeleteUser => world.delete_user().await,
        Event::Register { scope, may_refresh, enabled } => {
            let mut grants = vec![GrantType::Password];
            grants.extend(may_refresh.then_some(GrantType::RefreshToken));
            let client = Client { scope: words(scope), grants, enabled, ..world.client.clone() };
            world.update_client(client).await;
        }
        Event::Override(overrides) => {
            let client = Client { overrides, ..world.client.clone() };
            world.update_client(client).await;
        }
        Event::SetPolicy(policy) => world.policy = policy,
        Event::RollKeys(kid) => world.seal.kid = kid,
        Event::Restart => world.restart().await,
    }
    Vec::new()
}

/// `PROPTEST_CASES` scales it; most of the time goes into writing to the disk.
fn config(place: &Place) -> Config {
    let cases = Config::default().cases.div_ceil(if place.is_slow() { 20 } else { 5 });
    Config { cases, failure_persistence: None, ..Config::default() }
}

#[test]
fn after_any_history_the_store_holds_what_the_rules_decided() {
    on_every_backend_by_hand(|place, runtime| {
        let outcome = TestRunner::new(config(&place)).run(&any_history(), |history| {
            runtime.block_on(live(&place, history));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    });
}

/// Otherwise the laws would hold of histories in which nothing happens.
#[test]
fn histories_reach_every_row_of_the_table_that_the_store_can_bring_about() {
    let expected = HashSet::from([
        Case::Current,
        Case::Dead,
        Case::Denied,
        Case::Forgery,
        Case::Kept,
        Case::Retry,
        Case::Reuse,
    ]);
    on_every_backend_by_hand(|place, runtime| {
        let seen = RefCell::new(HashSet::new());
        let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
        let rng = TestRng::deterministic_rng(config.rng_algorithm);
        let outcome = TestRunner::new_with_rng(config, rng).run(&any_history(), |history| {
            if place.is_slow() && *seen.borrow() == expected {
                return Ok(());
            }
            seen.borrow_mut().extend(runtime.block_on(live(&place, history)));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(seen.into_inner(), expected);
    });
}
