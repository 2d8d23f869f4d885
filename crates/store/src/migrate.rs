//! The schema's versions. A database is brought up to date when it is opened, in one transaction,
//! so that two processes that open it at once do the work once.

use rusqlite::{Connection, TransactionBehavior};

/// One step, in order.
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "init",
    sql: include_str!("../migrations/sqlite/0001_init.sql"),
}];

/// Marks the file as Remint's ("RMNT"), so that another program's database is never taken for it.
const APPLICATION_ID: i64 = 0x524d_4e54;

/// Why a schema can not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] rusqlite::Error),
    /// The file is a database of something else.
    #[error("the file is a database, but not one of Remint's")]
    Foreign,
    /// The file was written by a newer version of Remint.
    #[error(
        "the database has schema version {found}, this remint knows versions up to {known}: \
         run the newer remint that wrote it"
    )]
    TooNew {
        /// The version of the file.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
}

/// Brings the schema up to date.
pub(crate) fn migrate(db: &mut Connection) -> Result<(), MigrateError> {
    let known = MIGRATIONS.last().map_or(0, |m| m.version);
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
    for migration in MIGRATIONS.iter().filter(|m| m.version > found) {
        tx.execute_batch(migration.sql)?;
        tx.pragma_update(None, "user_version", migration.version)?;
        tracing::debug!(version = migration.version, name = migration.name, "schema migrated");
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()?;
    Ok(())
}

fn version(db: &Connection) -> Result<i64, MigrateError> {
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let is_ours = application == APPLICATION_ID;
    if !is_ours && (tables > 0 || version > 0) {
        return Err(MigrateError::Foreign);
    }
    Ok(version)
}
