//! A copy of a database that a server may run on, by SQLite's online backup.
//!
//! One read transaction lasts for the whole copy, so that it is of one moment however long it takes, and
//! commits do not make it begin anew. The log of a running server grows meanwhile.

use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::files::beside;
use super::reading::connect_still;
use super::{BUSY, connect, prepare};
use crate::migrate::{MigrateError, version};

/// The number of pages that are copied between two looks at the progress.
const STEP: i32 = 1_024;

/// The reason why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error("cannot read the database {}: {reason}", file.display())]
    Source {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: rusqlite::Error,
    },
    /// It is not one of Remint's.
    #[error("cannot copy {}: {reason}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: MigrateError,
    },
    /// The copy cannot be written.
    #[error("cannot write the copy: {0}")]
    Copy(rusqlite::Error),
    /// The copy is not what a database should be.
    #[error("the copy is damaged, and most likely the database with it: {0}")]
    Damaged(String),
}

/// The result of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Its pages.
    pub pages: u64,
    /// The version of its schema.
    pub schema: i64,
}

pub(crate) fn back_up(
    file: &Path,
    to: &Path,
    mut tell: impl FnMut(u64, u64),
) -> Result<BackedUp, BackupError> {
    let unreadable = |reason| BackupError::Source { file: file.to_owned(), reason };
    let (source, schema) = open(file)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(to, flags).and_then(prepare);
    let mut copy = copy.map_err(BackupError::Copy)?;
    // Nothing is there that a crash could damage, and all of it goes to disk at the end.
    let fast = "PRAGMA journal_mode = off; PRAGMA synchronous = off";
    copy.execute_batch(fast).map_err(BackupError::Copy)?;
    let backup = Backup::new(&source, &mut copy).map_err(BackupError::Copy)?;
    let mut waited = std::time::Duration::ZERO;
    loop {
        let step = backup.step(STEP).map_err(BackupError::Copy)?;
        let progress = backup.progress();
        let count = |pages: i32| u64::from(pages.unsigned_abs());
        tell(count(progress.pagecount - progress.remaining), count(progress.pagecount));
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            // Busy or locked, or what a later SQLite may say.
            StepResult::Busy | StepResult::Locked | _ if waited >= BUSY => {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                return Err(unreadable(rusqlite::Error::SqliteFailure(busy, None)));
            }
            StepResult::Busy | StepResult::Locked | _ => {
                let pause = std::time::Duration::from_millis(50);
                std::thread::sleep(pause);
                waited += pause;
            }
        }
    }
    let pages = u64::from(backup.progress().pagecount.unsigned_abs());
    drop(backup);
    drop(copy);
    check(to)?;
    Ok(BackedUp { pages, schema })
}

/// Opens the database as one that others write to. Where that cannot be, because its directory is read-only,
/// as one that nobody does.
fn open(file: &Path) -> Result<(Connection, i64), BackupError> {
    let unreadable = |reason| BackupError::Source { file: file.to_owned(), reason };
    let begin = |db: Connection| {
        db.execute_batch("BEGIN")?;
        let version = version(&db);
        Ok::<_, rusqlite::Error>((db, version))
    };
    let opened = connect(file, false).and_then(begin);
    let (db, version) = match opened {
        Ok((_, Err(MigrateError::Sqlite(_)))) | Err(_)
            if beside(file, "-wal").symlink_metadata().is_err() =>
        {
            connect_still(file).and_then(begin).map_err(unreadable)?
        }
        opened => opened.map_err(unreadable)?,
    };
    match version {
        Ok(schema) if schema > 0 => Ok((db, schema)),
        Ok(_) => Err(BackupError::Foreign { file: file.to_owned(), reason: MigrateError::Foreign }),
        Err(MigrateError::Sqlite(reason)) => Err(unreadable(reason)),
        Err(reason) => Err(BackupError::Foreign { file: file.to_owned(), reason }),
    }
}

fn check(copy: &Path) -> Result<(), BackupError> {
    let db = connect_still(copy).map_err(BackupError::Copy)?;
    let says: String = db
        .query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))
        .map_err(BackupError::Copy)?;
    if says == "ok" { Ok(()) } else { Err(BackupError::Damaged(says)) }
}
