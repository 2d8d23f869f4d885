//! The connections that read. Reads between two commits share one snapshot.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{connect, query};
use crate::row::{Row, Value};

/// The connections that read, and the number of commits so far.
#[derive(Default)]
pub(super) struct Readers {
    idle: Mutex<Vec<Reader>>,
    pub(super) commits: AtomicU64,
}

impl Readers {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up all snapshots that are not in use at this moment.
    pub(super) fn end_snapshots(&self) {
        self.lock().retain_mut(|reader| reader.end_snapshot().is_ok());
    }
}

pub(super) struct Reader {
    db: Connection,
    /// How many commits the open snapshot shows at least; `None` without a snapshot.
    snapshot: Option<u64>,
}

impl Reader {
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        Ok(Self { db: connect(file, true)?, snapshot: None })
    }

    pub(super) fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        newest: u64,
    ) -> rusqlite::Result<Vec<Row>> {
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
