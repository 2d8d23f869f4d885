//! What the server believes of its files is what is there: other programs that open a live database, and
//! files that are moved or replaced under the server.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::home::{Home, Server, eventually};
use crate::support::bare;

/// The programs that open the database of a live server. They are the system's, so they have another SQLite.
const PYTHON: &str = "python3";
const SQLITE: &str = "sqlite3";

/// Whether a program is here. Where it must be, a missing one is a failure.
pub(crate) fn has(program: &str) -> bool {
    let there = bare("sh").args(["-c", "command -v \"$0\""]).arg(program).output().unwrap();
    let is_there = there.status.success();
    assert!(
        is_there || std::env::var_os("REMINT_TEST_REQUIRE_SQLITE3").is_none(),
        "{program} is not installed"
    );
    if !is_there {
        eprintln!("left out: {program} is not installed");
    }
    is_there
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// What an operator does to a live database, with a place for a copy.
type Visit = (&'static str, &'static str, fn(&Path, &Path));

const VISITS: &[Visit] = &[
    (SQLITE, "a backup by sqlite3", |database, copy| {
        let copy = format!(".backup '{}'", copy.display());
        succeed(bare(SQLITE).arg(database).arg(copy));
    }),
    (SQLITE, "a look by sqlite3", |database, _| {
        succeed(bare(SQLITE).arg(database).arg("SELECT count(*) FROM families"));
    }),
    (PYTHON, "a look by Python", |database, _| {
        let script = "import sqlite3, sys\n\
                      db = sqlite3.connect(sys.argv[1])\n\
                      db.execute('SELECT count(*) FROM families').fetchall()\n\
                      db.close()\n";
        succeed(bare(PYTHON).args(["-c", script]).arg(database));
    }),
    (PYTHON, "a backup by Python", |database, copy| {
        let script = "import sqlite3, sys\n\
                      db, copy = (sqlite3.connect(name) for name in sys.argv[1:3])\n\
                      db.backup(copy)\n\
                      copy.close()\n\
                      db.close()\n";
        succeed(bare(PYTHON).args(["-c", script]).arg(database).arg(copy));
    }),
];

/// How many locks a server has on a file.
fn locks(server: &Server, file: &Path) -> usize {
    let inode = format!(":{}", fs::metadata(file).unwrap().ino());
    let pid = server.pid().as_raw_nonzero().to_string();
    let all = fs::read_to_string("/proc/locks").unwrap();
    let ours = all.lines().filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1] == "POSIX" && fields[4] == pid && fields[5].ends_with(&inode)
    });
    ours.count()
}

