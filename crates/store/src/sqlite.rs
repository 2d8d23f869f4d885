//! SQLite: one writer thread that commits what has queued up as one group, and connections that
//! read beside it (WAL mode).
//!
//! The writer never waits for company: an idle server commits at once, a busy one shares each fsync
//! among all that arrived during the one before. `synchronous=FULL`, so an answer means that the
//! commit is on disk. Checkpoints run on a connection of their own, off the writer's path.
//!
//! Reads between two commits share one snapshot, because taking one costs as much as a read. They
//! see every commit of this process at once, and those of another one, such as a command line, after
//! [`SNAPSHOT_MAX`] at the latest.

pub(crate) mod backup;
mod checkpoint;
mod files;
mod readers;
mod reading;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, Outcome, Statement};
use crate::migrate::migrate_file;
use crate::row::{Row, Value};
use crate::stats::Stats;
use crate::{Error, OpenError};

use checkpoint::Checkpoint;
use files::Files;
use readers::Readers;
pub(crate) use reading::Reading;
use writer::{Job, Writer};

/// The most batches that may wait; further ones are refused at once.
const QUEUE_MAX: usize = 16_384;
/// In bytes: a leaf has at least four rows of up to 488 bytes, or longer ones continue elsewhere.
const PAGE_SIZE: u32 = 2_048;
/// The wait for another process, such as a command line, that is writing.
const BUSY: Duration = Duration::from_secs(5);
/// The longest age of a snapshot while nothing is committed here.
const SNAPSHOT_MAX: Duration = Duration::from_millis(100);

/// An open database.
pub(crate) struct Sqlite {
    file: PathBuf,
    files: Arc<Files>,
    readers: Arc<Readers>,
    writer: Mutex<Option<mpsc::Sender<Job>>>,
    queue: mpsc::WeakSender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stats: Arc<Stats>,
}

impl Sqlite {
    pub(crate) fn open(file: &Path) -> Result<Self, OpenError> {
        let engine = |reason| OpenError::Engine { file: file.to_owned(), reason };
        let mut db = create(file).map_err(engine)?;
        // A refresh writes the page that its row is in, twice: to the log, and to the database later. Only a
        // database that is made now takes the size. Rows of half as many bytes would not fit into less.
        db.pragma_update(None, "page_size", PAGE_SIZE).map_err(engine)?;
        // First of all, so that a database which is refused is left as it was.
        migrate_file(&mut db)
            .map_err(|reason| OpenError::Migrate { file: file.to_owned(), reason })?;
        write_ahead(&db).map_err(engine)?;
        let checkpointer = connect(file, false).map_err(engine)?;
        write_ahead(&checkpointer).map_err(engine)?;
        let files = Files::of(file);
        let files = files.map_err(|reason| OpenError::Files { file: file.to_owned(), reason })?;
        let files = Arc::new(files);
        let stats = Arc::new(Stats::default());
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let log_pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&log_pages);
        let count = move |_: &mut Wal, pages: std::ffi::c_int| {
            seen.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        };
        db.wal_hook(Some(count)).map_err(engine)?;
        let readers = Arc::new(Readers::default());
        let checkpoint =
            Checkpoint::start(checkpointer, Arc::clone(&readers), Arc::clone(&files), log_pages)?;
        let writer = Writer {
            db,
            queue,
            checkpoint,
            files: Arc::clone(&files),
            readers: Arc::clone(&readers),
            stats: Arc::clone(&stats),
        };
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run())?;
        Ok(Self {
            file: file.to_owned(),
            files,
            readers,
            queue: sender.downgrade(),
            writer: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            stats,
        })
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn read(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        self.files.ensure_not_lost()?;
        self.readers.query(&self.file, &self.files, statement.sql, values)
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Outcome, Error> {
        let overloaded = || Error::Unavailable { cause: "too many writes are waiting".into() };
        self.files.ensure_not_lost()?;
        let (done, outcome) = oneshot::channel();
        let queue = self.queue.upgrade().ok_or_else(closed)?;
        let sent = queue.try_send(Job { batch, done });
        drop(queue);
        sent.map_err(|_| overloaded())?;
        outcome.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Returns the number of batches that wait now; `None` once nothing is written any more.
    pub(crate) fn queued(&self) -> Option<usize> {
        let queue = self.queue.upgrade().filter(|queue| !queue.is_closed())?;
        Some(queue.max_capacity() - queue.capacity())
    }

    /// Whether the files that are open are no longer those that the next start would open.
    pub(crate) fn is_lost(&self) -> bool {
        self.files.ensure_not_lost().is_err()
    }

    pub(crate) fn close(&self) {
        // Before the writer, which otherwise would not be the last one and leave its log behind.
        self.readers.close();
        drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.close();
    }
}

/// Connects to a file for writing, and makes it where it is not there.
fn create(file: &Path) -> rusqlite::Result<Connection> {
    files::make(file);
    connect(file, false)
}

/// Connects to a file that is there.
fn connect(file: &Path, read_only: bool) -> rusqlite::Result<Connection> {
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    prepare(Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

fn prepare(db: Connection) -> rusqlite::Result<Connection> {
    db.busy_timeout(BUSY)?;
    // A plan that depended on the values would be made anew for each of them.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Prepares a connection for writing. The mode of the journal stays with the file.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    const STEP: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    // Changing the mode does not heed the busy timeout.
    while let Err(error) = db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
        if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) || waited >= BUSY {
            return Err(error);
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "cache_size", -8_192)?;
    // The log and its index are there from the first read on.
    db.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))
}

