//! Files that are written whole or not at all.
//!
//! A draft beside the file is written, put on disk and renamed, so that a crash or a full disk leaves the file
//! as it was. One that is there keeps its owner, group and mode, and a symbolic link stays one. Whoever
//! has the draft is the only writer: a change that begins with reading is not lost to another one.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// The wait for another process that writes the same file.
const WAIT: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(50);

/// The reason why a file is not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It must not be there yet.
    #[error("cannot write {}: it is there already (File exists); nothing was changed", file.display())]
    There {
        /// The file.
        file: PathBuf,
    },
    /// It is a directory, a pipe or a device.
    #[error("{} is not a regular file: name one, or a symbolic link to one", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
    },
    /// Somebody else writes it.
    #[error("{} is being written by another process: try again when it is done", file.display())]
    Busy {
        /// The file.
        file: PathBuf,
    },
    /// Only root can give a file to another user.
    #[error(
        "{} belongs to user {owner} and group {group}, which would not stay so: run this as root or as \
         that user",
        file.display()
    )]
    Owner {
        /// The file.
        file: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its group.
        group: u32,
    },
    /// A file cannot be put in the place of a mount.
    #[error(
        "{} is mounted by itself, so it cannot be replaced: mount its directory instead, or change it where \
         it comes from",
        file.display()
    )]
    Mounted {
        /// The file.
        file: PathBuf,
    },
    /// The system refuses.
    #[error("cannot write {}: {reason}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Its reason.
        reason: io::Error,
    },
}

/// A file that is being written; dropping it leaves everything as it was.
#[derive(Debug)]
pub struct Draft {
    file: PathBuf,
    path: PathBuf,
    out: File,
    /// The file as it was before; `None` for one that must not exist yet.
    before: Option<Metadata>,
    mode: u32,
}

