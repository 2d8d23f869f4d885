//! A world and a law, put together for the explorer.

use crate::explore::{Model, explore};
use crate::laws::Law;
use crate::server::Server;
use crate::steps::{Setup, Step};
use crate::world::{Party, ROOM, World};

pub(crate) struct Game<L> {
    pub(crate) setup: Setup,
    pub(crate) server: Server,
    law: L,
}

impl<L: Law> Game<L> {
    pub(crate) fn new(setup: Setup, law: L) -> Self {
        Self { setup, server: Server::new(setup.grace), law }
    }

    /// The law holds in all states, and these rows of the decision table were reached.
    pub(crate) fn holds(&self, rows: &[&str]) {
        let states = explore(self).unwrap();
        println!("{states} states, rows {:?}", self.server.rows());
        assert_eq!(self.server.rows(), rows, "the rows of the table that were reached");
    }

    /// The law does not hold, and this is a shortest way to break it.
    pub(crate) fn breaks(&self, trace: &[&str]) {
        let broken = explore(self).unwrap_err();
        println!("{broken:?}");
        assert_eq!(broken.trace, trace);
    }
}

impl<L: Law> Model for Game<L> {
    type State = (World, L::Notes);
    type Step = Step;

    fn start(&self) -> Self::State {
        (World::new(), self.law.start())
    }

    fn steps(&self, (world, _): &Self::State) -> Vec<Step> {
        if self.law.is_settled(world) { Vec::new() } else { self.setup.steps(world) }
    }

    fn take(&self, state: &Self::State, step: Step) -> Result<Self::State, &'static str> {
        let (world, notes) = *state;
        let (world, event) = self.setup.play(&self.server, &world, step);
        let notes = self.law.watch(self.setup.grace, notes, event, &world)?;
        Ok((world, notes))
    }

    fn inspect(&self, (world, _): &Self::State) -> Result<(), &'static str> {
        self.law.inspect(self, world)
    }

    fn tell(&self, (world, _): &Self::State, step: Step) -> String {
        self.setup.tell(&self.server, world, step)
    }
}

/// Somebody presents what they hold while nobody else does, and gets the answer.
pub(crate) fn present<L>(game: &Game<L>, world: &World, party: Party) -> World {
    // Requests are in order, so that the only one is the last.
    let slot = ROOM - 1;
    let epoch = game.setup.epoch(world);
    let read = Step::Read { slot, kid: 1, epoch };
    let steps = [Step::Send(party), read, Step::Commit(slot), Step::Deliver(slot)];
    steps.into_iter().fold(*world, |world, step| game.setup.play(&game.server, &world, step).0)
}

/// The same, a grace period later.
pub(crate) fn present_late<L>(game: &Game<L>, world: &World, party: Party) -> World {
    let wait = |world, _| game.setup.play(&game.server, &world, Step::Wait).0;
    present(game, &(0..game.setup.grace).fold(*world, wait), party)
}
