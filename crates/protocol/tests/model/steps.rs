//! What may happen: the setups, and the steps that each allows.

use crate::world::{Flight, Party, Stage, World};

/// What may happen beyond requests that are sent, carried out and answered, and time going by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    /// A request vanishes before its commit: the process died, the store was not there.
    Crash,
    /// The answer gets lost after the commit.
    LoseAnswer,
    /// The answer gets lost, but only where a failover took back the commit that it tells of.
    LoseAnswerOfLostCommit,
    /// The client no longer waits while its request goes on.
    GiveUp,
    /// The client retries after the grace period too.
    RetryLate,
    /// Two requests with one token at once.
    Parallel,
    /// The client uses its next token while a request that it gave up still goes on.
    Overtake,
    /// A thief copies what the client holds or is being sent, any number of times.
    Steal,
    Revoke,
    RollKey,
    SwitchRenewal,
}

/// What the design relies on, to be left out in order to see what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safeguard {
    /// `WHERE generation = from AND revoked_at IS NULL`.
    Guard,
    /// Row and epoch are of one moment.
    EpochOfTheMoment,
    /// A failover does not take back that the epoch rose.
    LastingEpoch,
    /// A failover does not take back what ended a family.
    LastingRevocation,
}

/// Which world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// The grace period in ticks. Without one, time does not matter and stands still.
    pub(crate) grace: u8,
    /// Tokens of this generation are no longer presented.
    pub(crate) generations: u8,
    /// How many requests are under way at once, at most `ROOM`.
    pub(crate) requests: usize,
    pub(crate) failovers: u8,
    /// How many commits one of them may take back, at most `BACK`.
    pub(crate) loses: usize,
    pub(crate) may: &'static [May],
    pub(crate) without: Option<Safeguard>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Send(Party),
    Read {
        slot: usize,
        kid: u8,
        epoch: u8,
    },
    Commit(usize),
    /// The answer arrives.
    Deliver(usize),
    /// The thief gets it in the client's place.
    Intercept(usize),
    Lose(usize),
    GiveUp(usize),
    Copy,
    Revoke,
    RollKey,
    SwitchRenewal,
    FailOver {
        lost: usize,
    },
    Wait,
}

impl Setup {
    pub(crate) fn may(&self, may: May) -> bool {
        self.may.contains(&may)
    }

    pub(crate) fn keeps(&self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }

    pub(crate) fn epoch(&self, world: &World) -> u8 {
        let rises = if self.keeps(Safeguard::LastingEpoch) { u8::MAX } else { 1 };
        1 + world.failovers.min(rises)
    }

    /// Everything that may happen next.
    pub(crate) fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = Vec::new();
        let parties = [Party::Honest, Party::Thief].into_iter();
        steps.extend(parties.filter(|party| self.sends(world, *party)).map(Step::Send));
        for (slot, flight) in world.under_way() {
            self.steps_of(world, (slot, flight), &mut steps);
        }
        if self.may(May::Steal) && world.honest.is_some() && world.thief != world.honest {
            steps.push(Step::Copy);
        }
        if self.may(May::Revoke) && !world.row().revoked {
            steps.push(Step::Revoke);
        }
        if self.may(May::RollKey) && world.keys == 1 {
            steps.push(Step::RollKey);
        }
        if self.may(May::SwitchRenewal) && world.renews {
            steps.push(Step::SwitchRenewal);
        }
        if world.failovers < self.failovers {
            steps.extend((0..=self.loses).map(|lost| Step::FailOver { lost }));
        }
        // A request takes a tick at most.
        if self.grace > 0 && world.under_way().all(|(_, flight)| flight.age == 0) {
            steps.push(Step::Wait);
        }
        steps
    }

    pub(crate) fn sends(&self, world: &World, party: Party) -> bool {
        let Some(token) = world.hand(party) else { return false };
        let own = world.under_way().filter(|(_, flight)| flight.owner == Some(party)).count();
        let has_room =
            world.under_way().count() < self.requests && token.generation < self.generations;
        if party == Party::Thief {
            return has_room && own == 0;
        }
        let is_late = world.unanswered.is_some_and(|age| age >= self.grace);
        let goes_first =
            |flight: &Flight| flight.owner != Some(Party::Thief) && flight.presented != token;
        has_room
            && own <= usize::from(self.may(May::Parallel))
            && (self.may(May::RetryLate) || !is_late)
            && (self.may(May::Overtake) || !world.under_way().any(|(_, flight)| goes_first(flight)))
    }

    fn steps_of(&self, world: &World, (slot, flight): (usize, &Flight), steps: &mut Vec<Step>) {
        let owner = flight.owner;
        if let Stage::Answered(answer) = flight.stage {
            steps.push(Step::Deliver(slot));
            let is_commit_lost =
                answer.is_some_and(|t| t.generation > world.row().newest.generation);
            let may_lose = self.may(May::LoseAnswer)
                || self.may(May::LoseAnswerOfLostCommit) && is_commit_lost;
            steps.extend(may_lose.then_some(Step::Lose(slot)));
            let may_steal = self.may(May::Steal) && owner == Some(Party::Honest);
            steps.extend((may_steal && answer.is_some()).then_some(Step::Intercept(slot)));
            return;
        }
        if let Stage::Decided(_) = flight.stage {
            steps.push(Step::Commit(slot));
        } else {
            let epoch = self.epoch(world);
            let first = if self.keeps(Safeguard::EpochOfTheMoment) { epoch } else { 1 };
            let nodes = (1..=world.keys).flat_map(|kid| (first..=epoch).map(move |e| (kid, e)));
            steps.extend(nodes.map(|(kid, epoch)| Step::Read { slot, kid, epoch }));
        }
        steps.extend(self.may(May::Crash).then_some(Step::Lose(slot)));
        let may_give_up = self.may(May::GiveUp) && owner == Some(Party::Honest);
        steps.extend(may_give_up.then_some(Step::GiveUp(slot)));
    }
}
