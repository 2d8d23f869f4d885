//! The steps in words, for the traces. Tokens and rows are told by their generation.

use crate::play::{Event, question};
use crate::server::{Server, Verdict};
use crate::steps::{Setup, Step};
use crate::world::{Party, Stage, World};

const fn name(party: Party) -> &'static str {
    match party {
        Party::Honest => "client",
        Party::Thief => "thief",
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Rotate { .. } => "renew",
        Verdict::Keep { .. } => "keep",
        Verdict::Retry(_) => "same answer",
        Verdict::Refuse => "refuse",
        Verdict::Revoke { .. } => "end the family",
    }
}

/// A request: whose, and which token it presents.
fn request(world: &World, slot: usize) -> String {
    let flight = world.flight(slot);
    let whose = flight.owner.map_or("given-up".to_owned(), |party| format!("{}'s", name(party)));
    format!("{whose} {}", flight.presented.generation)
}

fn answer(world: &World, slot: usize, to: Party) -> String {
    match world.flight(slot).stage {
        Stage::Answered(Some(token)) => format!("{} gets {}", name(to), token.generation),
        _ => format!("{} is refused", name(to)),
    }
}

impl Setup {
    pub(crate) fn tell(&self, server: &Server, world: &World, step: Step) -> String {
        let row = world.row().newest.generation;
        match step {
            Step::Send(party) => {
                format!("{} sends {}", name(party), world.hand(party).unwrap().generation)
            }
            Step::Read { slot, kid, epoch } => {
                let decided = verdict(server.decide(question(world, slot, (kid, epoch))));
                format!("{} reads row {row}: {decided}", request(world, slot))
            }
            Step::Commit(slot) => {
                let (_, event) = self.play(server, world, step);
                let end = if matches!(event, Event::Other) { "loses the race" } else { "commits" };
                format!("{} {end}", request(world, slot))
            }
            Step::Deliver(slot) => answer(world, slot, world.flight(slot).sender()),
            Step::Intercept(slot) => answer(world, slot, Party::Thief),
            Step::Lose(slot) => format!("{} is lost", request(world, slot)),
            Step::GiveUp(slot) => {
                format!("client gives up on its {}", world.flight(slot).presented.generation)
            }
            Step::Copy => format!("thief copies {}", world.honest.unwrap().generation),
            Step::FailOver { .. } => {
                let (after, _) = self.play(server, world, step);
                format!("failover: row {row} is {}", after.row().newest.generation)
            }
            Step::Revoke => "operator ends the family".to_owned(),
            Step::RollKey => "a key is added".to_owned(),
            Step::SwitchRenewal => "renewal is switched off".to_owned(),
            Step::Wait => "half the grace period goes by".to_owned(),
        }
    }
}
