//! A database that is only looked at: nothing of it is made or changed, not even beside it.
//!
//! A file without a log is one that nobody has open: it is read without locks, which would need a log and
//! an index of it beside the file. Should somebody begin to write meanwhile, that is seen after the read,
//! and the read is done again in the way of those who read beside a writer.

use std::fs::metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::files::beside;
use super::{connect, prepare, query, unavailable};
use crate::batch::Statement;
use crate::migrate::check_file;
use crate::row::{Row, Value};
use crate::stats::Stats;
use crate::{Error, OpenError};

/// The number of times that a read is done again because somebody began or ceased to write meanwhile.
const ATTEMPTS: usize = 5;

/// An open database that nothing is written to.
pub(crate) struct Reading {
    file: PathBuf,
    opened: Mutex<Option<Opened>>,
    stats: Stats,
}

struct Opened {
    db: Connection,
    /// The state of the file when it was taken for one that nobody writes to.
    still: Option<Still>,
}

/// A file that nobody writes to, as it was.
#[derive(Debug, PartialEq, Eq)]
struct Still([i64; 3], [u64; 3]);

impl Still {
    /// `None` where somebody has it open, or did not close it.
    fn of(file: &Path) -> Option<Self> {
        if ["-wal", "-journal"].iter().any(|suffix| beside(file, suffix).symlink_metadata().is_ok())
        {
            return None;
        }
        let m = metadata(file).ok()?;
        Some(Self([m.mtime(), m.mtime_nsec(), m.ctime_nsec()], [m.dev(), m.ino(), m.size()]))
    }
}

impl Opened {
    fn open(file: &Path) -> rusqlite::Result<Self> {
        let still = Still::of(file);
        let db = if still.is_some() { connect_still(file)? } else { connect(file, true)? };
        Ok(Self { db, still })
    }

    /// Whether what was read is of one moment.
    fn is_good(&self, file: &Path) -> bool {
        self.still.is_none() || self.still == Still::of(file)
    }
}

/// Connects to a file that nobody writes to.
pub(super) fn connect_still(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(uri(file), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(db)
}

/// The URI of a file, whatever bytes its name has.
fn uri(file: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + "?immutable=1"
}

impl Reading {
    pub(crate) fn open(file: &Path) -> Result<Self, OpenError> {
        let reason = |reason| OpenError::Files { file: file.to_owned(), reason };
        // The engine looks for what is beside the file that a link leads to.
        let file = std::fs::canonicalize(file).map_err(reason)?;
        let reading = Self { file, opened: Mutex::default(), stats: Stats::default() };
        let checked = reading.with(check_file);
        let checked = checked.map_err(|reason| reading.refused(reason))?;
        checked.map_err(|reason| OpenError::Migrate { file: reading.file.clone(), reason })?;
        Ok(reading)
    }

    /// Says what helps where a log is there that cannot be read beside.
    fn refused(&self, reason: rusqlite::Error) -> OpenError {
        if beside(&self.file, "-wal").exists() && !beside(&self.file, "-shm").exists() {
            return OpenError::LogOnly { file: self.file.clone(), reason };
        }
        OpenError::Engine { file: self.file.clone(), reason }
    }

    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    pub(crate) fn read(
        &self,
        statement: &'static Statement,
        values: &[Value],
    ) -> Result<Vec<Row>, Error> {
        self.with(|db| query(db, statement.sql, values)).map_err(|error| unavailable(&error))
    }

    /// Reads something that is of one moment.
    fn with<T>(&self, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = rusqlite::Error::InvalidQuery;
        for _ in 0..ATTEMPTS {
            let now = opened.take().map_or_else(|| Opened::open(&self.file), Ok)?;
            let found = read(&now.db);
            match found {
                Ok(found) if now.is_good(&self.file) => {
                    *opened = Some(now);
                    return Ok(found);
                }
                Err(error) if now.is_good(&self.file) => return Err(error),
                Ok(_) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_uri_keeps_every_byte_of_a_name() {
        let name = Path::new(OsStr::from_bytes(b"/a b/\xff?#%&.db"));
        assert_eq!(uri(name), "file:/a%20b/%FF%3F%23%25%26.db?immutable=1");
    }
}
