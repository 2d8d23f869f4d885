//! The laws, told from what was handed out and used, not from the row. Each keeps the notes that it
//! needs; they are part of the explored state.

use std::hash::Hash;

use crate::game::{Game, present, present_late};
use crate::play::Event;
use crate::server::{Question, Token, Verdict};
use crate::world::{OLD, Party, World};

pub(crate) trait Law {
    type Notes: Copy + Eq + Hash;

    fn start(&self) -> Self::Notes;

    /// Sees what a step did and led to.
    fn watch(
        &self,
        grace: u8,
        notes: Self::Notes,
        event: Event,
        after: &World,
    ) -> Result<Self::Notes, &'static str>;

    /// Whether there is nothing more to see. A failover cannot take the end of a family back.
    fn is_settled(&self, world: &World) -> bool {
        world.row().revoked
    }

    /// Looks at a state.
    fn inspect(&self, _: &Game<Self>, _: &World) -> Result<(), &'static str>
    where
        Self: Sized,
    {
        Ok(())
    }
}

/// More generations than any setup presents.
const MANY: usize = 8;

/// In one line of history a generation has one token, and is given for its predecessor once; a
/// retry gets the same bytes. A failover takes the generations of its lost commits back.
pub(crate) struct OneSuccessor;

impl Law for OneSuccessor {
    type Notes = [Option<Token>; MANY];

    fn start(&self) -> Self::Notes {
        let mut first = [None; MANY];
        first[0] = World::new().honest;
        first
    }

    fn watch(
        &self,
        _: u8,
        mut first: Self::Notes,
        event: Event,
        after: &World,
    ) -> Result<Self::Notes, &'static str> {
        match event {
            Event::Served { presented, given, renewed, .. } => {
                let place = &mut first[usize::from(given.generation)];
                if renewed && place.is_some() {
                    return Err("a generation was made twice");
                }
                if *place.get_or_insert(given) != given {
                    return Err("a generation has two tokens");
                }
                if given != presented && given.generation != presented.generation + 1 {
                    return Err("the answer is not the successor");
                }
            }
            Event::FailedOver => {
                first[usize::from(after.row().newest.generation) + 1..].fill(None);
            }
            _ => {}
        }
        Ok(first)
    }
}

/// Who was told that the family is over, by an operator's command or by being refused, never sees
/// it yield a token again.
pub(crate) struct OverIsOver;

impl Law for OverIsOver {
    type Notes = bool;

    fn start(&self) -> bool {
        false
    }

    fn is_settled(&self, _: &World) -> bool {
        false
    }

    fn watch(&self, _: u8, is_over: bool, event: Event, _: &World) -> Result<bool, &'static str> {
        match event {
            Event::Served { .. } if is_over => Err("a family that was over yields a token"),
            Event::Refused { .. } | Event::Ended => Ok(true),
            _ => Ok(is_over),
        }
    }
}

/// Nobody is ever refused or stuck. It speaks of worlds in which nobody does wrong.
pub(crate) struct NobodyIsRefused;

impl Law for NobodyIsRefused {
    type Notes = ();

    fn start(&self) {}

    fn watch(&self, _: u8, (): (), event: Event, _: &World) -> Result<(), &'static str> {
        match event {
            Event::Refused { .. } => Err("an honest client is refused"),
            _ => Ok(()),
        }
    }

    fn inspect(&self, game: &Game<Self>, world: &World) -> Result<(), &'static str> {
        // Whoever tries again gets on.
        let is_its_turn = world.is_quiet() && game.setup.sends(world, Party::Honest);
        if is_its_turn && present(game, world, Party::Honest).honest == world.honest {
            return Err("an honest client gets no answer");
        }
        // And yet a token that is ahead of the row without a failover in between was made by
        // somebody who has the key.
        let (row, epoch) = (*world.row(), game.setup.epoch(world));
        for generation in [row.newest.generation + 1, row.newest.generation + 2] {
            let presented = Token { generation, epoch, kid: 1 };
            let question = Question { presented, row, epoch, kid: 1, age: 0, renews: true };
            let expected = Verdict::Revoke { seen: Some(row.newest.generation) };
            if game.server.decide(question) != expected {
                return Err("a forged token does not end the family");
            }
        }
        Ok(())
    }
}

