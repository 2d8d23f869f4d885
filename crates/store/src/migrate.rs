//! The schema's versions: the same numbers and names on both engines.
//!
//! A database file is brought up to date when it is opened. A PostgreSQL database is shared by nodes
//! that may be of different versions, so there it is an operator's decision: [`migrate`].

use rusqlite::{Connection, TransactionBehavior};

/// One step, in order.
#[derive(Debug)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// Its name, which says what it brings.
    pub name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Migration {
    /// Its text for PostgreSQL.
    pub const fn postgres(&self) -> &'static str {
        self.postgres
    }
}

macro_rules! migrations {
    ($($version:literal $name:literal $file:literal)*) => {
        /// Every step there is. An old one never changes.
        pub(crate) const MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../migrations/postgres/", $file)),
        },)*];
    };
}

migrations! {
    1 "init" "0001_init.sql"
    2 "keys_and_nodes" "0002_keys_and_nodes.sql"
    3 "signing_keys" "0003_signing_keys.sql"
    4 "authorization_code" "0004_authorization_code.sql"
    5 "secrets" "0005_secrets.sql"
    6 "logout_notices" "0006_logout_notices.sql"
    7 "logout_notices_by_client" "0007_logout_notices_by_client.sql"
    8 "ended_consents" "0008_ended_consents.sql"
    9 "ends" "0009_ends.sql"
}

/// The newest version that is known here.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |m| m.version)
}

/// The steps that a database of a version lacks.
pub(crate) fn missing(version: i64) -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter().filter(move |m| m.version > version)
}

/// Marks the file as Remint's ("RMNT"), so that another program's database is never taken for it.
const APPLICATION_ID: i64 = 0x524d_4e54;

/// The reason why a schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// SQLite refused.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The file is a database of something else.
    #[error("the file is a database, but not one of Remint's")]
    Foreign,
    /// It is only looked at, and of an older version.
    #[error(
        "the database has schema version {found}, this remint needs version {known}, and nothing is changed by \
         looking at it: start the server, or run `remint migrate`"
    )]
    TooOld {
        /// The version of the database.
        found: i64,
        /// The version that is needed.
        known: i64,
    },
    /// It was written by a newer version of Remint.
    #[error(
        "the database has schema version {found}, this remint knows versions up to {known}: \
         run the newer remint that wrote it"
    )]
    TooNew {
        /// The version of the database.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
}

/// Brings the schema of a file up to date, in one transaction, so that two processes that open it at
/// once do the work once.
pub(crate) fn migrate_file(db: &mut Connection) -> Result<(), MigrateError> {
    let known = newest();
    // In one transaction, so that what is read was never half of another process' work.
    let seen = db.transaction()?;
    if version(&seen)? == known {
        return Ok(());
    }
    seen.finish()?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&tx)?;
    if found > known {
        return Err(MigrateError::TooNew { found, known });
    }
    for migration in missing(found) {
        tx.execute_batch(migration.sqlite)?;
        tx.pragma_update(None, "user_version", migration.version)?;
        tracing::debug!(version = migration.version, name = migration.name, "schema migrated");
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()?;
    Ok(())
}

/// Whether a file that is only looked at has the schema that is needed. What is outside is what the engine
/// says.
pub(crate) fn check_file(db: &Connection) -> rusqlite::Result<Result<(), MigrateError>> {
    let known = newest();
    Ok(match version(db) {
        Ok(found) if found == known => Ok(()),
        Ok(found) if found > known => Err(MigrateError::TooNew { found, known }),
        Ok(found) => Err(MigrateError::TooOld { found, known }),
        Err(MigrateError::Sqlite(error)) => return Err(error),
        Err(error) => Err(error),
    })
}

/// The version of a file; refused where it is not one of Remint's.
pub(crate) fn version(db: &Connection) -> Result<i64, MigrateError> {
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let is_ours = application == APPLICATION_ID;
    if !is_ours && (tables > 0 || version > 0) {
        return Err(MigrateError::Foreign);
    }
    Ok(version)
}
