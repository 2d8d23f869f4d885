//! Backups of a live server, restoring them, and looking at copies that cannot be written.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::{has, under_load};
use crate::home::{Home, Server, remint, run};
use crate::support::{CREATE_ALICE, CREATE_SHOP, PASSWORD, SECRET, bare};

/// The blocks of the guide, as it has them.
fn block_with(words: &str) -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let guide = fs::read_to_string(guide).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.contains(words));
    let block = found.next().unwrap_or_else(|| panic!("no block with {words}")).to_owned();
    assert!(found.next().is_none(), "{words} is in two blocks");
    block
}

/// Runs a block of the guide on an installation.
fn run_block(home: &Home, words: &str, backups: &Path) {
    let script = block_with(words)
        .replace("/var/lib/remint", home.dir().to_str().unwrap())
        .replace("/backup", backups.to_str().unwrap())
        .replace("systemctl ", "true ")
        .replace("-o remint -g remint", "");
    let dir = Path::new(crate::support::REMINT).parent().unwrap().display();
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    let mut shell = bare("sh");
    shell.args(["-e", "-c", &script]).env("PATH", format!("{dir}:{path}")).current_dir(backups);
    run(shell, "").ok();
}

fn only_file(dir: &Path) -> PathBuf {
    let all: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [one] = all.as_slice() else { panic!("{all:?}") };
    one.clone()
}

fn integrity(file: &Path) -> String {
    let db = rusqlite::Connection::open(file).unwrap();
    db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap()
}

/// Puts a backup in the place of the database, as the guide says.
fn restore(home: &Home, backup: &Path) {
    for file in ["remint.db", "remint.db-wal", "remint.db-shm"] {
        let _ = fs::remove_file(home.file(file));
    }
    fs::copy(backup, home.file("remint.db")).unwrap();
    home.run(&["store", "epoch", "bump"]).ok();
}

#[test]
fn the_backups_of_the_guide_are_whole_for_their_owner_alone_and_can_be_served() {
    for words in ["remint store backup", "sqlite3"] {
        if words == "sqlite3" && !has(words) {
            continue;
        }
        let home = Home::furnished();
        let backups = tempfile::tempdir().unwrap();
        let server = home.serve();
        let before = server.log_in().ok().text("refresh_token");
        let living = under_load(&server, || run_block(&home, words, backups.path()));
        let backup = only_file(backups.path());
        assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600, "{words}");
        let after = server.refresh(&before).ok().text("refresh_token");
        server.kill();
        // Nothing that was answered after it is undone by it.
        let server = home.serve();
        let after = server.refresh(&after).ok().text("refresh_token");
        for token in living {
            server.refresh(&token).ok();
        }
        assert!(server.stop().success());

        restore(&home, &backup);
        assert_eq!(integrity(&home.file("remint.db")), "ok");
        let server = home.serve();
        server.refresh(&after).ok();
        server.log_in().ok();
    }
}

