//! Writes as data: what is to be done, decided before it is done.

use crate::row::Value;

/// One SQL text, in the subset that SQLite and PostgreSQL share, with placeholders `?1`, `?2`.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The text.
    pub(crate) sql: &'static str,
    /// The same for many requests at once, for an engine behind a network: PostgreSQL's own text,
    /// whose parameters are arrays, one for each value of the single form. The last column of what
    /// it returns is the number of the request that the row belongs to, from 1.
    pub(crate) set: Option<&'static str>,
    /// What a failover may do to it.
    pub(crate) survives: Survives,
}

/// What an answered write outlives. A crash of the machine always; the rest is up to how the engine
/// is replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survives {
    /// As much as the cluster offers: what is revoked must stay revoked.
    Failover,
    /// A crash. What a failover loses of it heals by itself, see epochs.
    Crash,
}

impl Statement {
    pub(crate) const fn new(sql: &'static str) -> Self {
        Self { sql, set: None, survives: Survives::Failover }
    }

    /// With a form for many requests at once.
    pub(crate) const fn with_set(self, set: &'static str) -> Self {
        Self { set: Some(set), ..self }
    }

    /// A write that may be lost in a failover.
    pub(crate) const fn healing(self) -> Self {
        Self { survives: Survives::Crash, ..self }
    }
}

/// How many rows a statement must have touched for its batch to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Any number.
    Any,
    /// Exactly one.
    One,
}

/// A statement with its values and its guard.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) statement: &'static Statement,
    pub(crate) values: Vec<Value>,
    pub(crate) guard: Guard,
}

impl Write {
    /// A write that counts whatever it touches.
    pub(crate) const fn any(statement: &'static Statement, values: Vec<Value>) -> Self {
        Self { statement, values, guard: Guard::Any }
    }

    /// A write that must touch exactly one row.
    pub(crate) const fn one(statement: &'static Statement, values: Vec<Value>) -> Self {
        Self { statement, values, guard: Guard::One }
    }
}

/// Writes that happen together or not at all.
pub(crate) type Batch = Vec<Write>;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A guard did not hold: somebody else was faster. Nothing was written.
    Conflict,
    /// It is on disk.
    Done,
}
