//! A thief copies the honest client's refresh token and competes with it for the family.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use remint_protocol::policy::OnReuse;
use remint_protocol::refresh::Case;

use crate::model::{Ask, World, any_grace, lasting};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    Honest,
    Thief,
}

#[derive(Clone, Debug)]
enum Move {
    /// The thief copies what the honest client holds.
    Steal,
    Present(Party),
    /// The store loses its last rotations.
    FailOver {
        lost: usize,
    },
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => Just(Move::Steal),
        5 => Just(Move::Present(Party::Honest)),
        5 => Just(Move::Present(Party::Thief)),
    ]
}

fn any_move_or_failover() -> impl Strategy<Value = Move> {
    prop_oneof![9 => any_move(), 1 => (0..4usize).prop_map(|lost| Move::FailOver { lost })]
}

fn any_reaction() -> impl Strategy<Value = OnReuse> {
    prop_oneof![3 => Just(OnReuse::RevokeFamily), 1 => Just(OnReuse::Deny)]
}

/// What one party holds, and the step at which the family gave it out. A failover makes that
/// unknown: the store has forgotten an unknown part of the story.
#[derive(Clone)]
struct Hand {
    text: String,
    since: Option<usize>,
}

/// Both parties and their tokens, every present further from the last one than grace reaches.
struct Contest {
    world: World,
    honest: Hand,
    thief: Hand,
    /// When either of them was last served.
    served: usize,
}

impl Contest {
    fn new(grace: Duration, on_reuse: OnReuse) -> Self {
        let world = World::new(lasting(grace, on_reuse));
        let hand = Hand { text: world.notes.newest.clone(), since: Some(0) };
        Self { world, honest: hand.clone(), thief: hand, served: 0 }
    }

    fn hand(&mut self, party: Party) -> &mut Hand {
        match party {
            Party::Honest => &mut self.honest,
            Party::Thief => &mut self.thief,
        }
    }

    fn present(&mut self, party: Party, step: usize) {
        let grace = self.world.policy.grace_period.as_millis();
        self.world.wait(i64::try_from(grace).unwrap());
        let was_alive = self.world.family().revoked.is_none();
        let Hand { text, since } = self.hand(party).clone();
        let answer = self.world.present(&text, Ask::default());
        let is_overtaken = since.is_some_and(|since| since < self.served);
        if is_overtaken {
            assert_eq!(answer.refresh, None, "{party:?} got a token for one that was used up");
            assert!(!was_alive || answer.decision.case() == Case::Reuse, "nobody noticed");
            if self.world.policy.on_reuse == OnReuse::RevokeFamily {
                assert!(self.world.family().revoked.is_some(), "the family outlived its theft");
            }
        } else if was_alive && since.is_some() {
            assert!(answer.refresh.is_some(), "{party:?} was refused and did no wrong");
        }
        if let Some(text) = answer.refresh {
            *self.hand(party) = Hand { text, since: Some(step) };
            self.served = step;
        }
    }

    fn play(mut self, moves: Vec<Move>) {
        for (step, mv) in (1..).zip(moves) {
            match mv {
                Move::Steal => self.thief = self.honest.clone(),
                Move::Present(party) => self.present(party, step),
                Move::FailOver { lost } => {
                    self.world.fail_over(lost);
                    (self.honest.since, self.thief.since) = (None, None);
                }
            }
        }
    }
}

fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn of_two_holders_the_second_to_present_is_found_out_at_once(
        grace in any_grace(), on_reuse in any_reaction(),
        moves in prop::collection::vec(any_move(), 1..30),
    ) {
        Contest::new(grace, on_reuse).play(moves);
    }

    #[test]
    fn a_failover_delays_the_discovery_of_a_theft_by_one_present_of_each_at_most(
        grace in any_grace(), on_reuse in any_reaction(),
        moves in prop::collection::vec(any_move_or_failover(), 1..40),
    ) {
        Contest::new(grace, on_reuse).play(moves);
    }

    #[test]
    fn a_family_never_branches_however_fast_a_thief_is(
        grace in any_grace(), on_reuse in any_reaction(),
        moves in prop::collection::vec((any_move(), 0..700_000i64), 1..40),
    ) {
        let mut world = World::new(lasting(grace, on_reuse));
        let mut hands = [world.notes.newest.clone(), world.notes.newest.clone()];
        let mut texts = HashMap::new();
        for (mv, wait) in moves {
            match mv {
                Move::Present(party) => {
                    world.wait(wait);
                    let hand = &mut hands[party as usize];
                    if let Some(text) = world.present(hand, Ask::default()).refresh {
                        let generation = world.open(&text).generation;
                        let first = texts.entry(generation).or_insert_with(|| text.clone());
                        prop_assert_eq!(&text, first, "one generation has two tokens");
                        prop_assert_eq!(&text, &world.notes.newest);
                        *hand = text;
                    }
                }
                Move::Steal | Move::FailOver { .. } => hands[1] = hands[0].clone(),
            }
        }
    }
}
