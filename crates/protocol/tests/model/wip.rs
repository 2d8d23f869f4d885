use crate::game::Game;
use crate::laws::*;
use crate::world::May::*;
use crate::world::Setup;

const BASE: Setup = Setup { grace: 2, generations: 3, failovers: 1, loses: 3, may: &[], without: None };

#[test]
fn one_grace() {
    Game::new(Setup { may: &[Crash, LoseAnswer, GiveUp, RetryLate, Parallel, RollKey], ..BASE }, OneSuccessor).holds(&[]);
}
#[test]
fn one_none() {
    Game::new(Setup { grace: 0, may: &[Crash, LoseAnswer, GiveUp, RetryLate, Parallel, Overtake, RollKey], ..BASE }, OneSuccessor).holds(&[]);
}
#[test]
fn over() {
    Game::new(Setup { grace: 2, may: &[Crash, LoseAnswer, RetryLate, Steal, Revoke], ..BASE }, OverIsOver).holds(&[]);
}
#[test]
fn honest_grace() {
    Game::new(Setup { failovers: 2, generations: 4, may: &[Crash, LoseAnswer, GiveUp, RollKey], ..BASE }, NobodyIsRefused).holds(&[]);
}
#[test]
fn honest_parallel() {
    Game::new(Setup { may: &[Crash, LoseAnswer, GiveUp, Parallel], ..BASE }, NobodyIsRefused).holds(&[]);
}
#[test]
fn honest_none() {
    Game::new(Setup { grace: 0, failovers: 3, generations: 5, may: &[Crash, LoseAnswerOfLostCommit, RollKey], ..BASE }, NobodyIsRefused).holds(&[]);
}
#[test]
fn used_up_grace() {
    Game::new(Setup { may: &[Crash, LoseAnswer, RetryLate, Steal], ..BASE }, UsedUpIsFound { forgives_failover: true }).holds(&[]);
}
#[test]
fn used_up_none() {
    Game::new(Setup { grace: 0, may: &[Crash, LoseAnswer, GiveUp, RetryLate, Steal, Parallel], ..BASE }, UsedUpIsFound { forgives_failover: true }).holds(&[]);
}
#[test]
fn kept() {
    Game::new(Setup { may: &[Crash, LoseAnswer, RetryLate, Steal, SwitchRenewal], ..BASE }, UsedUpIsFound { forgives_failover: true }).holds(&[]);
}
#[test]
fn theft() {
    Game::new(Setup { may: &[Crash, LoseAnswer, RetryLate, Steal], ..BASE }, TheftIsFound).holds(&[]);
}
