//! The schema of a PostgreSQL database, brought up to date when an operator says so.

use tokio::time::timeout;
use tokio_postgres::{Client, GenericClient, IsolationLevel};

use super::connection::{Connection, Failed, cause, unreachable};
use super::{Settings, Target};
use crate::OpenError;
use crate::migrate::{MigrateError, Migration, newest};

/// The number of times that the steps are begun before another transaction in the way is a failure.
const ATTEMPTS: usize = 5;
/// Any number: what matters is that every node means the same lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1380797012)";
/// NULL where there is no such table, which is not looked into then.
const FOUND: &str = "SELECT to_regclass('meta') IS NOT NULL, \
    coalesce(to_regclass('clients'), to_regclass('users'), to_regclass('families'), \
             to_regclass('keys'), to_regclass('nodes'), \
             to_regclass('signing_keys')) IS NOT NULL";
const VERSION: &str = "SELECT value FROM meta WHERE name = 'schema'";
const SET_VERSION: &str = "INSERT INTO meta (name, value) VALUES ('schema', $1) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Refuses a database whose schema is not the one that is known here.
pub(super) async fn check(client: &Client, target: &Target) -> Result<(), OpenError> {
    let late = |_| unreachable(target, "no answer in time".into());
    let asked = timeout(target.settings.statement_timeout, version(client, target));
    match asked.await.map_err(late)?? {
        found if found < newest() => Err(OpenError::TooOld { found, known: newest() }),
        found if found > newest() => Err(MigrateError::TooNew { found, known: newest() }.into()),
        _ => Ok(()),
    }
}

/// The steps that the database lacks, in order.
pub(crate) async fn missing(settings: Settings) -> Result<Vec<&'static Migration>, OpenError> {
    let target = Target::new(settings)?;
    let connection = Connection::raw(&target).await?;
    let found = version(connection.client(), &target).await?;
    if found > newest() {
        return Err(MigrateError::TooNew { found, known: newest() }.into());
    }
    Ok(crate::migrate::missing(found).collect())
}

/// Takes the steps that the database lacks, and gives them. Nodes that do this at once do it once.
pub(crate) async fn migrate(settings: Settings) -> Result<Vec<&'static Migration>, OpenError> {
    let target = Target::new(settings)?;
    let mut attempts = 1;
    loop {
        match attempt(&target).await {
            // Of two transactions that wait for each other, a node's and this one, PostgreSQL ended this one.
            Err(Stopped::RolledBack(_)) if attempts < ATTEMPTS => attempts += 1,
            Err(Stopped::RolledBack(error) | Stopped::Failed(error)) => return Err(error),
            Ok(steps) => return Ok(steps),
        }
    }
}

/// The reason for which the steps were not taken.
enum Stopped {
    /// Others were in the way, who need not be the next time.
    RolledBack(OpenError),
    Failed(OpenError),
}

impl From<OpenError> for Stopped {
    fn from(error: OpenError) -> Self {
        Self::Failed(error)
    }
}

async fn attempt(target: &Target) -> Result<Vec<&'static Migration>, Stopped> {
    let failed = |error: tokio_postgres::Error| match Failed::from(error) {
        Failed::Rolled(cause) => Stopped::RolledBack(unreachable(target, cause)),
        other @ (Failed::Broken(_) | Failed::Refused(_)) => {
            Stopped::Failed(unreachable(target, other.cause().to_owned()))
        }
    };
    let mut connection = Connection::raw(target).await?;
    // What others did while the lock was waited for must be seen, whatever the database's default is.
    let transaction = connection.client_mut().build_transaction();
    let transaction = transaction.isolation_level(IsolationLevel::ReadCommitted);
    let tx = transaction.start().await.map_err(failed)?;
    tx.batch_execute(LOCK).await.map_err(failed)?;
    let found = version(&tx, target).await?;
    if found > newest() {
        return Err(OpenError::from(MigrateError::TooNew { found, known: newest() }).into());
    }
    let steps: Vec<_> = crate::migrate::missing(found).collect();
    for step in &steps {
        tx.batch_execute(step.postgres()).await.map_err(failed)?;
        tx.execute(SET_VERSION, &[&step.version]).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)?;
    Ok(steps)
}

/// 0 for an empty database.
async fn version(client: &impl GenericClient, target: &Target) -> Result<i64, OpenError> {
    let failed = |error: tokio_postgres::Error| unreachable(target, cause(&error));
    let row = client.query_one(FOUND, &[]).await.map_err(failed)?;
    let has_meta: bool = row.try_get(0).map_err(failed)?;
    let has_others: bool = row.try_get(1).map_err(failed)?;
    if !has_meta {
        return if has_others { Err(OpenError::Foreign) } else { Ok(0) };
    }
    // Another program's table of that name has other columns, or no such row.
    let found = client.query_opt(VERSION, &[]).await.map_err(|_| OpenError::Foreign)?;
    let version = found.map(|row| row.try_get(0)).transpose().map_err(|_| OpenError::Foreign)?;
    version.ok_or(OpenError::Foreign)
}