/// Folds all of the log into the database that is open, wherever it is now.
fn rescue(db: &Connection) {
    if let Err(error) = db.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE) {
        tracing::error!(%error, "the write-ahead log could not be folded into the database that was open");
    }
}

/// Leaves what is at the paths of the log as it is when the connection closes: it belongs to others.
fn leave_others_alone(db: &Connection) {
    let left = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    if let Err(error) = left {
        tracing::error!(%error, "closing may touch a database that is not this one");
    }
}

fn query(db: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = db.prepare_cached(sql)?;
    let width = statement.column_count();
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push((0..width).map(|i| row.get_ref(i).map(Value::from)).collect::<Result<_, _>>()?);
    }
    Ok(rows)
}

fn closed() -> Error {
    Error::Unavailable { cause: "the store is closing".into() }
}

fn unavailable(error: &rusqlite::Error) -> Error {
    Error::Unavailable { cause: error.to_string() }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(v) => Self::Int(v),
            ValueRef::Text(v) => String::from_utf8(v.to_vec()).map_or(Self::Null, Self::Text),
            ValueRef::Blob(v) => Self::Blob(v.to_vec()),
            ValueRef::Null | ValueRef::Real(_) => Self::Null,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(v) => ValueRef::Integer(*v),
            Self::Text(v) => ValueRef::Text(v.as_bytes()),
            Self::Blob(v) => ValueRef::Blob(v),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_has_pages_of_2_kib_and_one_that_is_there_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("new.db"), dir.path().join("old.db"));
        let db = create(&old).unwrap();
        db.execute_batch("VACUUM").unwrap();
        drop(db);
        for (file, expected) in [(new, 2_048), (old, 4_096)] {
            for _ in 0..2 {
                Sqlite::open(&file).unwrap().close();
                let db = connect(&file, true).unwrap();
                let size: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
                assert_eq!(size, expected, "{}", file.display());
            }
        }
    }

    /// No test can cut the power, so this one looks at what decides what is left then.
    #[test]
    fn the_log_is_on_disk_before_a_commit_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let db = create(&dir.path().join("remint.db")).unwrap();
        db.pragma_update(None, "synchronous", "off").unwrap();
        write_ahead(&db).unwrap();
        let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        let full: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), full), ("wal", 2));
    }
}
