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
    /// The durability of an acknowledged write.
    pub(crate) durability: Durability,
}

/// The durability of an acknowledged write. It always outlives a crash of the machine; the rest depends on
/// how the engine is replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A failover, as far as the cluster offers it: a revoked session must stay revoked.
    Replicated,
    /// A crash. A failover may lose the write, and the session heals by the epoch.
    Local,
}

impl Statement {
    pub(crate) const fn new(sql: &'static str) -> Self {
        Self { sql, set: None, durability: Durability::Replicated }
    }

    /// With a form for many requests at once.
    pub(crate) const fn with_set(self, set: &'static str) -> Self {
        Self { set: Some(set), ..self }
    }

    /// Marks a write that a failover may lose.
    pub(crate) const fn local_commit(self) -> Self {
        Self { durability: Durability::Local, ..self }
    }
}

/// The number of rows that a statement must touch; otherwise its batch is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any number.
    Any,
    /// Exactly one.
    OneRow,
}

/// A statement with its values and its guard.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) statement: &'static Statement,
    pub(crate) values: Vec<Value>,
    pub(crate) expect: Expect,
}

impl Write {
    /// A write that counts whatever it touches.
    pub(crate) const fn any(statement: &'static Statement, values: Vec<Value>) -> Self {
        Self { statement, values, expect: Expect::Any }
    }

    /// A write that must touch exactly one row.
    pub(crate) const fn one(statement: &'static Statement, values: Vec<Value>) -> Self {
        Self { statement, values, expect: Expect::OneRow }
    }
}

/// Writes that happen together or not at all.
pub(crate) type Batch = Vec<Write>;

/// The outcome of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A guard did not hold: somebody else was faster. Nothing was written.
    Conflict,
    /// It is on disk.
    Done,
}
