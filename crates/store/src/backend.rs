//! The seam between what is asked and which engine answers: the only two places that know.

use crate::batch::{Batch, Outcome, Statement};
use crate::row::{Row, Value};
use crate::sqlite::{Sqlite, Stats};
use crate::{Error, Store};

/// The engines.
pub(crate) enum Backend {
    /// Embedded, one machine.
    Sqlite(Sqlite),
}

impl Backend {
    #[expect(clippy::unused_async, reason = "a second engine answers over a network")]
    async fn read(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        match self {
            // A primary-key read out of the page cache is over sooner than a hop to another thread.
            Self::Sqlite(sqlite) => sqlite.read(statement, values),
        }
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commit(batch).await,
        }
    }

    pub(crate) fn close(&self) {
        let Self::Sqlite(sqlite) = self;
        sqlite.close();
    }

    pub(crate) fn queued(&self) -> Option<usize> {
        let Self::Sqlite(sqlite) = self;
        sqlite.queued()
    }

    pub(crate) fn stats(&self) -> &Stats {
        let Self::Sqlite(sqlite) = self;
        sqlite.stats()
    }
}

impl Store {
    pub(crate) async fn read(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        self.backend.read(statement, values).await
    }

    pub(crate) async fn read_one(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Option<Row>, Error> {
        Ok(self.read(statement, values).await?.into_iter().next())
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Outcome, Error> {
        self.backend.commit(batch).await
    }
}
