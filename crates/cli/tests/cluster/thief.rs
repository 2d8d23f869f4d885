//! A session with a thief in it.

use crate::nodes::Nodes;
use crate::session::Session;

/// When the thief copied the token that it has, and who comes first after the failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theft {
    /// A token of which the new primary knows that it was used up.
    Known { thief_first: bool },
    /// A token whose use the failover has lost: the thief is served once.
    Lost,
}

pub(crate) const THEFTS: [Theft; 3] =
    [Theft::Known { thief_first: true }, Theft::Known { thief_first: false }, Theft::Lost];

/// A victim, and the token that somebody copied.
pub(crate) struct Stolen<'n> {
    theft: Theft,
    victim: Session<'n>,
    copy: String,
}

impl<'n> Stolen<'n> {
    /// All of which the standby knows.
    pub(crate) fn begin(nodes: &'n Nodes, user: &str, theft: Theft) -> Self {
        let mut victim = Session::begin(nodes, user);
        let copy = victim.token.clone();
        victim.refresh();
        victim.refresh();
        Self { theft, victim, copy }
    }

    /// Goes on while the standby is held back.
    pub(crate) fn go_on(&mut self) {
        self.victim.refresh();
        if self.theft == Theft::Lost {
            self.copy.clone_from(&self.victim.token);
        }
        self.victim.refresh();
        self.victim.refresh();
    }

    /// Who comes first is served or not; in the end the thief is found.
    pub(crate) fn finds_the_thief(mut self, nodes: &Nodes) {
        match self.theft {
            Theft::Known { thief_first: true } => {}
            Theft::Known { thief_first: false } => self.victim.refresh(),
            Theft::Lost => {
                self.copy = nodes.any().refresh(&self.copy).ok().text("refresh_token");
                self.victim.refresh();
            }
        }
        nodes.any().refresh(&self.copy).invalid_grant();
        // The owner has to sign in again, and thereby learns of it.
        nodes.any().refresh(&self.victim.token).invalid_grant();
    }
}
