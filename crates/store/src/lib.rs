//! The store of Remint, in SQLite or PostgreSQL.
//!
//! The public API is verbs: `rotate`, `revoke_family`, `create_client`. Every write that consumes
//! something carries its guard in SQL and reports [`Outcome::Conflict`] as a normal answer. Nothing is
//! answered before its commit is on disk. Not found is `None`, never an error.
//!
//! Reads and writes go through one seam, `backend.rs`, as data: a statement and its values.

// A new variant asks at every place whether it changes anything there. Tests may say "any other".
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod access_tokens;
mod backend;
mod batch;
mod browser_sessions;
mod clients;
mod consents;
mod copy;
mod families;
mod family_starts;
mod guesses;
mod keys;
mod logout_notices;
mod meta;
mod migrate;
mod nodes;
mod open_error;
mod pages;
pub mod postgres;
mod row;
mod secrets;
mod signing_keys;
mod sqlite;
mod stats;
mod status;
mod users;

use std::path::Path;
use std::sync::Arc;

pub use batch::Outcome;
pub use browser_sessions::Visitor;
pub use clients::FoundClient;
pub use copy::{Copied, CopyError, Progress, Side};
pub use families::{Filter, KnownClient, Outdated, Page};
pub use migrate::{MigrateError, Migration};
pub use nodes::{Node, NodeId};
pub use open_error::OpenError;
pub use pages::{BrowserSessionPages, ClientPages, FamilyPages, UserPages};
pub use secrets::{SUBJECT_SALT, SealedSecret};
pub use signing_keys::StoredSigningKey;
pub use sqlite::backup::{BackedUp, BackupError};
pub use stats::{GROUP_BUCKETS, Stats};
pub use users::{User, VerifiedPassword};

use remint_protocol::time::Timestamp;

use backend::Backend;

/// A handle on the store; clones share it.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
}

/// The faults of a store once it is open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row holds what no version of this program writes.
    #[error("table {table} holds an impossible value in column {column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The store cannot answer now: disk full, read-only, locked, or overloaded. The write may or may
    /// not have happened; the caller's retry must be right in both cases.
    #[error("the store is not available: {cause}")]
    Unavailable {
        /// For the log.
        cause: String,
    },
}

impl Store {
    /// Opens the database file, creating it when it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened or written, or was made by a newer version.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        Ok(Self { backend: Arc::new(Backend::Sqlite(sqlite::Sqlite::open(file)?)) })
    }

    /// Opens a database file to look at it: nothing is made or changed, and every write is refused. The file,
    /// and the directory that it is in, may be read-only.
    ///
    /// # Errors
    /// When the file cannot be read, or its schema is of another version.
    pub fn open_to_read(file: &Path) -> Result<Self, OpenError> {
        Ok(Self { backend: Arc::new(Backend::Reading(sqlite::Reading::open(file)?)) })
    }

    /// Copies a database file into one that is empty, in one moment's state, while a server may run on it, and
    /// checks the copy. Tells how many pages of how many are there. The copy is not on disk yet.
    ///
    /// # Errors
    /// When the database cannot be read, is not one of Remint's, or the copy cannot be written.
    pub fn back_up(
        file: &Path,
        to: &Path,
        tell: impl FnMut(u64, u64),
    ) -> Result<BackedUp, BackupError> {
        sqlite::backup::back_up(file, to, tell)
    }

    /// Connects to PostgreSQL, whose schema must be up to date.
    ///
    /// # Errors
    /// When it does not answer, or its schema is of another version.
    pub async fn connect(settings: postgres::Settings) -> Result<Self, OpenError> {
        let postgres = postgres::Postgres::open(settings).await?;
        Ok(Self { backend: Arc::new(Backend::Postgres(postgres)) })
    }

    /// The steps that the schema of a PostgreSQL database lacks, in order.
    ///
    /// # Errors
    /// When it does not answer, belongs to another program, or is of a newer version.
    pub async fn missing_migrations(
        settings: postgres::Settings,
    ) -> Result<Vec<&'static Migration>, OpenError> {
        postgres::missing(settings).await
    }

    /// Brings the schema of a PostgreSQL database up to date, and gives the steps that this took.
    /// Nodes may do so at once; each step is taken once.
    ///
    /// # Errors
    /// As [`Self::missing_migrations`].
    pub async fn migrate(
        settings: postgres::Settings,
    ) -> Result<Vec<&'static Migration>, OpenError> {
        postgres::migrate(settings).await
    }

    /// Waits until everything queued is on disk, and closes the database.
    pub async fn close(&self) {
        self.backend.close().await;
    }

    /// Whether several servers may run on it.
    pub fn is_shared(&self) -> bool {
        matches!(*self.backend, Backend::Postgres(_))
    }

    /// Hears of changes that other nodes make, from now on.
    pub fn watch(&self) -> Watch {
        Watch(self.backend.changes())
    }

    /// The clock of the database; `None` where it is this machine's.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn time(&self) -> Result<Option<Timestamp>, Error> {
        self.backend.time().await
    }

    /// Whether the store answers, for readiness probes.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        let stopped = || Error::Unavailable { cause: "nothing is written any more".into() };
        self.queued().ok_or_else(stopped)?;
        self.revision().await.map(drop)
    }

    /// Whether the files of the database were moved, removed or replaced since they were opened. Nothing is
    /// read or written any more then: it would not be what the next start finds.
    pub fn is_lost(&self) -> bool {
        self.backend.is_lost()
    }

    /// Returns the number of writes that wait for their commit; `None` once the store is closed.
    pub fn queued(&self) -> Option<usize> {
        self.backend.queued()
    }

    /// Counters for metrics.
    pub fn stats(&self) -> &Stats {
        self.backend.stats()
    }
}

/// Hears of changes that other nodes make.
pub struct Watch(Option<postgres::Changes>);

impl Watch {
    /// Waits for the next one; forever where there are no other nodes. Some may go unheard: look from
    /// time to time as well.
    pub async fn next(&self) {
        match &self.0 {
            Some(changes) => changes.next().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
