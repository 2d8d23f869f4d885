//! The connections that read. Reads between two commits share one snapshot.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::files::Files;
use super::{closed, connect, leave_others_alone, query, unavailable};
use crate::Error;
use crate::row::{Row, Value};

/// The longest wait of closing for a read: longer than any takes that waits for another process.
const READ_MAX: Duration = Duration::from_secs(10);

/// The connections that read, and how often what they read may have changed.
#[derive(Default)]
pub(super) struct Readers {
    pool: Mutex<Pool>,
    is_back: Condvar,
    /// Commits here, and moments at which another process may have committed.
    pub(super) commits: AtomicU64,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Reader>,
    lent: usize,
    is_closed: bool,
}

impl Readers {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads with an idle connection, or a new one.
    pub(super) fn query(
        &self,
        file: &Path,
        files: &Files,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        let newest = self.commits.load(Ordering::Acquire);
        // Opened and used outside of the lock.
        let idle = self.lend()?;
        let (reader, rows) = match idle.map_or_else(|| Reader::open(file, files), Ok) {
            Err(error) => (None, Err(error)),
            Ok(mut reader) => {
                let rows = reader.query(sql, values, newest).map_err(|error| unavailable(&error));
                // A connection that failed is not used again: its state is unknown.
                (Some(reader).filter(|_| rows.is_ok()), rows)
            }
        };
        self.take_back(reader);
        rows
    }

    fn lend(&self) -> Result<Option<Reader>, Error> {
        let mut pool = self.lock();
        if pool.is_closed {
            return Err(closed());
        }
        pool.lent += 1;
        Ok(pool.idle.pop())
    }

    fn take_back(&self, reader: Option<Reader>) {
        let mut pool = self.lock();
        pool.lent -= 1;
        if pool.is_closed {
            drop(reader);
            self.is_back.notify_all();
        } else {
            pool.idle.extend(reader);
        }
    }

    /// Closes all connections, so that the writer's is the last one and tidies up.
    pub(super) fn close(&self) {
        let mut pool = self.lock();
        pool.is_closed = true;
        pool.idle.clear();
        let ended = self.is_back.wait_timeout_while(pool, READ_MAX, |pool| pool.lent > 0);
        drop(ended);
    }

    /// Gives up all snapshots: idle ones now, one that is in use at this moment before its next read.
    pub(super) fn end_snapshots(&self) {
        self.commits.fetch_add(1, Ordering::Release);
        self.lock().idle.retain_mut(|reader| reader.end_snapshot().is_ok());
    }
}

struct Reader {
    db: Connection,
    /// The number of commits that the open snapshot shows at least; `None` without a snapshot.
    snapshot: Option<u64>,
}

impl Reader {
    fn open(file: &Path, files: &Files) -> Result<Self, Error> {
        let reader = Self::connect(file).map_err(|error| unavailable(&error))?;
        // Opened by its name, and so perhaps not what the others have open.
        files.ensure_same()?;
        Ok(reader)
    }

    fn connect(file: &Path) -> rusqlite::Result<Self> {
        let db = connect(file, true)?;
        // The writer's connection is the last one, and tidies up.
        leave_others_alone(&db);
        Ok(Self { db, snapshot: None })
    }

    fn query(&mut self, sql: &str, values: &[Value], newest: u64) -> rusqlite::Result<Vec<Row>> {
        if self.snapshot != Some(newest) {
            self.end_snapshot()?;
            // The snapshot is taken by the first read, and so after `newest` was.
            self.db.prepare_cached("BEGIN")?.execute(())?;
            self.snapshot = Some(newest);
        }
        query(&self.db, sql, values)
    }

    fn end_snapshot(&mut self) -> rusqlite::Result<()> {
        if self.snapshot.take().is_some() {
            self.db.prepare_cached("COMMIT")?.execute(())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{create, write_ahead};

    #[test]
    fn a_snapshot_that_was_in_use_when_all_were_given_up_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("remint.db");
        let other = create(&file).unwrap();
        write_ahead(&other).unwrap();
        other.execute_batch("CREATE TABLE t (a)").unwrap();
        let readers = Readers::default();
        let mut reader = Reader::connect(&file).unwrap();
        let mut count = || {
            let newest = readers.commits.load(Ordering::Acquire);
            reader.query("SELECT count(*) FROM t", &[], newest).unwrap()
        };
        assert_eq!(count(), [[Value::Int(0)]]);
        other.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(count(), [[Value::Int(0)]], "reads between two commits share one snapshot");
        readers.end_snapshots();
        assert_eq!(count(), [[Value::Int(1)]]);
    }
}
