//! What holds in every state. Each test also says which rows of the decision table it reached.

use crate::game::Game;
use crate::laws::{
    NobodyIsRefused, OneSuccessor, OverIsOver, ServedToBoth, TheftIsFound, UsedUpIsFound,
};
use crate::steps::May::{
    Crash, GiveUp, LoseAnswer, LoseAnswerOfLostCommit, Overtake, Parallel, RetryLate, Revoke,
    RollKey, Steal, SwitchRenewal,
};
use crate::steps::Setup;

/// With a grace period of 60 s and one failover that takes back up to three commits.
const GRACE: Setup = Setup {
    grace: 2,
    generations: 3,
    requests: 2,
    failovers: 1,
    loses: 3,
    may: &[],
    without: None,
};
const NO_GRACE: Setup = Setup { grace: 0, ..GRACE };

#[test]
fn one_line_of_history_gives_a_generation_one_successor_and_retries_the_same_bytes() {
    let may = &[Crash, LoseAnswer, GiveUp, RetryLate, Parallel, RollKey];
    let rows = ["current", "lost_commit", "retry", "reuse"];
    Game::new(Setup { may, ..GRACE }, OneSuccessor).holds(&rows);
    let may = &[RetryLate, Steal, RollKey];
    Game::new(Setup { generations: 2, may, ..GRACE }, OneSuccessor).holds(&rows);
}

#[test]
fn without_grace_one_line_of_history_gives_a_generation_one_successor() {
    let may = &[Crash, LoseAnswer, GiveUp, RetryLate, Parallel, Overtake, RollKey];
    Game::new(Setup { may, ..NO_GRACE }, OneSuccessor).holds(&["current", "lost_commit", "reuse"]);
}

#[test]
fn a_family_that_somebody_was_told_is_over_never_yields_a_token_again() {
    let may = &[Crash, LoseAnswer, RetryLate, Steal, Revoke];
    let rows = ["current", "dead", "lost_commit", "retry", "reuse"];
    Game::new(Setup { may, ..GRACE }, OverIsOver).holds(&rows);
}

/// The row `forgery` is reached by the forged tokens that the law tries in each state.
#[test]
fn an_honest_client_that_retries_within_grace_is_never_refused_whatever_crashes_or_fails_over() {
    let may = &[Crash, LoseAnswer, GiveUp, RollKey];
    let rows = ["current", "forgery", "lost_commit", "retry"];
    Game::new(Setup { failovers: 2, may, ..GRACE }, NobodyIsRefused).holds(&rows);
}

#[test]
fn within_grace_an_honest_client_may_even_present_its_token_twice_at_once() {
    let may = &[Crash, LoseAnswer, GiveUp, Parallel];
    let rows = ["current", "forgery", "lost_commit", "retry"];
    Game::new(Setup { requests: 3, may, ..GRACE }, NobodyIsRefused).holds(&rows);
}

#[test]
fn without_grace_failovers_refuse_no_honest_client_whose_answers_arrive() {
    let may = &[Crash, LoseAnswerOfLostCommit, RollKey];
    let setup = Setup { generations: 5, failovers: 3, may, ..NO_GRACE };
    Game::new(setup, NobodyIsRefused).holds(&["current", "forgery", "lost_commit"]);
}

#[test]
fn without_grace_no_generation_is_served_to_both_client_and_thief() {
    let may = &[Crash, LoseAnswer, RetryLate, Steal, Parallel];
    let setup = Setup { generations: 5, requests: 3, failovers: 0, may, ..NO_GRACE };
    Game::new(setup, ServedToBoth { most: 0 }).holds(&["current", "reuse"]);
}

#[test]
fn a_token_that_is_used_up_gives_nothing_and_its_next_use_ends_the_family() {
    let may = &[Crash, LoseAnswer, RetryLate, Steal];
    let rows = ["current", "lost_commit", "retry", "reuse"];
    Game::new(Setup { may, ..GRACE }, UsedUpIsFound).holds(&rows);
}

#[test]
fn without_grace_a_token_is_used_up_at_once() {
    let may = &[Crash, LoseAnswer, RetryLate, Steal, Parallel];
    let setup = Setup { requests: 3, may, ..NO_GRACE };
    Game::new(setup, UsedUpIsFound).holds(&["current", "lost_commit", "reuse"]);
}

#[test]
fn where_renewal_is_switched_off_using_a_token_ends_the_grace_of_its_predecessor() {
    let may = &[LoseAnswer, RetryLate, Steal, SwitchRenewal];
    let rows = ["current", "kept", "lost_commit", "retry", "reuse"];
    Game::new(Setup { generations: 2, may, ..GRACE }, UsedUpIsFound).holds(&rows);
}

#[test]
fn wherever_it_has_got_to_a_theft_is_found_by_the_second_late_use_or_the_third_after_a_failover() {
    let may = &[LoseAnswer, RetryLate, Steal];
    let rows = ["current", "lost_commit", "retry", "reuse"];
    Game::new(Setup { may, ..GRACE }, TheftIsFound).holds(&rows);
    let setup = Setup { failovers: 2, may, ..NO_GRACE };
    Game::new(setup, TheftIsFound).holds(&["current", "lost_commit", "reuse"]);
}
