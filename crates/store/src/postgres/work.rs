//! The work of lanes: reads, rotations, and all other commits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_postgres::types::ToSql;

use super::connection::{Connection, Failed};
use super::set::Set;
use super::{Target, transaction};
use crate::Error;
use crate::batch::{Batch, Durability, Outcome, Statement};
use crate::row::{Row, Value};

/// The most requests that are answered together.
const GROUP_MAX: usize = 256;
/// The number of times that a group is tried again because others were in its way.
const RETRIES: u32 = 5;

/// A statement to be read.
pub(super) struct Read {
    pub(super) statement: &'static Statement,
    pub(super) values: Vec<Value>,
    pub(super) done: oneshot::Sender<Result<Vec<Row>, Error>>,
}

/// A batch to be written.
pub(super) struct Commit {
    pub(super) batch: Batch,
    pub(super) done: oneshot::Sender<Result<Outcome, Error>>,
}

/// The purpose of a lane.
pub(super) trait Work: Send + 'static {
    /// A job that it answers.
    type Job: Send;
    /// The most jobs that it answers together.
    const MOST: usize;
    /// The durability of its commits.
    const DURABILITY: Durability;

    /// Answers all jobs, but for those that a broken connection left open: they are still there.
    fn run(
        &self,
        connection: &mut Connection,
        jobs: &mut Vec<Self::Job>,
    ) -> impl Future<Output = Result<(), Failed>> + Send;

    /// Answers a job that cannot be done.
    fn refuse(&self, job: Self::Job, cause: &str);
}

/// Reads: those of one kind in one statement, and all statements in one round trip.
pub(super) struct Reads;

impl Work for Reads {
    type Job = Read;
    const MOST: usize = GROUP_MAX;
    const DURABILITY: Durability = Durability::Local;

    async fn run(&self, connection: &mut Connection, jobs: &mut Vec<Read>) -> Result<(), Failed> {
        for read in &*jobs {
            connection.prepare(read.statement.set.unwrap_or(read.statement.sql)).await?;
        }
        let kinds = kinds(std::mem::take(jobs), |read| read.statement);
        let connection = &*connection;
        let asked = kinds.into_iter().map(|(statement, reads)| async move {
            let result = read_all(connection, statement, &reads).await;
            (reads, result)
        });
        let mut broken = Ok(());
        for (reads, result) in join_all(asked).await {
            match result {
                Ok(mut rows) => {
                    for (read, rows) in reads.into_iter().zip(rows.drain(..)) {
                        let _ = read.done.send(Ok(rows));
                    }
                }
                Err(failed) => {
                    for read in reads {
                        self.refuse(read, failed.cause());
                    }
                    if matches!(failed, Failed::Broken(_)) {
                        broken = Err(failed);
                    }
                }
            }
        }
        broken
    }

    fn refuse(&self, job: Read, cause: &str) {
        let _ = job.done.send(Err(Error::Unavailable { cause: cause.to_owned() }));
    }
}

/// The rows of each read, in the order of the reads.
async fn read_all(
    connection: &Connection,
    statement: &'static Statement,
    reads: &[Read],
) -> Result<Vec<Vec<Row>>, Failed> {
    let mut found = vec![Vec::new(); reads.len()];
    if statement.set.is_some() {
        let set = Set::new(statement, reads.iter().map(|read| &read.values[..]));
        for (place, row) in set.run(connection).await? {
            if let Some(rows) = found.get_mut(place) {
                rows.push(row);
            }
        }
        return Ok(found);
    }
    // The same read several times over, in one round trip all the same.
    let each = reads.iter().map(|read| {
        let values: Vec<_> = read.values.iter().map(|v| v as &(dyn ToSql + Sync)).collect();
        async move { connection.query(statement.sql, &values).await }
    });
    join_all(each).await.into_iter().collect()
}

