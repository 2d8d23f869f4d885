//! The files of a database: made here, looked at by name, and opened by the engine alone.
//!
//! A POSIX lock belongs to a process, and closing *any* descriptor of a file gives up *all* locks that the
//! process has on it (sqlite.org, "How To Corrupt An SQLite Database File", 2.2). Another program that opens
//! such a file believes that it is alone, and removes the log under a server that goes on writing to it. So
//! no file of a database that may be open is ever opened here: a new one is made by `O_EXCL`, which gives no
//! descriptor of one that is there, and all others are asked about by `stat`.

use std::fs::{Metadata, OpenOptions, canonicalize, metadata, symlink_metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use remint_protocol::tell;

use crate::Error;

/// Makes the file of a database, for its owner alone; the log and its index get its mode and owner. One
/// that is there is not touched. What is wrong with the path, the engine says better.
pub(super) fn make(file: &Path) {
    // A second thread must not connect to the file before its maker has closed it.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let (Ok(made), Some(dir)) = (made, file.parent()) else { return };
    // Whoever runs as root on a server's directory makes it for the server.
    if let (Ok(own), Ok(dir)) = (made.metadata(), metadata(dir))
        && own.uid() != dir.uid()
    {
        let _ = fchown(&made, Some(dir.uid()), Some(dir.gid()));
    }
}

/// The path of a file that belongs to a database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The identity of a file, which tells it from another one at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    pub(super) fn of(file: &Path) -> std::io::Result<Self> {
        Ok(Self::from(&metadata(file)?))
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// The state of the path of a file that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Now {
    Same,
    Absent,
    Another,
}

/// The files that the connections of a database have open, and whether the paths still lead to them.
/// Once they do not, the next start would open others, so nothing is read or acknowledged any more.
pub(super) struct Files {
    database: (PathBuf, Identity),
    /// The write-ahead log and its index.
    beside: [(PathBuf, Identity); 2],
    /// The directory of all three; `None` if a link leads to them.
    directory: Option<PathBuf>,
    /// The state of the directory when all was well.
    settled: Mutex<Option<Settled>>,
    /// The first change that was seen. Nothing is answered from then on.
    changed: OnceLock<Change>,
    /// Set once that was dealt with.
    lost: OnceLock<()>,
}

impl Files {
    /// Those of a database that is connected to, and whose log is in use.
    pub(super) fn of(database: &Path) -> std::io::Result<Self> {
        // The engine follows symbolic links before it looks for what is beside a file.
        let real = canonicalize(database)?;
        let is_link = symlink_metadata(database)?.is_symlink();
        let identified = |file: PathBuf| Identity::of(&file).map(|identity| (file, identity));
        Ok(Self {
            database: identified(database.to_owned())?,
            beside: [identified(beside(&real, "-wal"))?, identified(beside(&real, "-shm"))?],
            directory: database.parent().filter(|_| !is_link).map(|dir| dir.join(".")),
            settled: Mutex::default(),
            changed: OnceLock::new(),
            lost: OnceLock::new(),
        })
    }

    /// Whether they were lost before; costs nothing.
    pub(super) fn ensure_not_lost(&self) -> Result<(), Error> {
        self.changed.get().map_or(Ok(()), |change| Err(change.refusal()))
    }

    /// Whether the paths lead to them now, for a connection that was just made by their names.
    pub(super) fn ensure_same(&self) -> Result<(), Error> {
        self.ensure_not_lost()?;
        if self.is_settled() {
            return Ok(());
        }
        let Some(change) = self.look()? else { return Ok(()) };
        Err(self.changed.get_or_init(|| change).refusal())
    }

    /// Whether the paths lead to them now. When they do not for the first time, `rescue` runs where what is in
    /// the log should be folded into the database that is open, and it is said in one line. Others wait for
    /// its end.
    pub(super) fn check(&self, rescue: impl FnOnce()) -> Result<(), Error> {
        let same = self.ensure_same();
        let Some(change) = self.changed.get() else { return same };
        self.lost.get_or_init(|| {
            if change.rescue {
                rescue();
            }
            tell!(STORE_LOST, cause = change.cause);
        });
        Err(change.refusal())
    }

    /// Looks at the files as `check` does, and remembers how their directory is. Called again and again, at
    /// least several ticks of the file system's clock apart: as long as a directory is as it was two such looks
    /// ago, no name in it leads to anything else, and a look at it alone is enough.
    pub(super) fn settle(&self) {
        let Some(now) = self.directory.as_deref().and_then(|dir| Stamp::of(dir).ok()) else {
            return;
        };
        let is_well = matches!(self.look(), Ok(None));
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        *settled = is_well.then(|| {
            let was_seen = settled.is_some_and(|before| before.directory == now) && now.is_fine();
            Settled { directory: now, is_trusted: was_seen }
        });
    }

    fn is_settled(&self) -> bool {
        let settled = *self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(settled), Some(dir)) = (settled.filter(|s| s.is_trusted), &self.directory) else {
            return false;
        };
        Stamp::of(dir).is_ok_and(|now| now == settled.directory)
    }

    fn look(&self) -> Result<Option<Change>, Error> {
        let database = look(&self.database)?;
        let [wal, shm] = &self.beside;
        let (log, index) = (look(wal)?, look(shm)?);
        let all = [(&self.database.0, database), (&wal.0, log), (&shm.0, index)];
        let Some((file, now)) = all.into_iter().find(|(_, now)| *now != Now::Same) else {
            return Ok(None);
        };
        let became = if now == Now::Absent { "is gone" } else { "is another file now" };
        let cause = format!(
            "{} {became}, under the server that had it open; put the right files in place and restart the \
             server",
            file.display()
        );
        // What was answered before is kept, and no log is left for a database that it is not of. But not
        // where others may have begun a new log of the same database.
        let rescue = database != Now::Same || ![log, index].contains(&Now::Another);
        Ok(Some(Change { cause, rescue }))
    }
}

/// A directory, and when a name in it came, went or changed what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    directory: Identity,
    modified: (i64, i64),
}

impl Stamp {
    fn of(directory: &Path) -> std::io::Result<Self> {
        let there = metadata(directory)?;
        let modified = (there.mtime(), there.mtime_nsec());
        Ok(Self { directory: Identity::from(&there), modified })
    }

    /// Whether the file system counts less than seconds: otherwise changes some ticks apart look like one.
    const fn is_fine(self) -> bool {
        self.modified.1 != 0
    }
}

/// The state of the files' directory at the last look at all of them.
#[derive(Clone, Copy, Debug)]
struct Settled {
    directory: Stamp,
    /// Whether it was so at the look before as well: what changed since has another time.
    is_trusted: bool,
}

/// A change of the files.
struct Change {
    cause: String,
    rescue: bool,
}

impl Change {
    fn refusal(&self) -> Error {
        Error::Unavailable { cause: self.cause.clone() }
    }
}

/// A path that cannot be looked at, for a reason other than that nothing is there, tells nothing.
fn look((file, opened): &(PathBuf, Identity)) -> Result<Now, Error> {
    match Identity::of(file) {
        Ok(now) if now == *opened => Ok(Now::Same),
        Ok(_) => Ok(Now::Another),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Now::Absent)
        }
        Err(error) => {
            Err(Error::Unavailable { cause: format!("cannot look at {}: {error}", file.display()) })
        }
    }
}
