//! What Remint remembers, in SQLite.
//!
//! The public API is verbs: `rotate`, `revoke_family`, `create_client`. Every write that consumes
//! something carries its guard in SQL and reports [`Outcome::Conflict`] as a normal answer. Nothing is
//! answered before its commit is on disk. Not found is `None`, never an error.
//!
//! Reads and writes go through one seam, `backend.rs`, as data: a statement and its values. A second
//! engine is two `match` arms there.

mod access_tokens;
mod backend;
mod batch;
mod clients;
mod families;
mod guesses;
mod meta;
mod migrate;
mod row;
mod sqlite;
mod users;

use std::path::Path;
use std::sync::Arc;

pub use batch::Outcome;
pub use families::{Filter, Page};
pub use migrate::MigrateError;
pub use sqlite::{GROUP_BUCKETS, OpenError, Stats};
pub use users::User;

use backend::Backend;

/// A handle on the store; clones share it.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
}

/// What can go wrong once the store is open.
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
    /// The store can not answer now: disk full, read-only, locked, or overloaded. The write may or may
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
    /// When the file can not be opened or written, or was made by a newer version.
    pub fn open(file: &Path) -> Result<Self, OpenError> {
        Ok(Self { backend: Arc::new(Backend::Sqlite(sqlite::Sqlite::open(file)?)) })
    }

    /// Waits until everything queued is on disk, and closes the database.
    pub fn close(&self) {
        self.backend.close();
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

    /// How many writes wait for their commit; `None` once the store is closed.
    pub fn queued(&self) -> Option<usize> {
        self.backend.queued()
    }

    /// Counters for metrics.
    pub fn stats(&self) -> &Stats {
        self.backend.stats()
    }
}

#[cfg(test)]
mod tests;

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
