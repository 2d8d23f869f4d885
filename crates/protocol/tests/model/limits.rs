//! What does not hold, and a shortest way there. Every trace begins with a family at generation 0.
//!
//! The limits of the design as it is:
//! - A lost answer ends an honest session where there is no grace, and a retry after grace does.
//! - So does a request that the client gave up, when it arrives after the client's next but one.
//! - Within grace, a thief who keeps in step is served like the client.
//! - A failover may make a used-up token the newest again. Whoever holds it is served once more.
//!
//! The other traces show what each safeguard keeps from happening.

use crate::game::Game;
use crate::laws::{Law, NobodyIsRefused, OneSuccessor, OverIsOver, ServedToBoth};
use crate::steps::May::{GiveUp, LoseAnswer, Overtake, Parallel, RetryLate, Revoke, Steal};
use crate::steps::{Safeguard, Setup};

/// With a grace period of 60 s, and no failover.
const GRACE: Setup = Setup {
    grace: 2,
    generations: 3,
    requests: 2,
    failovers: 0,
    loses: 3,
    may: &[],
    without: None,
};
const NO_GRACE: Setup = Setup { grace: 0, ..GRACE };
/// What most of them begin with.
const RENEWED: [&str; 3] =
    ["client sends 0", "client's 0 reads row 0: renew", "client's 0 commits"];

fn breaks<L: Law>(setup: Setup, law: L, after: &[&str]) {
    Game::new(setup, law).breaks(&[&RENEWED, after].concat());
}

/// A client that must survive this needs a grace period.
#[test]
fn without_grace_a_lost_answer_ends_the_session() {
    breaks(
        Setup { may: &[LoseAnswer], ..NO_GRACE },
        NobodyIsRefused,
        &[
            "client's 0 is lost",
            "client sends 0",
            "client's 0 reads row 1: end the family",
            "client's 0 commits",
        ],
    );
}

#[test]
fn after_the_grace_period_a_retry_ends_the_session() {
    breaks(
        Setup { may: &[LoseAnswer, RetryLate], ..GRACE },
        NobodyIsRefused,
        &[
            "client's 0 is lost",
            "half the grace period goes by",
            "half the grace period goes by",
            "client sends 0",
            "client's 0 reads row 1: end the family",
            "client's 0 commits",
        ],
    );
}

/// It cannot be told from a thief's. No client is refused that uses its next token only when no
/// older request is under way any more.
#[test]
fn a_request_that_is_overtaken_by_its_retry_and_the_next_refresh_ends_the_session() {
    Game::new(Setup { may: &[GiveUp, Overtake], ..GRACE }, NobodyIsRefused).breaks(&[
        "client sends 0",
        "client gives up on its 0",
        "client sends 0",
        "client's 0 reads row 0: renew",
        "client's 0 commits",
        "client gets 1",
        "client sends 1",
        "client's 1 reads row 1: renew",
        "client's 1 commits",
        "given-up 0 reads row 2: end the family",
        "given-up 0 commits",
    ]);
}

/// It is found as soon as one of them comes late.
#[test]
fn within_grace_a_thief_who_keeps_in_step_can_take_turns_with_the_client() {
    breaks(
        Setup { may: &[RetryLate, Steal], ..GRACE },
        ServedToBoth { most: 1 },
        &[
            "thief copies 0",
            "thief sends 0",
            "client gets 1",
            "client sends 1",
            "client's 1 reads row 1: renew",
            "thief's 0 reads row 1: same answer",
            "client's 1 commits",
            "thief gets 1",
            "thief sends 1",
            "thief's 1 reads row 2: same answer",
        ],
    );
}

/// The row says again what it said before, so that the token is not used up. The thief is found when
/// the client comes back, or at the thief's own next use after that.
#[test]
fn a_failover_lets_a_used_up_token_work_once_more() {
    let setup = Setup { failovers: 1, may: &[Steal], ..NO_GRACE };
    breaks(
        setup,
        ServedToBoth { most: 0 },
        &[
            "thief copies 0",
            "thief sends 0",
            "failover: row 1 is 0",
            "thief's 0 reads row 0: renew",
            "thief's 0 commits",
        ],
    );
}

const fn without(safeguard: Safeguard, setup: Setup) -> Setup {
    Setup { without: Some(safeguard), ..setup }
}

#[test]
fn without_its_guard_a_renewal_would_be_written_twice() {
    let setup = Setup { may: &[Parallel], ..GRACE };
    Game::new(without(Safeguard::Guard, setup), OneSuccessor).breaks(&[
        "client sends 0",
        "client sends 0",
        "client's 0 reads row 0: renew",
        "client's 0 reads row 0: renew",
        "client's 0 commits",
        "client's 0 commits",
    ]);
}

#[test]
fn without_its_guard_a_renewal_would_outlive_the_end_of_the_family() {
    let setup = Setup { may: &[Revoke], ..GRACE };
    Game::new(without(Safeguard::Guard, setup), OverIsOver).breaks(&[
        "client sends 0",
        "client's 0 reads row 0: renew",
        "operator ends the family",
        "client's 0 commits",
    ]);
}

#[test]
fn an_epoch_from_before_the_failover_would_take_a_lost_commit_for_a_forgery() {
    let setup = Setup { failovers: 1, ..GRACE };
    breaks(
        without(Safeguard::EpochOfTheMoment, setup),
        NobodyIsRefused,
        &[
            "client gets 1",
            "client sends 1",
            "failover: row 1 is 0",
            "client's 1 reads row 0: end the family",
            "client's 1 commits",
        ],
    );
}

/// So an epoch must never be used twice: not where its rise was lost in the next failover, and not
/// where a restored backup says an older epoch than there was.
#[test]
fn an_epoch_that_comes_twice_would_take_a_lost_commit_for_a_forgery() {
    let setup = Setup { failovers: 2, ..GRACE };
    Game::new(without(Safeguard::LastingEpoch, setup), NobodyIsRefused).breaks(&[
        "client sends 0",
        "failover: row 0 is 0",
        "client's 0 reads row 0: renew",
        "client's 0 commits",
        "client gets 1",
        "client sends 1",
        "failover: row 1 is 0",
        "client's 1 reads row 0: end the family",
        "client's 1 commits",
    ]);
}

#[test]
fn a_revocation_that_a_failover_could_take_back_would_be_none() {
    let setup = Setup { failovers: 1, may: &[Revoke], ..GRACE };
    Game::new(without(Safeguard::LastingRevocation, setup), OverIsOver).breaks(&[
        "client sends 0",
        "client's 0 reads row 0: renew",
        "operator ends the family",
        "failover: row 0 is 0",
        "client's 0 commits",
    ]);
}
