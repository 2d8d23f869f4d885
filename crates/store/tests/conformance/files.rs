//! What the process believes of its files is what is there: locks that hold, and paths that still lead to
//! what was opened. Of SQLite alone.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use remint_protocol::family::Family;
use remint_store::{Error, Outcome, Store};
use rusqlite::Connection;

use crate::backend::{Place, on_sqlite};
use crate::samples::{family, load, register, rotation, sign_in};

/// The content of a file, read by another process: to open and close a file that a store has open would drop
/// the locks of this one.
pub(crate) fn read_elsewhere(file: &Path) -> Vec<u8> {
    let cat = Command::new("cat").arg(file).output().unwrap();
    assert!(cat.status.success(), "{}", file.display());
    cat.stdout
}

/// Copies a file by another process, as [`read_elsewhere`] reads.
pub(crate) fn copy_elsewhere(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(suffix);
    name.into()
}

/// How many locks this process has on a file.
#[cfg(target_os = "linux")]
fn locks(file: &Path) -> usize {
    let (inode, pid) = (fs::metadata(file).unwrap().ino(), std::process::id());
    let all = fs::read_to_string("/proc/locks").unwrap();
    let ours = all.lines().filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1] == "POSIX"
            && fields[4] == pid.to_string()
            && fields[5].ends_with(&format!(":{inode}"))
    });
    ours.count()
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_store_holds_its_locks_whatever_is_opened_and_closed_beside_it() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let index = beside(&place.file(), "-shm");
        let holds = || {
            assert!(locks(&place.file()) > 0, "on the database");
            assert!(locks(&index) > 0, "on the index of the log");
        };
        holds();
        let second = place.open().await;
        holds();
        load(&second, family.id).await;
        second.close().await;
        drop(second);
        holds();
        assert_eq!(store.rotate(&rotation(family.id, 0)).await.unwrap(), Outcome::Done);
        load(&store, family.id).await;
        holds();
    });
}

#[test]
fn nothing_in_the_sources_could_open_a_database_but_the_engine() {
    /// What could open a file, and how often each module does: to make one that is not there, and
    /// to read certificates.
    const FORBIDDEN: &[&str] = &["OpenOptions::new", "File::", "fs::read", "fs::write", "fs::copy"];
    const ALLOWED: &[(&str, usize)] = &[("sqlite/files.rs", 1), ("postgres/tls.rs", 1)];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut dirs = vec![sources.clone()];
    let mut files = 0;
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(&sources).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let found = FORBIDDEN.iter().map(|word| code.matches(word).count()).sum::<usize>();
            let allowed = ALLOWED.iter().find(|(file, _)| *file == name).map_or(0, |(_, n)| *n);
            assert!(found <= allowed || name.starts_with("tests"), "{name} opens files");
            files += 1;
        }
    }
    assert!(files > 30, "only {files} files were read");
}

fn is_refused<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable { cause }) if cause.contains("restart"))
}

