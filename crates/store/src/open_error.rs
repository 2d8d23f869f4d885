//! The reasons why a store cannot be opened.

use std::path::PathBuf;

use crate::migrate::MigrateError;

/// The reason why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite refused.
    #[error("cannot open the database {}: {reason}", file.display())]
    Engine {
        /// The file.
        file: PathBuf,
        /// Its reason.
        reason: rusqlite::Error,
    },
    /// The files of the database cannot be looked at.
    #[error("cannot open the database {}: {reason}", file.display())]
    Files {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The log of a database is there without its index, which cannot be made.
    #[error(
        "cannot look at the database {}: its log is beside it, which cannot be read without writing ({reason}): \
         copy the directory to where you may write, and look there",
        file.display()
    )]
    LogOnly {
        /// The file.
        file: PathBuf,
        /// The engine's reason.
        reason: rusqlite::Error,
    },
    /// The schema of a file cannot be brought up to date.
    #[error("cannot use the database {}: {reason}", file.display())]
    Migrate {
        /// The file.
        file: PathBuf,
        /// Its reason.
        reason: MigrateError,
    },
    /// No thread to write with.
    #[error("cannot start the store's threads: {0}")]
    Threads(#[from] std::io::Error),
    /// PostgreSQL does not answer, or refuses.
    #[error("cannot use the database {url}: {cause}")]
    Unreachable {
        /// Its URL, without the password.
        url: String,
        /// Its reason.
        cause: String,
    },
    /// The schema of a PostgreSQL database is that of an older version, or not there yet.
    #[error(
        "the database has schema version {found}, this remint needs version {known}: \
         run `remint migrate`, or set store.migrate_on_start"
    )]
    TooOld {
        /// The version of the database.
        found: i64,
        /// The version that is needed.
        known: i64,
    },
    /// The schema of a PostgreSQL database is that of a newer version.
    #[error(transparent)]
    TooNew(#[from] MigrateError),
    /// The database is used by something else.
    #[error(
        "the database holds tables of another program: give Remint a database or a schema of its own"
    )]
    Foreign,
    /// The certificates to trust cannot be used.
    #[error("cannot use the certificates in {}: {reason}", file.display())]
    Certificates {
        /// The file.
        file: PathBuf,
        /// The fault.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS to the database: {reason}")]
    Tls {
        /// The reason.
        reason: String,
    },
}
