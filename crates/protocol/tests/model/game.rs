//! A world and a law, put together for the explorer.

use crate::explore::{Broken, Model, explore};
use crate::laws::Law;
use crate::server::Server;
use crate::world::{Party, Setup, Step, World};

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
    pub(crate) fn breaks(&self, law: &str, trace: &[&str]) {
        let broken: Broken = explore(self).unwrap_err();
        assert_eq!(broken.trace, trace, "{broken:?}");
        assert_eq!(broken.law, law);
    }
}

impl<L: Law> Model for Game<L> {
    type State = (World, L::Notes);
    type Step = Step;

    fn start(&self) -> Self::State {
        (World::new(), self.law.start())
    }

    fn steps(&self, (world, _): &Self::State) -> Vec<Step> {
        self.setup.steps(world)
    }

    fn take(&self, state: &Self::State, step: Step) -> Result<Self::State, &'static str> {
        let (world, notes) = *state;
        let (world, event) = self.setup.play(&self.server, &world, step);
        let notes = self.law.watch(self.setup.grace, notes, event, &world)?;
        self.law.inspect(self, &world)?;
        Ok((world, notes))
    }

    fn tell(&self, (world, _): &Self::State, step: Step) -> String {
        self.setup.tell(&self.server, world, step)
    }
}

/// Somebody presents what they hold and gets the answer, a grace period after everything before.
pub(crate) fn present_late<L>(game: &Game<L>, world: &World, party: Party) -> World {
    let mut world = *world;
    let waits = std::iter::repeat_n(Step::Wait, game.setup.grace.into());
    let steps = [Step::Send(party), Step::Read { slot: 1, kid: 1, epoch: game.setup.epoch(&world) }];
    for step in waits.chain(steps).chain([Step::Commit(1), Step::Deliver(1)]) {
        (world, _) = game.setup.play(&game.server, &world, step);
    }
    world
}

