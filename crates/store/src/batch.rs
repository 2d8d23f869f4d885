//! Writes as data: what is to be done, decided before it is done.

use crate::row::Value;

/// One SQL text, in the subset that SQLite and PostgreSQL share, with placeholders `?1`, `?2`.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The text.
    pub(crate) sql: &'static str,
}

impl Statement {
    pub(crate) const fn new(sql: &'static str) -> Self {
        Self { sql }
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