#[test]
fn a_restore_by_the_guide_serves_what_was_backed_up() {
    let home = Home::furnished();
    let backups = tempfile::tempdir().unwrap();
    let server = home.serve();
    let token = server.log_in().ok().text("refresh_token");
    let file = backups.path().join("remint-2026-11-30.db");
    home.run(&["store", "backup", file.to_str().unwrap()]).ok();
    let later = server.refresh(&token).ok().text("refresh_token");
    server.stop();
    run_block(&home, "install -m 600", backups.path());
    assert_eq!(fs::metadata(home.file("remint.db")).unwrap().mode() & 0o777, 0o600);
    let server = home.serve();
    server.refresh(&later).ok();
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_where_it_fails() {
    let home = Home::furnished();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("copy.db");
    let backup = |file: &Path| home.run(&["store", "backup", file.to_str().unwrap()]);
    let printed = home.json(&["store", "backup", file.to_str().unwrap()]);
    assert_eq!(printed["bytes"], fs::metadata(&file).unwrap().len());
    let content = fs::read(&file).unwrap();
    let error = backup(&file).failed();
    assert!(error.contains("copy.db: it is there already"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), content);
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert!(backup(&link).failed().contains("link.db: it is there already"));
    let error = backup(&dir.path().join("no/copy.db")).failed();
    assert!(error.contains("cannot write"), "{error}");

    // What is no database of Remint's, and a disk that is full.
    fs::write(home.file("remint.db"), "Dear diary").unwrap();
    let error = backup(&dir.path().join("new.db")).failed();
    assert!(error.contains("remint.db") && error.contains("not a database"), "{error}");
    fs::copy(&file, home.file("remint.db")).unwrap();
    let mut command = bare("/bin/sh");
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$0\" store backup --data-dir \"$1\" \"$2\"";
    command.args(["-c", script, crate::support::REMINT]).arg(home.dir());
    command.arg(dir.path().join("new.db"));
    let error = run(command, "").failed();
    assert!(error.contains("cannot write the copy"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_backup_of_postgresql_is_left_to_its_own_tools() {
    let home = Home::new();
    home.set("store.url", "\"postgres://remint:pa55word@127.0.0.1:1/remint\"");
    let error = home.run(&["store", "backup", "copy.db"]).failed();
    assert!(error.contains("pg_dump --format=custom --file=copy.db"), "{error}");
    assert!(!error.contains("pa55word"), "{error}");
}

/// Every command that only looks.
const LOOKS: &[&[&str]] = &[
    &["client", "list"],
    &["client", "show", "shop"],
    &["user", "list"],
    &["user", "show", "alice"],
    &["session", "list"],
    &["session", "browsers", "alice"],
    &["consent", "list", "--client", "shop"],
    &["key", "list"],
    &["store", "status"],
    &["store", "epoch", "show"],
    &["config", "check"],
    &["config", "show"],
];

/// A user and a group that nobody is.
const USER: u32 = 64_242;

fn snapshot(dir: &Path) -> Vec<(PathBuf, u64, i64, i64)> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = all
        .map(|path| {
            let m = fs::metadata(&path).unwrap();
            (path, m.len(), m.mtime(), m.mtime_nsec())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn commands_that_look_make_and_change_no_file_of_a_stopped_server() {
    let home = Home::furnished();
    let server = home.serve();
    let token = server.log_in().ok().text("refresh_token");
    server.stop();
    let before = snapshot(&home.dir());
    for look in LOOKS {
        home.run(look).ok();
        assert_eq!(snapshot(&home.dir()), before, "{look:?}");
    }
    let explained = home.run(&["token", "explain", &token]).ok();
    assert!(explained.stdout.contains("shop"), "{explained:?}");
    assert_eq!(snapshot(&home.dir()), before);
}

#[test]
fn commands_that_look_work_on_a_copy_that_cannot_be_written() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: only root can become a user who may write nothing");
        return;
    }
    let home = Home::furnished();
    let root = home.dir().parent().unwrap().to_owned();
    let server = home.serve();
    let token = server.log_in().ok().text("refresh_token");
    let executable = root.join("remint");
    fs::copy(crate::support::REMINT, &executable).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    // One of a server that runs, with its log, and one of a server that was stopped.
    let copy = |name: &str| {
        let to = root.join(name);
        let mut command = bare("cp");
        assert!(command.arg("-r").arg(home.dir()).arg(&to).status().unwrap().success());
        let script = "chown -R 64242:64242 \"$0\"; chmod 400 \"$0\"/*; chmod 500 \"$0\"";
        assert!(bare("sh").args(["-c", script]).arg(&to).status().unwrap().success());
        to
    };
    let live = copy("live");
    server.stop();
    for dir in [copy("stopped"), live] {
        let before = snapshot(&dir);
        let explain = ["token", "explain", token.as_str()];
        for look in LOOKS.iter().copied().chain([explain.as_slice()]) {
            let mut command = bare("setpriv");
            command.arg(format!("--reuid={USER}")).arg(format!("--regid={USER}"));
            command.arg("--clear-groups").arg(&executable).args(look).arg("--data-dir").arg(&dir);
            let ran = run(command, "");
            assert!(ran.status.success(), "{look:?} on {}: {ran:?}", dir.display());
        }
        assert_eq!(snapshot(&dir), before);
    }
}

#[test]
fn a_directory_whose_name_is_no_text_works_everywhere() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(OsStr::from_bytes(b"r\xe9mint %#?"));
    let command = |arguments: &[&str]| -> Command {
        let mut command = remint();
        command.args(arguments).arg("--data-dir").arg(&dir);
        command
    };
    run(command(&["init"]), "").ok();
    run(command(&CREATE_SHOP), SECRET).ok();
    run(command(&CREATE_ALICE), PASSWORD).ok();
    for look in LOOKS {
        run(command(look), "").ok();
    }
    run(command(&["key", "add"]), "").ok();
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("REMINT_HTTP_PLAIN", "true").env("REMINT_OPS_LISTEN", "off");
    serve.env("REMINT_PASSWORDS_MEMORY", "8MiB");
    let server = Server::start(serve, &root.path().join("log"));
    server.log_in().ok();
    for look in LOOKS {
        run(command(look), "").ok();
    }
    let mut backup = command(&["store", "backup"]);
    backup.arg(dir.join("copy.db"));
    run(backup, "").ok();
    assert!(server.stop().success());
    let place = |name: &str| {
        let mut place = std::ffi::OsString::from("sqlite:");
        place.push(dir.join(name));
        place
    };
    let mut copy = command(&["store", "copy"]);
    copy.arg("--from").arg(place("copy.db")).arg("--to").arg(place("other.db"));
    run(copy, "").ok();
    assert!(dir.join("other.db").exists());
}
