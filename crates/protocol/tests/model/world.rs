//! The world of the model: one family in a store that can fail over, an honest client, a thief, and
//! requests that are under way.

use crate::server::{Question, Row, Server, Token, Verdict};

/// How many commits a failover may take back at most.
pub(crate) const BACK: usize = 3;
/// Older than every grace period, also for a request that took a tick.
const OLD: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    Honest,
    Thief,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Stage {
    /// Sent; the row is not read yet.
    Arrived,
    /// Read and decided; nothing is written yet.
    Decided(Verdict),
    /// All is done but that the answer arrives. `None` is a refusal.
    Answered(Option<Token>),
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Flight {
    /// Who waits for the answer; nobody where the client timed out or was told 503 because the
    /// outcome of a commit was unknown.
    owner: Option<Party>,
    presented: Token,
    /// Ticks since it was sent.
    age: u8,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The committed row, and the rows before its last commits.
    line: [Row; BACK + 1],
    pub(crate) failovers: u8,
    /// Keys are numbered from 1; each node seals with any that it knows.
    keys: u8,
    pub(crate) renews: bool,
    /// What the client holds; nothing once it was refused.
    pub(crate) honest: Option<Token>,
    /// Ticks since the client first tried its token without an answer so far.
    unanswered: Option<u8>,
    pub(crate) thief: Option<Token>,
    /// In order, because it does not matter which is which.
    flights: [Option<Flight>; 2],
}

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
    pub(crate) failovers: u8,
    /// How many commits one of them may take back, at most [`BACK`].
    pub(crate) loses: usize,
    pub(crate) may: &'static [May],
    pub(crate) without: Option<Safeguard>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Send(Party),
    Read { slot: usize, kid: u8, epoch: u8 },
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
    FailOver { lost: usize },
    Wait,
}

/// What a step means for the laws.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A token is given for another: at the commit, or when it was read where none is needed.
    Served { presented: Token, given: Token, renewed: bool, age: u8 },
    /// Nothing is given.
    Refused { presented: Token, age: u8 },
    /// Somebody was told that the family is over.
    Ended,
    FailedOver,
    Waited,
    Other,
}

impl World {
    pub(crate) fn new() -> Self {
        let newest = Token { generation: 0, epoch: 1, kid: 1 };
        let row = Row { newest, age: OLD, confirmed: false, revoked: false };
        Self {
            line: [row; BACK + 1],
            failovers: 0,
            keys: 1,
            renews: true,
            honest: Some(newest),
            unanswered: None,
            thief: None,
            flights: [None; 2],
        }
    }

    /// The row as it is.
    pub(crate) fn row(&self) -> &Row {
        &self.line[0]
    }

    fn hand(&self, party: Party) -> Option<Token> {
        match party {
            Party::Honest => self.honest,
            Party::Thief => self.thief,
        }
    }

    fn under_way(&self) -> impl Iterator<Item = (usize, &Flight)> {
        self.flights.iter().enumerate().filter_map(|(slot, flight)| Some((slot, flight.as_ref()?)))
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.flights == [None; 2]
    }

    fn flight(&self, slot: usize) -> Flight {
        self.flights[slot].unwrap()
    }

    /// A failover may take it back.
    fn commit(&mut self, row: Row) {
        self.line.rotate_right(1);
        self.line[0] = row;
    }

    /// Every copy has it when it is acknowledged, and so all that was committed before. Nobody sees
    /// it earlier, so that it is one step.
    fn commit_on_every_copy(&mut self, row: Row) {
        self.line = [row; BACK + 1];
    }

    fn answer(&mut self, slot: usize, answer: Option<Token>) {
        let flight = Flight { stage: Stage::Answered(answer), ..self.flight(slot) };
        self.flights[slot] = flight.owner.map(|_| flight);
    }

    fn wait(&mut self) {
        let older = |age: u8| (age + 1).min(OLD);
        self.line.iter_mut().for_each(|row| row.age = older(row.age));
        self.flights.iter_mut().flatten().for_each(|flight| flight.age += 1);
        self.unanswered = self.unanswered.map(older);
    }
}

