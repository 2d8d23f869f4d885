//! One connection, with the statements that are prepared on it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{RevocationCommit, Target, timeline, value};
use crate::batch::{Durability, Statement};
use crate::row::{Row, Value};
use crate::{Error, OpenError};

/// The state of a connection after a statement that failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing more can be asked over it; what it was asked last may have happened.
    Broken(String),
    /// Nothing happened, because others were in the way: worth another try.
    Rolled(String),
    /// Nothing happened, and nothing would the next time.
    Refused(String),
}

impl Failed {
    pub(super) fn cause(&self) -> &str {
        let (Self::Broken(cause) | Self::Rolled(cause) | Self::Refused(cause)) = self;
        cause
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        let cause = cause(&error);
        let Some(code) = error.code() else { return Self::Broken(cause) };
        let class = code.code().get(..2).unwrap_or_default();
        match code {
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
                Self::Rolled(cause)
            }
            // The primary of yesterday: another one accepts writes now.
            &SqlState::READ_ONLY_SQL_TRANSACTION => Self::Broken(cause),
            &SqlState::QUERY_CANCELED => Self::Refused(cause),
            // Shutting down, starting up, out of connections, protocol errors.
            _ if matches!(class, "08" | "57" | "58" | "XX") => Self::Broken(cause),
            _ => Self::Refused(cause),
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        Self::Unavailable { cause: failed.cause().to_owned() }
    }
}

/// Returns the message of an error, without the values that PostgreSQL repeats in its details.
pub(super) fn cause(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// One connection.
pub(super) struct Connection {
    client: Client,
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

/// Sets what the server knows of, and lets the rest be: one that only speaks the protocol may lack
/// some. Plans must not depend on values nor on how large a table was when they were made: every
/// statement of ours is best served by its index, and rows are locked in the order of the arrays.
pub(crate) const TUNE: &str = "SELECT set_config(s.name, v.value, false) FROM (VALUES \
    ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'), \
    ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('enable_material', 'off'), \
    ('enable_bitmapscan', 'off'), ('jit', 'off')) AS v (name, value) \
    JOIN pg_settings s ON s.name = v.name";

impl Connection {
    /// Connects, and makes sure that the epoch is true before anything is read.
    pub(super) async fn open(target: &Target, durability: Durability) -> Result<Self, OpenError> {
        let connection = Self::raw(target).await?;
        connection.begin(target, durability).await?;
        Ok(connection)
    }

    /// Makes a connection one for statements of the store.
    pub(super) async fn begin(
        &self,
        target: &Target,
        durability: Durability,
    ) -> Result<(), OpenError> {
        let opened = async {
            self.client.batch_execute(TUNE).await?;
            self.client.batch_execute(&session(target, durability)).await?;
            let timeline = timeline::see(&self.client).await?;
            target.timeline.store(timeline.unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        let limit = target.settings.connect_timeout + target.settings.statement_timeout;
        match timeout(limit, opened).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unreachable(target, cause(&error))),
            Err(_) => Err(unreachable(target, "no answer in time".into())),
        }
    }

    /// Connects, and no more.
    pub(super) async fn raw(target: &Target) -> Result<Self, OpenError> {
        let (client, connection) = dial(target).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = cause(&error), "a connection to the database ended");
            }
        });
        Ok(Self { client, prepared: HashMap::new() })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Ends what is asked at the server too. Whoever waits there for a replica that is away does not
    /// notice that nobody waits for the answer, and would keep a connection of the database for good.
    pub(super) fn give_up(&self, target: &Target) {
        let (token, tls) = (self.client.cancel_token(), target.tls.clone());
        let limit = target.settings.connect_timeout;
        tokio::spawn(async move {
            let _ = timeout(limit, token.cancel_query(tls)).await;
        });
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Prepares what was not prepared before.
    pub(super) async fn prepare(&mut self, sql: &'static str) -> Result<(), Failed> {
        if !self.prepared.contains_key(sql) {
            let prepared = self.client.prepare(&value::dollars(sql)).await?;
            self.prepared.insert(sql, prepared);
        }
        Ok(())
    }

    fn prepared(&self, sql: &'static str) -> Result<&tokio_postgres::Statement, Failed> {
        self.prepared.get(sql).ok_or_else(|| Failed::Refused("a statement is not prepared".into()))
    }

    /// Runs a prepared statement for its rows. Several may be under way at once.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failed> {
        let found = self.client.query(self.prepared(sql)?, parameters).await?;
        Ok(found.iter().map(value::row).collect::<Result<_, _>>()?)
    }

    /// Runs a prepared statement, and gives how many rows it touched.
    pub(super) async fn execute(
        &self,
        statement: &Statement,
        values: &[Value],
    ) -> Result<u64, Failed> {
        let parameters: Vec<_> = values.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
        Ok(self.client.execute(self.prepared(statement.sql)?, &parameters).await?)
    }
}

/// A connection that nobody drives yet.
pub(super) type Driver = tokio_postgres::Connection<
    tokio_postgres::Socket,
    <MakeRustlsConnect as MakeTlsConnect<tokio_postgres::Socket>>::Stream,
>;

/// Connects to the first host that accepts writes, beginning with the one that did the last time. Each
/// has its time: one may be gone without a word.
pub(super) async fn dial(target: &Target) -> Result<(Client, Driver), OpenError> {
    let configs = target.settings.url.configs();
    let first = target.host.load(Ordering::Relaxed);
    let mut causes = Vec::new();
    for turn in 0..configs.len() {
        let at = (first + turn) % configs.len();
        let Some(config) = configs.get(at) else { continue };
        let config = tuned(config, target);
        let connecting = config.connect(target.tls.clone());
        match timeout(target.settings.connect_timeout, connecting).await {
            Ok(Ok(connected)) => {
                target.host.store(at, Ordering::Relaxed);
                return Ok(connected);
            }
            Ok(Err(error)) => causes.push(cause(&error)),
            Err(_) => causes.push("no answer in time".to_owned()),
        }
    }
    causes.dedup();
    Err(unreachable(target, causes.join("; ")))
}

fn tuned(config: &Config, target: &Target) -> Config {
    let mut config = config.clone();
    if config.get_application_name().is_none() {
        config.application_name("remint");
    }
    config.connect_timeout(target.settings.connect_timeout);
    // A network that swallows packets must not hold a lane for longer than a statement may take.
    config.tcp_user_timeout(target.settings.statement_timeout);
    config
}

pub(super) fn unreachable(target: &Target, cause: String) -> OpenError {
    OpenError::Unreachable { url: target.settings.url.to_string(), cause }
}

/// Makes the settings that hold for every statement of a connection.
fn session(target: &Target, durability: Durability) -> String {
    let commit = match (durability, target.settings.revocation_commit) {
        (Durability::Local, _) => "SET synchronous_commit = local".to_owned(),
        // An answer means that the commit is on disk, whatever the server thinks is enough.
        (Durability::Replicated, RevocationCommit::Server) => {
            "SELECT set_config('synchronous_commit', 'local', false) \
             WHERE current_setting('synchronous_commit') = 'off'"
                .to_owned()
        }
        (Durability::Replicated, level) => format!("SET synchronous_commit = {}", level.as_str()),
    };
    let limit = target.settings.statement_timeout.as_millis();
    // A node that falls silent between two statements must not hold up others that wait for its rows.
    let idle = limit / 2;
    // The guards of our statements are checked again when a row was waited for, which other levels
    // would refuse to do.
    format!(
        "SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {idle}; \
         SET default_transaction_isolation = 'read committed'; {commit}"
    )
}
