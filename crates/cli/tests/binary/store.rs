//! `remint store`: moving an installation, epochs, the state of the store.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use remint_testbed::{Cluster, Database};
use serde_json::Value;

use crate::home::{Home, PASSWORD, SECRET, Server, remint, run};

/// Sessions that are refreshed while a copy runs.
const SESSIONS: usize = 8;

/// A database with the schema in it; none where PostgreSQL is not installed.
fn database(home: &Home) -> Option<Database> {
    let database = remint_testbed::postgres().map(Cluster::create_database)?;
    run(with_url(home.command(&["migrate"]), &database), "").ok();
    Some(database)
}

/// With that database as the store of the configuration.
fn with_url(mut command: Command, database: &Database) -> Command {
    command.env("REMINT_STORE_URL", database.url());
    command
}

fn serve_on(home: &Home, database: &Database) -> Server {
    home.serve_with(|command| {
        command.env("REMINT_STORE_URL", database.url());
    })
}

fn copy(home: &Home, arguments: &[&str]) -> Value {
    home.json(&[&["store", "copy"], arguments].concat())
}

fn rows<'a>(copied: &'a Value, table: &str) -> &'a Value {
    let tables = copied.as_array().unwrap();
    tables.iter().find(|of| of["table"] == table).unwrap()
}

/// A session as its client knows it.
#[derive(Clone)]
struct Session {
    newest: String,
    used_up: String,
}

impl Session {
    fn begin(server: &Server) -> Self {
        let first = server.log_in().ok().text("refresh_token");
        Self { newest: server.refresh(&first).ok().text("refresh_token"), used_up: first }
    }

    fn refresh(&mut self, server: &Server) {
        let next = server.refresh(&self.newest).ok().text("refresh_token");
        self.used_up = std::mem::replace(&mut self.newest, next);
    }

    /// The newest token works; the one before it is found out, and ends the session.
    fn check(mut self, server: &Server) {
        self.refresh(server);
        assert_eq!(server.refresh(&self.used_up).status, 400, "a used-up token works");
        assert_eq!(server.refresh(&self.newest).status, 400, "reuse ended nothing");
    }
}

/// Refreshes the sessions again and again while something is done.
fn under_load(server: &Server, sessions: Vec<Session>, during: impl FnOnce()) -> Vec<Session> {
    let (over, back) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for mut session in sessions {
            let (over, back) = (&over, &back);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    session.refresh(server);
                }
                back.lock().unwrap().push(session);
            });
        }
        during();
        over.store(true, Ordering::SeqCst);
    });
    back.into_inner().unwrap()
}

fn count(server: &Server, event: &str) -> usize {
    server.log().lines().filter(|line| line.contains(event)).count()
}

#[test]
fn an_installation_moves_to_postgresql_while_it_is_used_and_nobody_is_logged_out() {
    let home = Home::furnished();
    let Some(database) = database(&home) else { return };
    let to = ["--to", &database.url()];
    let server = home.serve();
    let sessions = (0..SESSIONS).map(|_| Session::begin(&server)).collect();
    let mut sessions = under_load(&server, sessions, || {
        let copied = copy(&home, &to);
        assert_eq!(rows(&copied, "families")["source"], SESSIONS);
    });
    // What happens between the first copy and the stop.
    let ended = sessions.pop().unwrap();
    server.post("/oauth2/revoke", &[("token", &ended.newest)]).ok();
    for session in &mut sessions {
        session.refresh(&server);
    }
    sessions.push(Session::begin(&server));
    assert!(server.stop().success());
    let copied = copy(&home, &to);
    assert_eq!(rows(&copied, "families")["target"], SESSIONS + 1);

    let server = serve_on(&home, &database);
    for session in sessions {
        session.check(&server);
    }
    assert_eq!(server.refresh(&ended.newest).status, 400, "an ended session lives again");
    Session::begin(&server).check(&server);
    assert_eq!(count(&server, "fast_forward"), 0, "the second copy left somebody behind");
    assert_eq!(count(&server, "forgery"), 0);
}

/// The epoch of the target is what tells these clients from forgers.
#[test]
fn clients_that_are_ahead_of_the_copy_heal_where_it_was_not_repeated() {
    let home = Home::furnished();
    let Some(database) = database(&home) else { return };
    let server = home.serve();
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| Session::begin(&server)).collect();
    copy(&home, &["--to", &database.url()]);
    for (ahead, session) in (0..).zip(&mut sessions) {
        (0..ahead % 4).for_each(|_| session.refresh(&server));
    }
    assert!(server.stop().success());
    let server = serve_on(&home, &database);
    for session in sessions {
        session.check(&server);
    }
    assert_eq!(count(&server, "refresh.fast_forward"), 6);
    assert_eq!(count(&server, "forgery"), 0);
}

