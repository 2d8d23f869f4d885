//! What each step does. Requests are carried out as the server and the store do it.

use crate::server::{Question, Row, Server, Token, Verdict};
use crate::steps::{May, Safeguard, Setup, Step};
use crate::world::{BACK, Flight, OLD, Party, Stage, World};

/// What a step means for the laws.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A token is given for another: at the commit, or when it was read where none is needed.
    Served {
        to: Party,
        presented: Token,
        given: Token,
        renewed: bool,
        age: u8,
    },
    /// Nothing is given.
    Refused {
        presented: Token,
        age: u8,
    },
    /// Somebody was told that the family is over.
    Ended,
    FailedOver,
    Waited,
    Other,
}

impl Setup {
    /// What a step does.
    pub(crate) fn play(&self, server: &Server, before: &World, step: Step) -> (World, Event) {
        let mut world = *before;
        let mut event = Event::Other;
        match step {
            Step::Send(party) => send(&mut world, party),
            Step::Read { slot, kid, epoch } => event = read(server, &mut world, slot, (kid, epoch)),
            Step::Commit(slot) => event = self.commit(&mut world, slot),
            Step::Deliver(slot) => {
                let flight = world.flight(slot);
                deliver(&mut world, slot, flight.owner.unwrap());
            }
            Step::Intercept(slot) => deliver(&mut world, slot, Party::Thief),
            Step::Lose(slot) => world.flights[slot] = None,
            Step::GiveUp(slot) => {
                world.flights[slot] = Some(Flight { owner: None, ..world.flight(slot) });
            }
            Step::Copy => world.thief = world.honest,
            Step::Revoke => {
                self.end(&mut world);
                event = Event::Ended;
            }
            Step::RollKey => world.keys += 1,
            Step::SwitchRenewal => world.renews = false,
            Step::FailOver { lost } => {
                let oldest = world.line[BACK];
                world.line.rotate_left(lost);
                world.line[BACK + 1 - lost..].fill(oldest);
                world.failovers += 1;
                event = Event::FailedOver;
            }
            Step::Wait => {
                world.wait();
                event = Event::Waited;
            }
        }
        self.tidy(&mut world);
        (world, event)
    }

    /// One guarded statement, as in the store. Who loses the race goes back to reading.
    fn commit(&self, world: &mut World, slot: usize) -> Event {
        let flight @ Flight { presented, age, .. } = world.flight(slot);
        let Stage::Decided(verdict) = flight.stage else { return Event::Other };
        let to = flight.sender();
        let row = *world.row();
        let holds = |generation: u8| {
            let is_guarded = self.keeps(Safeguard::Guard);
            !is_guarded || (row.newest.generation == generation && !row.revoked)
        };
        match verdict {
            Verdict::Rotate { from, successor } if holds(from) => {
                world.commit(Row { newest: successor, age, confirmed: false, ..row });
                world.answer(slot, Some(successor));
                Event::Served { to, presented, given: successor, renewed: true, age }
            }
            Verdict::Keep { .. } if holds(presented.generation) => {
                world.commit(Row { confirmed: true, ..row });
                world.answer(slot, Some(presented));
                Event::Served { to, presented, given: presented, renewed: false, age }
            }
            Verdict::Revoke { seen } if seen.is_none_or(holds) => {
                self.end(world);
                world.answer(slot, None);
                Event::Refused { presented, age }
            }
            _ => {
                world.flights[slot] = Some(Flight { stage: Stage::Arrived, ..flight });
                Event::Other
            }
        }
    }

    /// Makes alike what no future can tell apart.
    fn tidy(&self, world: &mut World) {
        if world.failovers == self.failovers {
            world.line = [*world.row(); BACK + 1];
        }
        if self.grace == 0 || self.may(May::RetryLate) {
            world.unanswered = None;
        }
        // For a request that took a tick, a row must be older by that tick.
        let slowest = world.under_way().map(|(_, flight)| flight.age).max().unwrap_or(0);
        world.line.iter_mut().for_each(|row| row.age = row.age.min(OLD + slowest));
        world.flights.sort_unstable();
    }

    fn end(&self, world: &mut World) {
        let row = Row { revoked: true, ..*world.row() };
        if self.keeps(Safeguard::LastingRevocation) {
            world.commit_on_every_copy(row);
        } else {
            world.commit(row);
        }
    }
}

fn send(world: &mut World, party: Party) {
    let presented = world.hand(party).unwrap();
    let flight = Flight { owner: Some(party), presented, age: 0, stage: Stage::Arrived };
    *world.flights.iter_mut().find(|slot| slot.is_none()).unwrap() = Some(flight);
    if party == Party::Honest {
        world.unanswered.get_or_insert(0);
    }
}

pub(crate) fn question(world: &World, slot: usize, (kid, epoch): (u8, u8)) -> Question {
    let Flight { presented, age, .. } = world.flight(slot);
    Question { presented, row: *world.row(), epoch, kid, age, renews: world.renews }
}

/// One read and one decision. What needs no commit is answered at once.
fn read(server: &Server, world: &mut World, slot: usize, node: (u8, u8)) -> Event {
    let flight @ Flight { presented, age, .. } = world.flight(slot);
    let verdict = server.decide(question(world, slot, node));
    let given = match verdict {
        Verdict::Retry(token) => token,
        Verdict::Keep { confirm: false } => presented,
        Verdict::Refuse => {
            world.answer(slot, None);
            return Event::Refused { presented, age };
        }
        Verdict::Rotate { .. } | Verdict::Keep { confirm: true } | Verdict::Revoke { .. } => {
            world.flights[slot] = Some(Flight { stage: Stage::Decided(verdict), ..flight });
            return Event::Other;
        }
    };
    world.answer(slot, Some(given));
    let to = flight.sender();
    Event::Served { to, presented, given, renewed: false, age }
}

fn deliver(world: &mut World, slot: usize, to: Party) {
    let Stage::Answered(answer) = world.flight(slot).stage else { return };
    world.flights[slot] = None;
    match to {
        Party::Honest => {
            world.honest = answer;
            world.unanswered = None;
        }
        // It has nothing to lose by keeping what it holds.
        Party::Thief => world.thief = answer.or(world.thief),
    }
}