impl Setup {
    fn may(&self, may: May) -> bool {
        self.may.contains(&may)
    }

    fn keeps(&self, safeguard: Safeguard) -> bool {
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

    fn sends(&self, world: &World, party: Party) -> bool {
        let Some(token) = world.hand(party) else { return false };
        let own = world.under_way().filter(|(_, flight)| flight.owner == Some(party)).count();
        let has_room = world.flights.contains(&None) && token.generation < self.generations;
        if party == Party::Thief {
            return has_room && own == 0;
        }
        let is_late = world.unanswered.is_some_and(|age| age >= self.grace && self.grace > 0);
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
            let is_commit_lost = answer.is_some_and(|t| t.generation > world.row().newest.generation);
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
        world.flights.sort_unstable();
        (world, event)
    }

    /// One guarded statement, as in the store. Who loses the race goes back to reading.
    fn commit(&self, world: &mut World, slot: usize) -> Event {
        let flight @ Flight { presented, age, .. } = world.flight(slot);
        let Stage::Decided(verdict) = flight.stage else { return Event::Other };
        let row = *world.row();
        let holds = |generation: u8| {
            let is_guarded = self.keeps(Safeguard::Guard);
            !is_guarded || (row.newest.generation == generation && !row.revoked)
        };
        match verdict {
            Verdict::Rotate { from, successor } if holds(from) => {
                world.commit(Row { newest: successor, age, confirmed: false, ..row });
                world.answer(slot, Some(successor));
                Event::Served { presented, given: successor, renewed: true, age }
            }
            Verdict::Keep { .. } if holds(presented.generation) => {
                world.commit(Row { confirmed: true, ..row });
                world.answer(slot, Some(presented));
                Event::Served { presented, given: presented, renewed: false, age }
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

    fn end(&self, world: &mut World) {
        let row = Row { revoked: true, ..*world.row() };
        if self.keeps(Safeguard::LastingRevocation) {
            world.commit_on_every_copy(row);
        } else {
            world.commit(row);
        }
    }

    /// The step in words.
    pub(crate) fn tell(&self, server: &Server, world: &World, step: Step) -> String {
        let who = |slot: usize| match world.flight(slot).owner {
            Some(party) => format!("{party:?}"),
            None => "Nobody".to_owned(),
        };
        let what = |slot: usize| world.flight(slot).presented.generation;
        let (after, event) = self.play(server, world, step);
        match step {
            Step::Send(party) => format!("{party:?} sends {}", world.hand(party).unwrap().generation),
            Step::Read { slot, kid, epoch } => {
                let row = world.row().newest.generation;
                let verdict = server.decide(question(world, slot, (kid, epoch)));
                format!("{}'s {} meets row {row}: {verdict:?}", who(slot), what(slot))
            }
            Step::Commit(slot) => {
                let end = if matches!(event, Event::Other) { "loses the race" } else { "commits" };
                format!("{}'s {} {end}", who(slot), what(slot))
            }
            Step::Deliver(slot) => match world.flight(slot).stage {
                Stage::Answered(Some(token)) => format!("{} gets {}", who(slot), token.generation),
                _ => format!("{} is refused", who(slot)),
            },
            Step::Intercept(slot) => format!("the thief gets the answer to {}", what(slot)),
            Step::Lose(slot) => format!("{}'s {} is lost", who(slot), what(slot)),
            Step::GiveUp(slot) => format!("{} gives up on {}", who(slot), what(slot)),
            Step::Copy => format!("the thief copies {}", world.honest.unwrap().generation),
            Step::FailOver { .. } => {
                let (from, to) = (world.row().newest.generation, after.row().newest.generation);
                format!("failover from row {from} to row {to}")
            }
            Step::Revoke | Step::RollKey | Step::SwitchRenewal | Step::Wait => format!("{step:?}"),
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

fn question(world: &World, slot: usize, (kid, epoch): (u8, u8)) -> Question {
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
    Event::Served { presented, given, renewed: false, age }
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