#[test]
fn the_way_back_from_postgresql_to_a_file_is_the_same() {
    let home = Home::furnished();
    let Some(database) = database(&home) else { return };
    let server = home.serve();
    let mut session = Session::begin(&server);
    assert!(server.stop().success());
    copy(&home, &["--to", &database.url()]);
    let server = serve_on(&home, &database);
    session.refresh(&server);
    let late = Session::begin(&server);
    assert!(server.stop().success());
    let file = home.file("back.db");
    let to = format!("sqlite:{}", file.display());
    copy(&home, &["--from", &database.url(), "--to", &to]);
    std::fs::rename(file, home.file("remint.db")).unwrap();
    let server = home.serve();
    session.check(&server);
    late.check(&server);
    Session::begin(&server).check(&server);
    assert_eq!(home.json(&["store", "epoch", "show"])["epoch"], 2);
}

/// What it does, in words, and what it shows where there is no terminal.
#[test]
fn a_copy_says_what_became_of_each_table() {
    let home = Home::furnished();
    let to = format!("sqlite:{}", home.file("other.db").display());
    let ran = home.run(&["store", "copy", "--to", &to]).ok();
    assert!(ran.stdout.starts_with("TABLE "), "{ran:?}");
    assert!(
        ran.stdout.lines().any(|l| l.split_ascii_whitespace().eq(["users", "1", "1", "1", "0"]))
    );
    assert!(ran.stderr.contains("users: 1 rows\n"), "{ran:?}");
    assert!(ran.stderr.contains("The epoch of the target is 1."), "{ran:?}");
    let quiet = home.run(&["store", "copy", "--to", &to, "--json"]).ok();
    assert_eq!(rows(&quiet.json(), "users")["written"], 0);
}

#[test]
fn a_copy_that_lost_rows_fails_and_says_how_many() {
    let home = Home::furnished();
    let file = home.file("other.db");
    let to = format!("sqlite:{}", file.display());
    copy(&home, &["--to", &to]);
    let server = home.serve();
    server.log_in().ok();
    assert!(server.stop().success());
    let other = rusqlite::Connection::open(&file).unwrap();
    let swallow =
        "CREATE TRIGGER swallow BEFORE INSERT ON families BEGIN SELECT RAISE(IGNORE); END";
    other.execute_batch(swallow).unwrap();
    let error = home.run(&["store", "copy", "--to", &to]).failed();
    assert!(error.contains("the target lacks 1 of 1 families: copy again"), "{error}");
}

#[test]
fn what_can_not_be_copied_is_refused_in_words() {
    let home = Home::furnished();
    let refused = |arguments: &[&str]| {
        let error = home.run(&[&["store", "copy"], arguments].concat()).failed();
        error.strip_prefix("remint: ").unwrap().trim_end().to_owned()
    };
    let database = format!("sqlite:{}", home.file("remint.db").display());
    assert_eq!(refused(&["--to", &database]), "source and target are the same store");
    std::fs::hard_link(home.file("remint.db"), home.file("linked.db")).unwrap();
    let linked = format!("sqlite:{}", home.file("linked.db").display());
    assert_eq!(refused(&["--to", &linked]), "source and target are the same store");
    let missing = refused(&["--from", "sqlite:/no/such.db", "--to", "config"]);
    assert_eq!(missing, "the source: there is no database /no/such.db");
    let nowhere = refused(&["--to", "postgres://u:pa55@127.0.0.1:1/x"]);
    assert!(
        nowhere.starts_with("the target: cannot use the database postgres://u:…@"),
        "{nowhere}"
    );
    let wrong = refused(&["--to", "postgres://u:pa55@db/x?sslmode=require"]);
    assert!(wrong.starts_with("--to does not work here: write"), "{wrong}");
    assert!(!nowhere.contains("pa55") && !wrong.contains("pa55"));

    let other = Home::furnished();
    let theirs = format!("sqlite:{}", other.file("remint.db").display());
    let error = refused(&["--to", &theirs]);
    assert_eq!(
        error,
        "the target holds another installation: its root key 1 is not that of the source"
    );
    // A configuration whose key file could not read the source's tokens.
    let error = refused(&["--from", &theirs, "--to", "config"]);
    assert!(error.contains("does not have the root key 1 of the source"), "{error}");
}

#[test]
fn a_copy_needs_no_configuration_between_two_named_stores() {
    let home = Home::furnished();
    home.run(&["key", "list"]).ok();
    let [from, to] =
        ["remint.db", "other.db"].map(|f| format!("sqlite:{}", home.file(f).display()));
    let mut command = remint();
    command.args(["store", "copy", "--from", &from, "--to", &to]);
    command.current_dir(std::env::temp_dir());
    run(command, "").ok();
}

#[test]
fn a_target_that_was_not_migrated_says_so() {
    let home = Home::furnished();
    let Some(cluster) = remint_testbed::postgres() else { return };
    let database = cluster.create_database();
    let error = home.run(&["store", "copy", "--to", &database.url()]).failed();
    assert!(error.contains("the target: the database has schema version 0"), "{error}");
    assert!(error.contains("run `remint migrate`"), "{error}");
}

