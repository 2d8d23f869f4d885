//! The world of the model: one family in a store that can fail over, an honest client, a thief, and
//! requests that are under way.

use crate::server::{Row, Token, Verdict};

/// How many commits a failover may take back at most.
pub(crate) const BACK: usize = 3;
/// How many requests may be under way at once.
pub(crate) const ROOM: usize = 3;
/// Older than every grace period.
pub(crate) const OLD: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    Honest,
    Thief,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Sent; the row is not read yet.
    Arrived,
    /// Read and decided; nothing is written yet.
    Decided(Verdict),
    /// All is done but that the answer arrives. `None` is a refusal.
    Answered(Option<Token>),
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flight {
    /// Who waits for the answer; nobody where the client timed out or was told 503 because the
    /// outcome of a commit was unknown.
    pub(crate) owner: Option<Party>,
    pub(crate) presented: Token,
    /// Ticks since it was sent.
    pub(crate) age: u8,
    pub(crate) stage: Stage,
}

impl Flight {
    /// The thief never gives up.
    pub(crate) fn sender(&self) -> Party {
        self.owner.unwrap_or(Party::Honest)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The committed row, and the rows before its last commits.
    pub(crate) line: [Row; BACK + 1],
    pub(crate) failovers: u8,
    /// Keys are numbered from 1; each node seals with any that it knows.
    pub(crate) keys: u8,
    pub(crate) renews: bool,
    /// What the client holds; nothing once it was refused.
    pub(crate) honest: Option<Token>,
    /// Ticks since the client first tried its token without an answer so far.
    pub(crate) unanswered: Option<u8>,
    pub(crate) thief: Option<Token>,
    /// In order, because it does not matter which is which.
    pub(crate) flights: [Option<Flight>; ROOM],
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
            flights: [None; ROOM],
        }
    }

    /// The row as it is.
    pub(crate) fn row(&self) -> &Row {
        &self.line[0]
    }

    pub(crate) fn hand(&self, party: Party) -> Option<Token> {
        match party {
            Party::Honest => self.honest,
            Party::Thief => self.thief,
        }
    }

    pub(crate) fn under_way(&self) -> impl Iterator<Item = (usize, &Flight)> {
        self.flights.iter().enumerate().filter_map(|(slot, flight)| Some((slot, flight.as_ref()?)))
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.flights == [None; ROOM]
    }

    /// Whether a request is about to end the family.
    pub(crate) fn is_end_decided(&self) -> bool {
        let is_end =
            |flight: &Flight| matches!(flight.stage, Stage::Decided(Verdict::Revoke { .. }));
        self.under_way().any(|(_, flight)| is_end(flight))
    }

    pub(crate) fn flight(&self, slot: usize) -> Flight {
        self.flights[slot].unwrap()
    }

    /// A failover may take it back.
    pub(crate) fn commit(&mut self, row: Row) {
        self.line.rotate_right(1);
        self.line[0] = row;
    }

    /// Every copy has it when it is acknowledged, and so all that was committed before. Nobody sees
    /// it earlier, so that it is one step.
    pub(crate) fn commit_on_every_copy(&mut self, row: Row) {
        self.line = [row; BACK + 1];
    }

    pub(crate) fn answer(&mut self, slot: usize, answer: Option<Token>) {
        let flight = Flight { stage: Stage::Answered(answer), ..self.flight(slot) };
        self.flights[slot] = flight.owner.map(|_| flight);
    }

    pub(crate) fn wait(&mut self) {
        self.line.iter_mut().for_each(|row| row.age += 1);
        self.flights.iter_mut().flatten().for_each(|flight| flight.age += 1);
        self.unanswered = self.unanswered.map(|age| (age + 1).min(OLD));
    }
}