/// A way in which what is at the path stops being what is open.
type Way = (&'static str, fn(&Path));

const WAYS: &[Way] = &[
    ("the database is renamed", |file| fs::rename(file, beside(file, ".away")).unwrap()),
    ("the database is removed", |file| fs::remove_file(file).unwrap()),
    ("another file is put in its place", |file| {
        copy_elsewhere(file, &beside(file, ".new"));
        fs::rename(beside(file, ".new"), file).unwrap();
    }),
    ("the log is removed", |file| fs::remove_file(beside(file, "-wal")).unwrap()),
    ("the index of the log is removed", |file| fs::remove_file(beside(file, "-shm")).unwrap()),
    ("log and index are removed", |file| {
        fs::remove_file(beside(file, "-wal")).unwrap();
        fs::remove_file(beside(file, "-shm")).unwrap();
    }),
    ("the directory is renamed", |file| {
        let dir = file.parent().unwrap();
        fs::rename(dir, beside(dir, ".away")).unwrap();
    }),
    ("another directory is put in its place", |file| {
        let dir = file.parent().unwrap();
        let new = beside(dir, ".new");
        assert!(Command::new("cp").arg("-r").arg(dir).arg(&new).status().unwrap().success());
        fs::rename(dir, beside(dir, ".away")).unwrap();
        fs::rename(new, dir).unwrap();
    }),
];

/// A store in a directory of its own, with a session in it.
async fn furnished(place: &Place) -> (PathBuf, Store, Family) {
    let dir = place.file().parent().unwrap().join("data");
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("remint.db");
    let store = Store::open(&file).unwrap();
    let shop = register(&store).await;
    let family = sign_in(&store, &shop, 1).await.remove(0);
    (file, store, family)
}

#[test]
fn no_commit_is_acknowledged_that_the_next_start_would_not_find() {
    // Whether or not the store has been quiet for long enough to look at its directory alone.
    for ((way, happen), pause) in WAYS.iter().flat_map(|way| [0, 500].map(|pause| (way, pause))) {
        on_sqlite(async |place| {
            let (file, store, family) = furnished(&place).await;
            tokio::time::sleep(Duration::from_millis(pause)).await;
            assert_eq!(store.rotate(&rotation(family.id, 0)).await.unwrap(), Outcome::Done);
            happen(&file);
            // At once: nobody has had the time to notice.
            let refused = store.rotate(&rotation(family.id, 1)).await;
            assert!(is_refused(&refused), "{way}: {refused:?}");
            assert!(store.is_lost(), "{way}");
            assert!(is_refused(&store.load_family(family.id).await), "{way}");
            assert!(is_refused(&store.ping().await), "{way}");
        });
    }
}

#[test]
fn a_store_whose_files_are_gone_says_so_although_nobody_writes() {
    for (way, happen) in WAYS {
        on_sqlite(async |place| {
            let (file, store, family) = furnished(&place).await;
            load(&store, family.id).await;
            happen(&file);
            let mut tries = 0;
            while !store.is_lost() {
                tries += 1;
                assert!(tries < 500, "{way} is not noticed");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(is_refused(&store.load_family(family.id).await), "{way}");
        });
    }
}

#[test]
fn what_was_acknowledged_before_the_log_was_removed_is_in_the_database() {
    for way in WAYS.iter().filter(|(way, _)| way.contains("log")) {
        on_sqlite(async |place| {
            let (file, store, family) = furnished(&place).await;
            for generation in 0..5 {
                store.rotate(&rotation(family.id, generation)).await.unwrap();
            }
            way.1(&file);
            assert!(is_refused(&store.rotate(&rotation(family.id, 5)).await));
            drop(store);
            let store = Store::open(&file).unwrap();
            // The last one was refused, which says nothing of whether it happened.
            assert!(load(&store, family.id).await.generation >= 5, "{}", way.0);
        });
    }
}

#[test]
fn closing_leaves_the_log_alone_that_belongs_to_another_database() {
    on_sqlite(async |place| {
        let (file, store, _) = furnished(&place).await;
        let dir = file.parent().unwrap();
        fs::rename(dir, beside(dir, ".away")).unwrap();
        fs::create_dir(dir).unwrap();
        // Another server's, which is killed.
        let other = Connection::open(&file).unwrap();
        other.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (a)").unwrap();
        std::mem::forget(other);
        let log = read_elsewhere(&beside(&file, "-wal"));
        assert!(!log.is_empty());
        store.close().await;
        drop(store);
        assert_eq!(read_elsewhere(&beside(&file, "-wal")), log);
    });
}

#[test]
fn a_database_behind_a_symbolic_link_is_watched_on_both_ends() {
    for replaced in ["data/remint.db", "real.db", "real.db-wal"] {
        on_sqlite(async |place| {
            let dir = place.file().parent().unwrap().to_owned();
            let (link, real) = (dir.join("data/remint.db"), dir.join("real.db"));
            fs::create_dir(link.parent().unwrap()).unwrap();
            Store::open(&real).unwrap().close().await;
            std::os::unix::fs::symlink(&real, &link).unwrap();
            let store = Store::open(&link).unwrap();
            let shop = register(&store).await;
            let one = family(1, &shop, crate::samples::USER);
            fs::rename(dir.join(replaced), dir.join("away")).unwrap();
            assert!(is_refused(&store.insert_family(&one, None).await), "{replaced}");
        });
    }
}

#[test]
fn a_database_that_is_made_is_for_its_owner_alone_and_never_made_behind_a_link_that_leads_nowhere()
{
    on_sqlite(async |place| {
        let store = place.open().await;
        for suffix in ["", "-wal", "-shm"] {
            let mode = fs::metadata(beside(&place.file(), suffix)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{suffix}");
        }
        drop(store);
        let dir = place.file().parent().unwrap().to_owned();
        let link = dir.join("link.db");
        std::os::unix::fs::symlink(dir.join("nowhere.db"), &link).unwrap();
        let error = Store::open(&link).unwrap_err().to_string();
        assert!(error.contains("unable to open"), "{error}");
        assert!(!dir.join("nowhere.db").exists());
    });
}
