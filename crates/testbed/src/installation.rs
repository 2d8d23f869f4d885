//! The programs of PostgreSQL, and the user that they run as.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_ctl", "pg_basebackup", "psql"];

/// The directory that Debian keeps one directory for each major version in.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A directory that has all the programs of one version.
pub(crate) struct Installation {
    bin: PathBuf,
}

impl Installation {
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Installation>> = OnceLock::new();
        FOUND.get_or_init(|| in_path().or_else(newest_of_debian)).as_ref()
    }

    pub(crate) fn get() -> &'static Self {
        Self::find().expect("PostgreSQL is installed; tests ask `is_available` before")
    }

    pub(crate) fn program(&self, name: &str) -> String {
        self.bin.join(name).to_str().expect("a path that is text").to_owned()
    }

    fn at(bin: &Path) -> Option<Self> {
        let complete = PROGRAMS.iter().all(|name| bin.join(name).is_file());
        complete.then(|| Self { bin: bin.to_owned() })
    }
}

/// Only `initdb` may be linked into PATH, so its own directory is tried as well.
fn in_path() -> Option<Installation> {
    env::split_paths(&env::var_os("PATH")?).find_map(|dir| {
        let real = fs::canonicalize(dir.join("initdb")).ok()?;
        Installation::at(&dir).or_else(|| Installation::at(real.parent()?))
    })
}

fn newest_of_debian() -> Option<Installation> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        Some((version, Installation::at(&path.join("bin"))?))
    });
    versions.max_by_key(|(version, _)| *version).map(|(_, installation)| installation)
}

/// The `psql` to use where no server is started here.
pub(crate) fn psql() -> String {
    Installation::find().map_or_else(|| "psql".to_owned(), |found| found.program("psql"))
}

/// The user that servers run as: PostgreSQL refuses to run as root.
pub(crate) struct Servant {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Servant {
    /// None when this process is not root, and servers run as whoever it is.
    pub(crate) fn needed() -> Option<&'static Self> {
        static NEEDED: OnceLock<Option<Servant>> = OnceLock::new();
        NEEDED
            .get_or_init(|| {
                rustix::process::geteuid().is_root().then(|| {
                    Self::named("postgres")
                        .or_else(|| Self::named("nobody"))
                        .expect("a user postgres or nobody, as PostgreSQL does not run as root")
                })
            })
            .as_ref()
    }

    fn named(name: &str) -> Option<Self> {
        let ask = |option| {
            let output = Command::new("id").args([option, name]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        Some(Self { uid: ask("-u")?, gid: ask("-g")? })
    }

    /// Returns the words in front of a command that run it as this user, with the process id unchanged.
    pub(crate) fn prefix(&self) -> [String; 5] {
        let Self { uid, gid } = self;
        let words = ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}")];
        let [a, b, c] = words.map(str::to_owned);
        [a, b, c, "--clear-groups".to_owned(), "--".to_owned()]
    }
}