/// Jobs by their statement.
fn kinds<J>(
    jobs: Vec<J>,
    statement: impl Fn(&J) -> &'static Statement,
) -> Vec<(&'static Statement, Vec<J>)> {
    let mut kinds: Vec<(&'static Statement, Vec<J>)> = Vec::with_capacity(1);
    for job in jobs {
        let of = statement(&job);
        match kinds.iter_mut().find(|(kind, _)| std::ptr::eq(*kind, of)) {
            Some((_, same)) => same.push(job),
            None => kinds.push((of, vec![job])),
        }
    }
    kinds
}

/// Rotations: all of them in one statement, and so in one commit.
pub(super) struct Rotations(pub(super) Arc<Target>);

impl Work for Rotations {
    type Job = Commit;
    const MOST: usize = GROUP_MAX;
    const DURABILITY: Durability = Durability::Local;

    async fn run(&self, connection: &mut Connection, jobs: &mut Vec<Commit>) -> Result<(), Failed> {
        let statement = |commit: &Commit| commit.batch.first().map(|write| write.statement);
        let known = std::mem::take(jobs).into_iter().filter(|job| statement(job).is_some());
        for (statement, mut commits) in
            kinds(known.collect(), |job| statement(job).unwrap_or(&crate::families::ROTATE))
        {
            // In one order on every node, so that none waits for a row of another that waits for it.
            commits.sort_by(|a, b| key(a).cmp(key(b)));
            self.0.stats.begin(commits.len());
            match rotate(connection, statement, &commits).await {
                Ok(written) => {
                    for (commit, outcome) in commits.into_iter().zip(written) {
                        let _ = commit.done.send(Ok(outcome));
                    }
                }
                Err(failed) => {
                    self.0.stats.fail();
                    for commit in commits {
                        self.refuse(commit, failed.cause());
                    }
                    if matches!(failed, Failed::Broken(_)) {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, job: Commit, cause: &str) {
        refuse(job, cause);
    }
}

fn key(commit: &Commit) -> &[u8] {
    match commit.batch.first().and_then(|write| write.values.first()) {
        Some(Value::Blob(key)) => key,
        _ => &[],
    }
}

async fn rotate(
    connection: &mut Connection,
    statement: &'static Statement,
    commits: &[Commit],
) -> Result<Vec<Outcome>, Failed> {
    connection.prepare(statement.set.unwrap_or(statement.sql)).await?;
    let values = commits.iter().filter_map(|c| c.batch.first()).map(|write| &write.values[..]);
    let set = Set::new(statement, values);
    let mut tries = 0;
    let touched = loop {
        match set.run(connection).await {
            Err(Failed::Rolled(_)) if tries < RETRIES => pause(&mut tries).await,
            result => break result?,
        }
    };
    let mut outcomes = vec![Outcome::Conflict; commits.len()];
    for (place, _) in touched {
        if let Some(outcome) = outcomes.get_mut(place) {
            *outcome = Outcome::Done;
        }
    }
    Ok(outcomes)
}

/// Everything that must be as durable as the cluster can make it: one transaction after another.
pub(super) struct Commits(pub(super) Arc<Target>);

impl Work for Commits {
    type Job = Commit;
    const MOST: usize = 1;
    const DURABILITY: Durability = Durability::Replicated;

    async fn run(&self, connection: &mut Connection, jobs: &mut Vec<Commit>) -> Result<(), Failed> {
        for commit in std::mem::take(jobs) {
            self.0.stats.begin(1);
            let mut tries = 0;
            let result = loop {
                match transaction::run(connection, &commit.batch).await {
                    Err(Failed::Rolled(_)) if tries < RETRIES => pause(&mut tries).await,
                    result => break result,
                }
            };
            match result {
                Ok(outcome) => drop(commit.done.send(Ok(outcome))),
                Err(failed) => {
                    self.0.stats.fail();
                    refuse(commit, failed.cause());
                    if matches!(failed, Failed::Broken(_)) {
                        return Err(failed);
                    }
                }
            }
        }
        Ok(())
    }

    fn refuse(&self, job: Commit, cause: &str) {
        refuse(job, cause);
    }
}

/// Before what others were in the way of is tried again.
async fn pause(tries: &mut u32) {
    *tries += 1;
    sleep(Duration::from_millis(1 << *tries)).await;
}

fn refuse(job: Commit, cause: &str) {
    let _ = job.done.send(Err(Error::Unavailable { cause: cause.to_owned() }));
}
