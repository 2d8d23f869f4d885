//! The seam between what is asked and which engine answers: the only place that knows.

use remint_protocol::time::Timestamp;

use crate::batch::{Batch, Outcome, Statement};
use crate::postgres::{Changes, Postgres};
use crate::row::{Row, Value};
use crate::sqlite::{Reading, Sqlite};
use crate::stats::Stats;
use crate::{Error, Store};

/// The engines.
pub(crate) enum Backend {
    /// Embedded, one machine.
    Sqlite(Sqlite),
    /// The same, only looked at.
    Reading(Reading),
    /// Shared by any number of nodes.
    Postgres(Postgres),
}

impl Backend {
    async fn read(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        match self {
            // A primary-key read out of the page cache is over sooner than a hop to another thread.
            Self::Sqlite(sqlite) => sqlite.read(statement, values),
            Self::Reading(reading) => reading.read(statement, values),
            Self::Postgres(postgres) => postgres.read(statement, values).await,
        }
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commit(batch).await,
            Self::Reading(_) => {
                Err(Error::Unavailable { cause: "the database was opened to be looked at".into() })
            }
            Self::Postgres(postgres) => postgres.commit(batch).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close(),
            Self::Reading(_) => {}
            Self::Postgres(postgres) => postgres.close().await,
        }
    }

    pub(crate) fn queued(&self) -> Option<usize> {
        match self {
            Self::Sqlite(sqlite) => sqlite.queued(),
            Self::Reading(_) => None,
            Self::Postgres(postgres) => postgres.queued(),
        }
    }

    /// Whether what is open is no longer what the next start would open; see [`Store::is_lost`].
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.is_lost(),
            Self::Reading(_) | Self::Postgres(_) => false,
        }
    }

    pub(crate) fn stats(&self) -> &Stats {
        match self {
            Self::Sqlite(sqlite) => sqlite.stats(),
            Self::Reading(reading) => reading.stats(),
            Self::Postgres(postgres) => postgres.stats(),
        }
    }

    /// `None` where it is the clock of this machine.
    pub(crate) async fn time(&self) -> Result<Option<Timestamp>, Error> {
        match self {
            Self::Sqlite(_) | Self::Reading(_) => Ok(None),
            Self::Postgres(postgres) => postgres.time().await.map(Some),
        }
    }

    pub(crate) fn timeline(&self) -> Option<i64> {
        match self {
            Self::Sqlite(_) | Self::Reading(_) => None,
            Self::Postgres(postgres) => postgres.timeline(),
        }
    }

    /// `None` where no other node can change anything.
    pub(crate) fn changes(&self) -> Option<Changes> {
        match self {
            Self::Sqlite(_) | Self::Reading(_) => None,
            Self::Postgres(postgres) => Some(postgres.changes()),
        }
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