/// A token is used up when its successor was made a grace period ago, or was used itself. It gives
/// nothing, its next use ends the family, and nothing else does.
pub(crate) struct UsedUpIsFound;

/// What was used up, as far as the surviving line of history goes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct UsedUp {
    /// The newest generation with a successor, and the ticks since that was made.
    newest: Option<(u8, u8)>,
    /// The generation that was used with renewal off.
    kept: Option<u8>,
    /// The end of the family was decided before a failover, for what may be forgotten since.
    excused: bool,
}

impl UsedUp {
    fn contains(self, grace: u8, presented: Token, age: u8) -> bool {
        let generation = presented.generation;
        self.kept.is_some_and(|kept| generation < kept)
            || self.newest.is_some_and(|(newest, since)| {
                generation < newest || generation == newest && since.saturating_sub(age) >= grace
            })
    }
}

impl Law for UsedUpIsFound {
    type Notes = UsedUp;

    fn start(&self) -> UsedUp {
        UsedUp::default()
    }

    fn watch(
        &self,
        grace: u8,
        mut notes: UsedUp,
        event: Event,
        after: &World,
    ) -> Result<UsedUp, &'static str> {
        let row = after.row();
        match event {
            Event::Served { presented, age, .. } if notes.contains(grace, presented, age) => {
                return Err("a used-up token is served");
            }
            Event::Served { presented, given, renewed, age, .. } => {
                if renewed {
                    notes.newest = Some((presented.generation, age));
                }
                if given == presented {
                    notes.kept = Some(presented.generation);
                }
            }
            Event::Refused { presented, age } => {
                let is_found = notes.contains(grace, presented, age);
                if is_found && !row.revoked {
                    return Err("a used-up token ends nothing");
                }
                if !is_found && !notes.excused {
                    return Err("a token that is not used up is refused");
                }
            }
            Event::FailedOver => {
                let left = row.newest.generation;
                if notes.newest.is_some_and(|(newest, _)| newest >= left) {
                    notes.newest = left.checked_sub(1).map(|newest| (newest, row.age));
                }
                notes.kept = notes.kept.filter(|kept| *kept == left && row.confirmed);
                notes.excused |= after.is_end_decided();
            }
            Event::Waited => {
                notes.newest =
                    notes.newest.map(|(newest, since)| (newest, (since + 1).min(OLD + 1)));
            }
            Event::Ended | Event::Other => {}
        }
        Ok(notes)
    }
}

/// No more than `most` generations are served to both, the client and the thief.
pub(crate) struct ServedToBoth {
    pub(crate) most: usize,
}

impl Law for ServedToBoth {
    type Notes = [[bool; 2]; MANY];

    fn start(&self) -> Self::Notes {
        [[false; 2]; MANY]
    }

    fn watch(
        &self,
        _: u8,
        mut served: Self::Notes,
        event: Event,
        _: &World,
    ) -> Result<Self::Notes, &'static str> {
        if let Event::Served { to, presented, .. } = event {
            served[usize::from(presented.generation)][usize::from(to == Party::Thief)] = true;
        }
        let both = served.iter().filter(|by| **by == [true; 2]).count();
        if both > self.most { Err("client and thief are both served") } else { Ok(served) }
    }
}

/// From wherever the world has got to, whoever starts: when client and thief go on taking turns, each
/// later than the grace period, the family is over after two presents, or three after a failover.
pub(crate) struct TheftIsFound;

impl Law for TheftIsFound {
    type Notes = ();

    fn start(&self) {}

    fn watch(&self, _: u8, (): (), _: Event, _: &World) -> Result<(), &'static str> {
        Ok(())
    }

    fn inspect(&self, game: &Game<Self>, world: &World) -> Result<(), &'static str> {
        if !world.is_quiet() || world.row().revoked || world.thief.is_none() {
            return Ok(());
        }
        let presents = if world.failovers == 0 { 2 } else { 3 };
        for turns in [[Party::Honest, Party::Thief], [Party::Thief, Party::Honest]] {
            let mut world = *world;
            for party in turns.into_iter().cycle().take(presents) {
                if !world.row().revoked {
                    world = present_late(game, &world, party);
                }
            }
            if !world.row().revoked {
                return Err("a theft is not found");
            }
        }
        Ok(())
    }
}
