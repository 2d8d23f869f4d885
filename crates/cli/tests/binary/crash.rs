//! SIGKILL at random moments under load.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::home::{Home, Server};

/// How often the server is killed.
const KILLS: usize = 50;
/// Sessions that are refreshed at once.
const SESSIONS: usize = 8;

/// What the clients know: they got these answers.
#[derive(Default)]
struct Acknowledged {
    /// The newest refresh token of each living session.
    live: Mutex<Vec<String>>,
    /// Refresh and access tokens that were revoked.
    revoked: Mutex<Vec<(String, String)>>,
}

/// A number that nobody chose. It is only slept for, so a failure does not depend on repeating it.
pub(crate) fn any_millis(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

/// Refreshes a session until the server is gone. Every answer is noted before the next request.
fn refresh_until_killed(server: &Server, mut token: String) -> String {
    while let Some(answer) = server.try_refresh(&token) {
        token = answer.ok().text("refresh_token");
    }
    token
}

/// Begins sessions and ends them until the server is gone.
fn revoke_until_killed(server: &Server, known: &Acknowledged) {
    let form =
        [("grant_type", "password"), ("username", "alice"), ("password", crate::home::PASSWORD)];
    while let Some(login) = server.try_post("/oauth2/token", &form) {
        let login = login.ok();
        let (refresh, access) = (login.text("refresh_token"), login.text("access_token"));
        match server.try_post("/oauth2/revoke", &[("token", &refresh)]) {
            Some(answer) => {
                answer.ok();
                known.revoked.lock().unwrap().push((refresh, access));
            }
            None => return,
        }
    }
}

fn load_and_kill(mut server: Server, known: &Acknowledged) {
    let sessions = std::mem::take(&mut *known.live.lock().unwrap());
    std::thread::scope(|scope| {
        for token in sessions {
            let server = &server;
            scope.spawn(move || {
                let last = refresh_until_killed(server, token);
                known.live.lock().unwrap().push(last);
            });
        }
        scope.spawn(|| revoke_until_killed(&server, known));
        std::thread::sleep(Duration::from_millis(any_millis(120)));
        server.signal(rustix::process::Signal::KILL);
    });
    server.wait();
}

fn check_integrity(database: &Path) {
    let db = rusqlite::Connection::open(database).unwrap();
    let found: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

/// Every acknowledged token works and every acknowledged revocation holds.
fn check(server: &Server, known: &Acknowledged) {
    for token in &mut *known.live.lock().unwrap() {
        // The answer to the last request may have been lost: within grace the token gets either
        // its first successor or the same one again.
        *token = server.refresh(token).ok().text("refresh_token");
    }
    for (refresh, access) in known.revoked.lock().unwrap().drain(..) {
        assert_eq!(server.refresh(&refresh).status, 400, "a revoked session lives again");
        assert!(!server.is_active(&access), "and so does its access token");
    }
}

#[test]
fn fifty_kills_lose_no_acknowledged_token_and_no_acknowledged_revocation() {
    let home = Home::furnished();
    home.set("tokens.grace_period", "\"10m\"");
    let known = Acknowledged::default();
    let mut server = home.serve();
    known
        .live
        .lock()
        .unwrap()
        .extend((0..SESSIONS).map(|_| server.log_in().ok().text("refresh_token")));
    let mut revoked = 0;
    for _ in 0..KILLS {
        load_and_kill(server, &known);
        revoked += known.revoked.lock().unwrap().len();
        check_integrity(&home.file("remint.db"));
        server = home.serve();
        check(&server, &known);
    }
    let live = known.live.into_inner().unwrap();
    assert_eq!(live.iter().collect::<HashSet<_>>().len(), SESSIONS);
    assert!(revoked > 0, "the load revoked nothing");
}
