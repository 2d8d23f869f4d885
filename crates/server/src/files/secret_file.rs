//! Files that hold a secret: root keys, the private key of a certificate, a password. One rule for all of
//! them, which is PostgreSQL's: whose a file is says who may read it.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use zeroize::Zeroizing;

/// The longest one that is read.
const LONGEST: u64 = 1024 * 1024;

/// The reason why a secret is not taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("{} cannot be read by user {}: {reason}", file.display(), geteuid().as_raw())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// It is a directory, a pipe or a device, or much too long.
    #[error("{} is no file that could hold a secret: it must be a regular file of at most 1 MiB", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
    },
    /// Others may read it.
    #[error("{}", open(file, *mode, *owner))]
    Open {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
    /// Others own it, and may write to it.
    #[error(
        "{} belongs to user {owner} (mode {mode:04o}), but this process runs as user {process}: it must be \
         that user's or root's, so run chown {process} and chmod 600 on it",
        file.display()
    )]
    ForeignOwner {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        owner: u32,
        /// The user who wants to read it.
        process: u32,
    },
}

fn open(file: &Path, mode: u32, owner: u32) -> String {
    let (file, root) = (file.display(), owner == 0);
    let whose = if root { "root".to_owned() } else { format!("user {owner}") };
    let rule = if root { "run chmod 600 on it, or chmod 640 for" } else { "run chmod 600 on it" };
    let group = if root { " a server that reads it by its group" } else { "" };
    format!("{file} can be read by others (mode {mode:04o}, of {whose}): {rule}{group}")
}

/// Reads a file that nobody may read who need not. A symbolic link is judged by what it leads to.
///
/// # Errors
/// [`SecretFileError`].
pub fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let io = |reason| SecretFileError::Io { file: file.to_owned(), reason };
    // Before it is opened: a pipe without a writer would wait forever.
    regular(file, &std::fs::metadata(file).map_err(io)?)?;
    let opened = File::open(file).map_err(io)?;
    let metadata = opened.metadata().map_err(io)?;
    regular(file, &metadata)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let process = geteuid().as_raw();
    match judge(owner, mode, process) {
        Verdict::Good => {}
        Verdict::Open => return Err(SecretFileError::Open { file: file.to_owned(), mode, owner }),
        Verdict::ForeignOwner => {
            return Err(SecretFileError::ForeignOwner {
                file: file.to_owned(),
                mode,
                owner,
                process,
            });
        }
    }
    let mut content = Zeroizing::new(Vec::with_capacity(8 * 1024));
    opened.take(LONGEST).read_to_end(&mut content).map_err(io)?;
    Ok(content)
}

fn regular(file: &Path, metadata: &Metadata) -> Result<(), SecretFileError> {
    if metadata.is_file() && metadata.len() <= LONGEST {
        return Ok(());
    }
    Err(SecretFileError::NotAFile { file: file.to_owned() })
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Open,
    ForeignOwner,
}

/// Root's files may be readable by a group, which is how a process that is not root is given one, as by a
/// Kubernetes Secret. All others are for their owner alone, who is the process itself; root may use anybody's.
const fn judge(owner: u32, mode: u32, process: u32) -> Verdict {
    const ROOT: u32 = 0;
    let forbidden = if owner == ROOT { 0o037 } else { 0o077 };
    if owner != ROOT && process != ROOT && owner != process {
        Verdict::ForeignOwner
    } else if mode & forbidden != 0 {
        Verdict::Open
    } else {
        Verdict::Good
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn whose_a_file_is_says_who_may_read_it() {
        const OWN: u32 = 1_000;
        for (owner, mode, process, verdict) in [
            (OWN, 0o600, OWN, Verdict::Good),
            (OWN, 0o400, OWN, Verdict::Good),
            (OWN, 0o640, OWN, Verdict::Open),
            (OWN, 0o604, OWN, Verdict::Open),
            (OWN, 0o620, OWN, Verdict::Open),
            (0, 0o600, OWN, Verdict::Good),
            (0, 0o640, OWN, Verdict::Good),
            (0, 0o440, OWN, Verdict::Good),
            (0, 0o660, OWN, Verdict::Open),
            (0, 0o644, OWN, Verdict::Open),
            (0, 0o641, OWN, Verdict::Open),
            (0, 0o640, 0, Verdict::Good),
            (0, 0o644, 0, Verdict::Open),
            (OWN, 0o600, 0, Verdict::Good),
            (OWN, 0o640, 0, Verdict::Open),
            (2_000, 0o600, OWN, Verdict::ForeignOwner),
            (2_000, 0o644, OWN, Verdict::ForeignOwner),
        ] {
            assert_eq!(judge(owner, mode, process), verdict, "{owner} {mode:o} {process}");
        }
    }

    #[test]
    fn a_secret_behind_links_is_judged_by_the_file_that_they_lead_to() {
        // As a Kubernetes Secret is mounted.
        let dir = tempfile::tempdir().unwrap();
        let (data, link) = (dir.path().join("..2026_11_30"), dir.path().join("remint.keys"));
        std::fs::create_dir(&data).unwrap();
        write(data.join("remint.keys"), "secret").unwrap();
        std::os::unix::fs::symlink("..2026_11_30", dir.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/remint.keys", &link).unwrap();
        let mode = |mode| {
            set_permissions(data.join("remint.keys"), Permissions::from_mode(mode)).unwrap();
        };
        mode(0o600);
        assert_eq!(read(&link).unwrap().as_slice(), b"secret");
        mode(0o644);
        let refused = read(&link).unwrap_err().to_string();
        assert!(refused.contains("(mode 0644, of ") && refused.contains("chmod 600"), "{refused}");
        assert!(refused.contains("remint.keys"), "{refused}");
    }

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for file in [dir.path(), Path::new("/dev/zero")] {
            let refused = read(file).unwrap_err().to_string();
            assert!(refused.contains("regular file"), "{refused}");
        }
    }
}
