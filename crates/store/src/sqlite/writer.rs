//! The one connection that writes: what has queued up becomes one commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoint::Checkpoint;
use super::files::Files;
use super::readers::Readers;
use super::{leave_others_alone, rescue, unavailable};
use crate::Error;
use crate::batch::{Batch, Expect, Outcome};
use crate::stats::Stats;

/// The most batches in one commit.
const GROUP_MAX: usize = 256;

/// A batch that waits for its commit.
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) done: oneshot::Sender<Result<Outcome, Error>>,
}

/// The one connection that writes.
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) queue: mpsc::Receiver<Job>,
    pub(super) checkpoint: Checkpoint,
    pub(super) files: Arc<Files>,
    pub(super) readers: Arc<Readers>,
    pub(super) stats: Arc<Stats>,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut jobs = Vec::with_capacity(GROUP_MAX);
        while self.gather(&mut jobs) {
            self.stats.begin(jobs.len());
            let outcomes = self.commit(&jobs);
            if outcomes.is_err() {
                self.stats.fail();
            }
            // Before the answers, so that whoever has one reads what it says.
            self.readers.commits.fetch_add(1, Ordering::Release);
            answer(jobs.drain(..), outcomes);
            self.checkpoint.after_commit(&self.db);
        }
        // The last connection to close folds the log into the database and removes it.
        self.checkpoint.stop();
        if self.check().is_err() {
            leave_others_alone(&self.db);
        }
    }

    /// Commits one group. What is acknowledged is in the files that the next start will open.
    fn commit(&self, jobs: &[Job]) -> Result<Vec<Outcome>, Error> {
        self.files.ensure_not_lost()?;
        let outcomes = commit_group(&self.db, jobs).map_err(|error| {
            tracing::error!(%error, lost = jobs.len(), "a commit failed");
            unavailable(&error)
        })?;
        self.check()?;
        Ok(outcomes)
    }

    fn check(&self) -> Result<(), Error> {
        self.files.check(|| {
            self.readers.end_snapshots();
            rescue(&self.db);
        })
    }

    /// Takes what is queued, once something is. False when nothing will be any more.
    fn gather(&mut self, jobs: &mut Vec<Job>) -> bool {
        let Some(first) = self.queue.blocking_recv() else { return false };
        jobs.push(first);
        // This is no waiting: where a core is idle it goes on at once. Where requests compete for the
        // only one, the first of them woke this thread, which would take the core from the others
        // and commit that one alone. So they go first, and share the commit.
        std::thread::yield_now();
        while jobs.len() < GROUP_MAX
            && let Ok(job) = self.queue.try_recv()
        {
            jobs.push(job);
        }
        true
    }
}

/// One transaction for all jobs. An error takes the whole group with it: nothing of it is on disk,
/// or nobody can tell, and the answer is the same.
fn commit_group(db: &Connection, jobs: &[Job]) -> rusqlite::Result<Vec<Outcome>> {
    let attempt = || {
        db.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        let outcomes =
            jobs.iter().map(|job| run_batch(db, &job.batch)).collect::<Result<_, _>>()?;
        db.prepare_cached("COMMIT")?.execute(())?;
        Ok(outcomes)
    };
    attempt().inspect_err(|_| {
        if !db.is_autocommit()
            && let Err(error) = db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "rollback failed");
        }
    })
}

fn run_batch(db: &Connection, batch: &Batch) -> rusqlite::Result<Outcome> {
    // One statement is whole by itself. Several need a savepoint to be taken back together.
    let Some(savepoint) = (batch.len() > 1).then_some("SAVEPOINT batch") else {
        return run_writes(db, batch);
    };
    db.prepare_cached(savepoint)?.execute(())?;
    let outcome = run_writes(db, batch)?;
    if outcome == Outcome::Conflict {
        db.prepare_cached("ROLLBACK TO batch")?.execute(())?;
    }
    db.prepare_cached("RELEASE batch")?.execute(())?;
    Ok(outcome)
}

fn run_writes(db: &Connection, batch: &Batch) -> rusqlite::Result<Outcome> {
    for write in batch {
        let mut statement = db.prepare_cached(write.statement.sql)?;
        let touched = statement.execute(rusqlite::params_from_iter(&write.values))?;
        if write.expect == Expect::OneRow && touched != 1 {
            return Ok(Outcome::Conflict);
        }
    }
    Ok(Outcome::Done)
}

fn answer(jobs: std::vec::Drain<'_, Job>, outcomes: Result<Vec<Outcome>, Error>) {
    // A receiver that is gone belongs to a client that hung up: its write stands all the same.
    match outcomes {
        Ok(outcomes) => jobs.zip(outcomes).for_each(|(job, outcome)| {
            let _ = job.done.send(Ok(outcome));
        }),
        Err(error) => jobs.for_each(|job| {
            let Error::Unavailable { cause } = &error else { return };
            let _ = job.done.send(Err(Error::Unavailable { cause: cause.clone() }));
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Statement, Write};
    use crate::row::Value;
    use crate::sqlite::{create, write_ahead};

    const INSERT: Statement = Statement::new("INSERT INTO t VALUES (?1)");

    fn count(db: &Connection) -> i64 {
        db.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap()
    }

    fn group(batches: u8) -> Vec<Job> {
        let write = |n| Write::one(&INSERT, vec![Value::Blob(vec![n; 3_000])]);
        (0..batches).map(|n| Job { batch: vec![write(n)], done: oneshot::channel().0 }).collect()
    }

    /// A bound on the pages of the database gives the very error that a full disk gives.
    #[test]
    fn a_group_that_finds_the_disk_full_leaves_nothing_and_succeeds_once_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let db = create(&dir.path().join("remint.db")).unwrap();
        write_ahead(&db).unwrap();
        db.execute_batch("CREATE TABLE t (a)").unwrap();
        assert_eq!(commit_group(&db, &group(1)).unwrap(), [Outcome::Done]);
        db.pragma_update_and_check(None, "max_page_count", 8, |_| Ok(())).unwrap();
        let error = commit_group(&db, &group(20)).unwrap_err();
        assert_eq!(error.to_string(), "database or disk is full");
        assert!(db.is_autocommit(), "the transaction is over");
        assert_eq!(count(&db), 1);
        db.pragma_update_and_check(None, "max_page_count", 1_000, |_| Ok(())).unwrap();
        assert_eq!(commit_group(&db, &group(20)).unwrap(), [Outcome::Done; 20]);
        assert_eq!(count(&db), 21);
    }
}
