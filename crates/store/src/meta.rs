//! The counters that every node watches.

use remint_protocol::ends::Ends;
use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::row::{Columns, Value};
use crate::{Error, Store};

const LOAD: Statement = Statement::new("SELECT value FROM meta WHERE name = ?1");
const RAISE: Statement = Statement::new("UPDATE meta SET value = value + 1 WHERE name = ?1");

const RAISE_EPOCH: Statement =
    Statement::new("UPDATE meta SET value = value + 1 WHERE name = 'epoch' AND value < ?1");

/// A claim that is further ahead than one's own was made by a clock that was wrong.
const CLAIM_SWEEP: Statement = Statement::new(
    "INSERT INTO meta (name, value) VALUES ('swept_until', ?2) ON CONFLICT (name) \
     DO UPDATE SET value = excluded.value WHERE meta.value <= ?1 OR meta.value > ?2",
);

#[cfg(test)]
pub(crate) const STATEMENTS: &[&Statement] = &[&LOAD, &RAISE, &RAISE_EPOCH, &CLAIM_SWEEP];

/// Tells every node that a client changed.
pub(crate) fn raise_revision() -> Write {
    Write::one(&RAISE, vec!["revision".into()])
}

/// Counts one more end of sessions. The write that ends them comes after it in the batch, and takes the
/// number; before it comes a hold on the user, where there is one.
pub(crate) fn raise_ends() -> Write {
    Write::one(&RAISE, vec!["ends".into()])
}

impl Store {
    /// A number that rises with every change of a client: caches that saw another are stale.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revision(&self) -> Result<i64, Error> {
        self.counter("revision").await
    }

    /// Takes the sweep for this node until `until`; `Conflict` while another one has it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn claim_sweep(&self, now: Timestamp, until: Timestamp) -> Result<Outcome, Error> {
        self.commit(vec![Write::one(&CLAIM_SWEEP, vec![now.into(), until.into()])]).await
    }

    /// A number that rises when the store may have lost its last commits.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn epoch(&self) -> Result<u16, Error> {
        let epoch = self.counter("epoch").await?;
        u16::try_from(epoch).map_err(|_| Error::Corrupt { table: "meta", column: "epoch" })
    }

    /// Says that the store may have lost commits: sessions that are ahead of their rows heal. Nodes of
    /// one database see it at once.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn raise_epoch(&self) -> Result<Outcome, Error> {
        self.commit(vec![Write::one(&RAISE_EPOCH, vec![i64::from(u16::MAX).into()])]).await
    }

    /// Reads the number of ends that were counted.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn ends(&self) -> Result<Ends, Error> {
        self.counter("ends").await.map(Ends::new)
    }

    async fn counter(&self, name: &'static str) -> Result<i64, Error> {
        let missing = Error::Corrupt { table: "meta", column: name };
        let row = self.read_one(&LOAD, &[Value::from(name)]).await?.ok_or(missing)?;
        Columns::new("meta", row).take(name)
    }
}