/// A client that is ahead of its row, as after a restore; the row is set back past the server.
fn check_bump(serve: impl Fn() -> Server, bump: Command, set_back: impl Fn()) {
    let server = serve();
    let mut ahead = Session::begin(&server);
    ahead.refresh(&server);
    let mut forger = ahead.clone();
    set_back();
    // On a file, what others write is seen with the next commit of the server, or a little later.
    Session::begin(&server);
    let said = run(bump, "").ok().stdout;
    assert!(said.starts_with("the epoch is 1: sessions whose clients are ahead"), "{said}");
    Session::begin(&server);
    ahead.refresh(&server);
    assert_eq!(count(&server, "refresh.fast_forward"), 1);
    // Ahead of a row within one epoch is what no honest client ever is.
    ahead.refresh(&server);
    set_back();
    Session::begin(&server);
    forger.newest.clone_from(&ahead.newest);
    assert_eq!(server.refresh(&forger.newest).status, 400);
    assert_eq!(count(&server, "refresh.forgery_suspected"), 1);
    assert!(server.stop().success());
}

const SET_BACK: &str = "UPDATE families SET generation = 0 WHERE generation >= 2";

#[test]
fn a_running_server_on_a_file_sees_at_once_that_the_epoch_was_raised() {
    let home = Home::furnished();
    let set_back = || {
        let db = rusqlite::Connection::open(home.file("remint.db")).unwrap();
        db.execute_batch(SET_BACK).unwrap();
    };
    check_bump(|| home.serve(), home.command(&["store", "epoch", "bump"]), set_back);
}

#[test]
fn a_running_server_on_postgresql_sees_at_once_that_the_epoch_was_raised() {
    let home = Home::new();
    let Some(database) = database(&home) else { return };
    for (arguments, input) in
        [(&crate::support::CREATE_SHOP[..], SECRET), (&crate::support::CREATE_ALICE[..], PASSWORD)]
    {
        run(with_url(home.command(arguments), &database), input).ok();
    }
    let bump = with_url(home.command(&["store", "epoch", "bump"]), &database);
    let set_back = || drop(database.execute(SET_BACK));
    check_bump(|| serve_on(&home, &database), bump, set_back);
}

#[test]
fn the_epoch_is_shown_and_does_not_rise_above_the_last_one() {
    let home = Home::new();
    assert_eq!(home.json(&["store", "epoch", "show"])["epoch"], 0);
    assert_eq!(home.json(&["store", "epoch", "bump"])["epoch"], 1);
    assert_eq!(home.run(&["store", "epoch", "show"]).ok().stdout, "epoch  1\n");
    // Restored from before the epoch was 4, and once more where it is far above already.
    assert_eq!(home.json(&["store", "epoch", "bump", "--above", "4"])["epoch"], 5);
    assert_eq!(home.json(&["store", "epoch", "bump", "--above", "4"])["epoch"], 6);
    let db = rusqlite::Connection::open(home.file("remint.db")).unwrap();
    db.execute_batch("UPDATE meta SET value = 65535 WHERE name = 'epoch'").unwrap();
    let error = home.run(&["store", "epoch", "bump"]).failed();
    assert!(error.contains("the epoch is 65535 already, the last one"), "{error}");
}

#[test]
fn the_status_of_a_file_is_where_it_is_and_its_counters() {
    let home = Home::furnished();
    let status = home.json(&["store", "status"]);
    assert_eq!((&status["engine"], &status["epoch"]), (&"sqlite".into(), &0.into()));
    assert_eq!(status["at"], home.file("remint.db").display().to_string());
    assert!(status["schema"].as_i64() >= Some(2) && status["revision"].as_i64() >= Some(1));
    for none in ["timeline", "timeline_watched", "clock_ahead_ms"] {
        assert_eq!(status[none], Value::Null, "{none}");
    }
}

#[test]
fn the_status_of_a_database_tells_what_it_lacks_and_whether_failovers_are_seen() {
    let home = Home::new();
    let Some(cluster) = remint_testbed::postgres() else { return };
    let database = cluster.create_database();
    let status = || {
        let command = with_url(home.command(&["store", "status", "--json"]), &database);
        run(command, "").ok().json()
    };
    let empty = status();
    assert_eq!((&empty["engine"], &empty["schema"]), (&"postgresql".into(), &0.into()));
    assert_eq!(empty["missing"][0], "1_init");
    assert_eq!((&empty["epoch"], &empty["timeline_watched"]), (&Value::Null, &Value::Null));
    run(with_url(home.command(&["migrate"]), &database), "").ok();
    let there = status();
    assert_eq!((&there["missing"], &there["epoch"]), (&Value::Array(Vec::new()), &0.into()));
    assert_eq!((&there["timeline_watched"], &there["timeline"]), (&true.into(), &1.into()));
    assert!(there["clock_ahead_ms"].as_i64().unwrap().abs() < 60_000, "{there}");
    let shown = run(with_url(home.command(&["store", "status"]), &database), "").ok().stdout;
    assert!(shown.contains("timeline_watched  yes"), "{shown}");
    // As on a server that only speaks the protocol: what the dump of another one remembers is no watch.
    assert_eq!(database.execute("SELECT value FROM meta WHERE name = 'timeline'"), "1");
    database.execute("ALTER FUNCTION pg_control_system() RENAME TO pg_control_system_elsewhere");
    let dumb = status();
    assert_eq!((&dumb["timeline_watched"], &dumb["timeline"]), (&false.into(), &Value::Null));
}