/// Does something while sessions are refreshed, and gives the newest token of each.
pub(crate) fn under_load(server: &Server, act: impl FnOnce()) -> Vec<String> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let refresh = || {
            let mut token = server.log_in().ok().text("refresh_token");
            while !is_over.load(Ordering::Acquire) {
                token = server.refresh(&token).ok().text("refresh_token");
            }
            token
        };
        let busy: Vec<_> = (0..4).map(|_| scope.spawn(refresh)).collect();
        act();
        is_over.store(true, Ordering::Release);
        busy.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_holds_its_lock_while_commands_open_and_close_the_database() {
    let home = Home::furnished();
    let server = home.serve();
    let database = home.file("remint.db");
    assert!(locks(&server, &database) > 0);
    under_load(&server, || {
        for command in [["client", "list"], ["user", "list"], ["session", "list"]] {
            home.run(&command).ok();
            assert!(locks(&server, &database) > 0, "{command:?}");
        }
        home.run_with(&["user", "create", "--username", "bob", "--password-stdin"], "x-y-z-1").ok();
        assert!(locks(&server, &database) > 0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_that_was_answered_is_undone_by_a_crash_after_somebody_else_opened_the_live_database() {
    for (program, visit, open) in VISITS.iter().filter(|(program, ..)| has(program)) {
        let home = Home::furnished();
        let (database, log) = (home.file("remint.db"), home.file("remint.db-wal"));
        let server = home.serve();
        let revoked = server.log_in().ok().text("refresh_token");
        let used = server.log_in().ok().text("refresh_token");
        let inode = fs::metadata(&log).unwrap().ino();
        let mut living = under_load(&server, || {
            for number in 0..3 {
                open(&database, &home.file(&format!("copy-{number}.db")));
            }
        });
        assert!(locks(&server, &database) > 0, "{visit}");
        assert_eq!(fs::metadata(&log).unwrap().ino(), inode, "{visit}: the log is another one");
        server.post("/oauth2/revoke", &[("token", &revoked)]).ok();
        living.push(server.refresh(&used).ok().text("refresh_token"));
        living.push(server.log_in().ok().text("refresh_token"));
        server.kill();

        let server = home.serve();
        assert_eq!(server.refresh(&revoked).status, 400, "{visit}: it was revoked ({program})");
        for token in &living {
            server.refresh(token).ok();
        }
        assert_eq!(server.refresh(&used).status, 400, "{visit}: it was used up");
    }
}

#[test]
fn what_a_command_ends_stays_ended_after_somebody_else_opened_the_live_database() {
    for (_, visit, open) in VISITS.iter().filter(|(program, ..)| has(program)) {
        let home = Home::furnished();
        let server = home.serve();
        let token = server.log_in().ok().text("refresh_token");
        open(&home.file("remint.db"), &home.file("copy.db"));
        let token = server.refresh(&token).ok().text("refresh_token");
        home.run(&["session", "revoke", "--user", "alice"]).ok();
        eventually(visit, || server.refresh(&token).status == 400);
        assert!(server.stop().success());
        let server = home.serve();
        assert_eq!(server.refresh(&token).status, 400, "{visit}");
    }
}

/// What an operator's slip does to the database of a live server.
type Slip = (&'static str, fn(&Home));

const SLIPS: &[Slip] = &[
    ("the database is renamed", |home| {
        fs::rename(home.file("remint.db"), home.file("old.db")).unwrap();
    }),
    ("a backup is put in its place", |home| {
        succeed(bare("cp").arg(home.file("remint.db")).arg(home.file("new.db")));
        fs::rename(home.file("new.db"), home.file("remint.db")).unwrap();
    }),
    ("the log is removed", |home| fs::remove_file(home.file("remint.db-wal")).unwrap()),
];

#[test]
fn a_server_whose_database_is_replaced_says_so_once_and_answers_nothing_more() {
    for (slip, make) in SLIPS {
        let home = Home::furnished();
        let server = home.serve();
        let login = server.log_in().ok();
        let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
        assert_eq!(server.get("/health/ready").status, 200);
        make(&home);
        eventually(slip, || server.get("/health/ready").status == 503);
        let ready = server.get("/health/ready").body;
        assert!(ready.contains("moved, removed or replaced under this node"), "{ready}");
        assert!(ready.contains("restart it"), "{ready}");
        let credentials = [("grant_type", "client_credentials")];
        for answer in [
            server.refresh(&refresh),
            server.log_in(),
            server.post("/oauth2/introspect", &[("token", &access)]),
            server.post("/oauth2/revoke", &[("token", &access)]),
            server.post("/oauth2/token", &credentials),
        ] {
            assert_eq!(answer.status, 503, "{slip}: {answer:?}");
            assert_eq!(answer.text("error"), "temporarily_unavailable", "{slip}");
        }
        eventually(slip, || home.log().contains("store.lost"));
        let log = home.log();
        let lines = log.lines().filter(|line| line.contains("store.lost")).count();
        assert_eq!(lines, 1, "{slip}: {log}");
        assert!(server.stop().success());
    }
}

#[test]
fn a_server_whose_log_was_removed_has_all_that_it_answered_after_a_restart() {
    let home = Home::furnished();
    let server = home.serve();
    let revoked = server.log_in().ok().text("refresh_token");
    let token = server.log_in().ok().text("refresh_token");
    let newest = server.refresh(&token).ok().text("refresh_token");
    server.post("/oauth2/revoke", &[("token", &revoked)]).ok();
    fs::remove_file(home.file("remint.db-wal")).unwrap();
    eventually("it is noticed", || home.log().contains("store.lost"));
    server.kill();
    let server = home.serve();
    assert_eq!(server.refresh(&revoked).status, 400);
    server.refresh(&newest).ok();
}
