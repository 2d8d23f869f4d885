//! An honest client that retries within grace is never logged out.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use remint_protocol::policy::{MaxLifetime, OnReuse, Policy};

use super::config;
use super::world::{Ask, World};
use crate::backend::{Place, on_every_backend_by_hand};

/// What the client and the world around it do while nobody steals.
#[derive(Clone, Debug)]
enum Event {
    /// It refreshes; the answer may get lost, and then it keeps its token.
    Refresh {
        is_lost: bool,
    },
    /// Two of its windows refresh at once; either answer may be the one that it keeps.
    RefreshTwice {
        keeps: usize,
    },
    Wait(i64),
    Renew(bool),
    RollKeys(u8),
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => any::<bool>().prop_map(|is_lost| Event::Refresh { is_lost }),
        4 => (0..2usize).prop_map(|keeps| Event::RefreshTwice { keeps }),
        5 => prop_oneof![0..600_000i64, 0..172_800_000i64].prop_map(Event::Wait),
        1 => any::<bool>().prop_map(Event::Renew),
        2 => (1..4u8).prop_map(Event::RollKeys),
        1 => Just(Event::Restart),
    ]
}

async fn live(place: &Place, grace_period: Duration, history: Vec<Event>) {
    let years = Duration::from_hours(24 * 3_650);
    let policy = Policy {
        refresh_token_lifetime: years,
        refresh_token_max_lifetime: MaxLifetime::Of(years),
        grace_period,
        on_reuse: OnReuse::RevokeFamily,
        ..Policy::default()
    };
    let mut world = World::new(place, policy).await;
    let mut hand = world.issued(0).clone();
    for event in history {
        match event {
            Event::Refresh { is_lost } => {
                let answer = world.present(&hand, &Ask::default()).await;
                let token = answer.refresh.expect("an honest client was logged out");
                if !is_lost {
                    hand = token;
                }
            }
            Event::RefreshTwice { keeps } => {
                let answers = world.race([&hand, &hand]).await;
                let tokens = answers.map(|a| a.refresh.expect("an honest client was logged out"));
                assert_eq!(tokens[0], tokens[1], "two windows got different tokens");
                hand = tokens[keeps].clone();
            }
            Event::Wait(millis) => {
                // It holds the predecessor where an answer was lost, and retries in time.
                let owes_retry = hand.generation < world.family.generation;
                let end = world.family.rotated_at.after(grace_period).as_millis();
                let left = end - 1 - world.now.as_millis();
                world.wait(if owes_retry { millis.min(left) } else { millis });
            }
            Event::Renew(renew) => world.policy.renew_refresh_token = renew,
            Event::RollKeys(kid) => world.seal.kid = kid,
            Event::Restart => world.restart().await,
        }
        world.check_state().await;
    }
}

#[test]
fn an_honest_client_that_retries_within_grace_is_never_logged_out() {
    let grace = (1..=600u64).prop_map(Duration::from_secs);
    let history = prop::collection::vec(any_event(), 1..40);
    let strategy = (grace, history);
    on_every_backend_by_hand(|place, runtime| {
        let outcome = TestRunner::new(config(&place)).run(&strategy, |(grace, history)| {
            runtime.block_on(live(&place, grace, history));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
    });
}
