//! The servers that run on one store, and which root keys each of them has.

use std::fmt;

use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::row::{Columns, Row};
use crate::{Error, Store};

const LIST: Statement =
    Statement::new("SELECT id, name, version, kids, started_at, seen_at FROM nodes ORDER BY id");

const SEE: Statement = Statement::new(
    "INSERT INTO nodes (id, name, version, kids, started_at, seen_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (id) DO UPDATE SET kids = excluded.kids, seen_at = excluded.seen_at",
);

const FORGET: Statement = Statement::new("DELETE FROM nodes WHERE id = ?1");
const FORGET_SILENT: Statement = Statement::new("DELETE FROM nodes WHERE seen_at < ?1");

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[&SEE, &FORGET];
#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&LIST, &FORGET_SILENT];

/// A server that runs, drawn at its start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NodeId(pub [u8; 16]);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({:02x?}…)", self.0.first())
    }
}

/// A server that runs, or did when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its machine and where it listens there, for people.
    pub name: String,
    /// Its version of Remint.
    pub version: String,
    /// The root keys that it has.
    pub kids: Vec<u8>,
    /// The time at which it started.
    pub started_at: Timestamp,
    /// The time of its last sign of life.
    pub seen_at: Timestamp,
}

impl Store {
    /// Every server that was seen and did not say that it stops.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_nodes(&self) -> Result<Vec<Node>, Error> {
        self.read(&LIST, &[]).await?.into_iter().map(node).collect()
    }

    /// Says that a server runs.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn see_node(&self, node: &Node) -> Result<Outcome, Error> {
        let kids = node.kids.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
        let values = vec![
            node.id.0.into(),
            node.name.as_str().into(),
            node.version.as_str().into(),
            kids.into(),
            node.started_at.into(),
            node.seen_at.into(),
        ];
        self.commit(vec![Write::one(&SEE, values)]).await
    }

    /// Says that a server stops.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn forget_node(&self, id: NodeId) -> Result<Outcome, Error> {
        self.commit(vec![Write::any(&FORGET, vec![id.0.into()])]).await
    }

    /// Forgets the servers that were not seen since `before`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn forget_silent_nodes(&self, before: Timestamp) -> Result<Outcome, Error> {
        self.commit(vec![Write::any(&FORGET_SILENT, vec![before.into()])]).await
    }
}

fn node(row: Row) -> Result<Node, Error> {
    let mut c = Columns::new("nodes", row);
    Ok(Node {
        id: NodeId(c.take("id")?),
        name: c.take("name")?,
        version: c.take("version")?,
        kids: c.parse("kids", |text: String| {
            text.split_ascii_whitespace().map(|kid| kid.parse().ok()).collect()
        })?,
        started_at: c.take("started_at")?,
        seen_at: c.take("seen_at")?,
    })
}