impl Draft {
    /// A file that must not be there yet.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn create(file: &Path, mode: u32) -> Result<Self, WriteError> {
        // A symbolic link that leads nowhere is there too.
        if fs::symlink_metadata(file).is_ok() {
            return Err(WriteError::There { file: file.to_owned() });
        }
        Self::begin(file, None, mode)
    }

    /// A new content for a file that is there.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn replace(file: &Path) -> Result<Self, WriteError> {
        let io = |reason| WriteError::Io { file: file.to_owned(), reason };
        let real = fs::canonicalize(file).map_err(io)?;
        let metadata = fs::metadata(&real).map_err(io)?;
        if !metadata.is_file() {
            return Err(WriteError::NotAFile { file: file.to_owned() });
        }
        let mode = metadata.permissions().mode() & 0o7777;
        Self::begin(&real, Some(metadata), mode)
    }

    fn begin(file: &Path, before: Option<Metadata>, mode: u32) -> Result<Self, WriteError> {
        let not_a_file = || WriteError::NotAFile { file: file.to_owned() };
        let mut name = std::ffi::OsString::from(".");
        name.push(file.file_name().ok_or_else(not_a_file)?);
        name.push(".new");
        let path = file.with_file_name(name);
        let mut waited = Duration::ZERO;
        let out = loop {
            let io = |reason| WriteError::Io { file: path.clone(), reason };
            match lock_draft(&path).map_err(io)? {
                Some(out) => break out,
                None if waited >= WAIT => {
                    return Err(WriteError::Busy { file: file.to_owned() });
                }
                None => std::thread::sleep(STEP),
            }
            waited += STEP;
        };
        Ok(Self { file: file.to_owned(), path, out, before, mode })
    }

    /// Puts the content in the place of the file, and on disk.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn put(mut self, content: &[u8]) -> Result<(), WriteError> {
        let io = |reason| WriteError::Io { file: self.file.clone(), reason };
        self.out.write_all(content).map_err(io)?;
        self.settle()
    }

    /// The path of the draft, for those who write it by its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the draft, which was written by its name, in the place of the file, and on disk.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn settle(self) -> Result<(), WriteError> {
        let io = |reason| WriteError::Io { file: self.file.clone(), reason };
        self.keep_owner()?;
        self.out.set_permissions(Permissions::from_mode(self.mode)).map_err(io)?;
        self.out.sync_all().map_err(io)?;
        let renamed = match &self.before {
            Some(_) => fs::rename(&self.path, &self.file),
            None => rename_new(&self.path, &self.file),
        };
        renamed.map_err(|reason| match reason.kind() {
            ErrorKind::AlreadyExists => WriteError::There { file: self.file.clone() },
            ErrorKind::ResourceBusy => WriteError::Mounted { file: self.file.clone() },
            _ => io(reason),
        })?;
        // The name is on disk when its directory is.
        match File::open(directory(&self.file)).and_then(|dir| dir.sync_all()) {
            Err(error) if error.kind() != ErrorKind::InvalidInput => Err(io(error)),
            _ => Ok(()),
        }
    }

    fn keep_owner(&self) -> Result<(), WriteError> {
        let Some(before) = &self.before else {
            give_to_owner_of(&self.out, directory(&self.file));
            return Ok(());
        };
        let (owner, group) = (before.uid(), before.gid());
        let io = |reason| WriteError::Io { file: self.file.clone(), reason };
        let own = self.out.metadata().map_err(io)?;
        if (own.uid(), own.gid()) == (owner, group) {
            return Ok(());
        }
        fchown(&self.out, Some(owner), Some(group)).map_err(|reason| match reason.kind() {
            ErrorKind::PermissionDenied => {
                WriteError::Owner { file: self.file.clone(), owner, group }
            }
            _ => io(reason),
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Only while it is this one's: after the rename there may be another writer's.
        if is_at(&self.out, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a draft that no other process has; `None` while another one has it. What a writer left that was
/// killed is removed.
fn lock_draft(path: &Path) -> io::Result<Option<File>> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let out = match made {
        Ok(out) => out,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let left = match OpenOptions::new().write(true).open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            if is_free(&left)? && is_at(&left, path) {
                fs::remove_file(path)?;
            }
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // Another process may have taken it for one that was left, before it was locked.
    Ok((is_free(&out)? && is_at(&out, path)).then_some(out))
}

fn is_free(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    let (Ok(own), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    identity(&own) == identity(&there)
}

/// Renames a file to a name that nothing has.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// The directory that a file is in.
fn directory(file: &Path) -> &Path {
    file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives a file that root made to whom its directory belongs, who has to use it.
pub fn give_to_owner_of(file: &File, dir: &Path) {
    if let (Ok(own), Ok(dir)) = (file.metadata(), fs::metadata(dir))
        && own.uid() != dir.uid()
    {
        // Nobody but root can, or need.
        let _ = fchown(file, Some(dir.uid()), Some(dir.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut all: Vec<_> = all.map(|name| name.into_string().unwrap()).collect();
        all.sort();
        all
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        Draft::replace(&link).unwrap().put(b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(dir.path()), ["file", "link"]);
    }

    #[test]
    fn a_file_of_another_user_stays_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "old").unwrap();
        if std::os::unix::fs::chown(&file, Some(4_242), Some(4_343)).is_err() {
            eprintln!("left out: only root can give files away");
            return;
        }
        Draft::replace(&file).unwrap().put(b"new").unwrap();
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (4_242, 4_343));
        // A new one belongs to whom the directory does.
        std::os::unix::fs::chown(dir.path(), Some(4_242), Some(4_343)).unwrap();
        let new = dir.path().join("new");
        Draft::create(&new, 0o600).unwrap().put(b"new").unwrap();
        assert_eq!(fs::metadata(new).unwrap().uid(), 4_242);
    }

    #[test]
    fn a_new_file_replaces_nothing_not_even_a_link_that_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let refused = Draft::create(&link, 0o600).unwrap_err().to_string();
        assert!(refused.contains("link: it is there already"), "{refused}");
        let draft = Draft::create(&file, 0o600).unwrap();
        fs::write(&file, "faster").unwrap();
        let refused = draft.put(b"slower").unwrap_err().to_string();
        assert!(refused.contains("is there already"), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), b"faster");
        assert_eq!(names(dir.path()), ["file", "link"]);
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for file in [dir.path(), Path::new("/dev/null")] {
            let refused = Draft::replace(file).unwrap_err().to_string();
            assert!(refused.contains("is not a regular file"), "{refused}");
        }
    }

    #[test]
    fn a_draft_that_a_killed_writer_left_is_no_obstacle_and_two_writers_come_one_after_another() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        fs::write(dir.path().join(".file.new"), "half a secret").unwrap();
        let write = |_| {
            for _ in 0..20 {
                let draft = Draft::replace(&file).unwrap();
                let longer = fs::read_to_string(&file).unwrap() + "x";
                draft.put(longer.as_bytes()).unwrap();
            }
        };
        std::thread::scope(|scope| (0..2).for_each(|n| drop(scope.spawn(move || write(n)))));
        assert_eq!(fs::read_to_string(&file).unwrap().len(), 40, "no change was lost");
        drop(Draft::replace(&file).unwrap());
        assert_eq!(names(dir.path()), ["file"]);
    }
}
