//! A disk that takes no more: refusals that can be tried again, and never a token that is not on
//! disk.

use rustix::process::{Resource, Rlimit, prlimit};

use crate::home::Home;

#[test]
fn a_full_disk_is_503_with_a_log_line_and_no_token_is_lost_or_made_up() {
    let home = Home::furnished();
    home.set("tokens.grace_period", "\"10m\"");
    // Files end at 512 KiB, as they do on a disk that is full. The signal of that limit is ignored,
    // because a full disk sends none.
    let server = home.serve_in_shell("trap '' XFSZ; ulimit -S -f 1024");
    let access = server.log_in().ok().text("access_token");
    let mut token = server.log_in().ok().text("refresh_token");
    let refused = loop {
        let answer = server.refresh(&token);
        if answer.status != 200 {
            break answer;
        }
        token = answer.text("refresh_token");
    };
    assert_eq!((refused.status, refused.text("error").as_str()), (503, "temporarily_unavailable"));
    assert_eq!(server.refresh(&token).status, 503);
    assert_eq!(server.log_in().status, 503);
    assert!(server.is_active(&access), "reading goes on");
    let log = server.log();
    assert!(log.contains("a commit failed"), "{log}");

    // Space is made: the same process goes on, and the honest client with its last token.
    let free = Rlimit { current: None, maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, free).unwrap();
    token = server.refresh(&token).ok().text("refresh_token");
    server.kill();
    let server = home.serve();
    server.refresh(&token).ok();
    let sessions = home.json(&["session", "list"]);
    assert_eq!(sessions.as_array().unwrap().len(), 2, "no session that nobody was told of");
}

#[test]
fn a_disk_that_takes_nothing_serves_what_needs_no_write() {
    let home = Home::furnished();
    home.set("tokens.renew_refresh_token", "false");
    let (access, kept) = {
        let server = home.serve();
        let login = server.log_in().ok();
        server.stop();
        (login.text("access_token"), login.text("refresh_token"))
    };
    let server = home.serve_in_shell("trap '' XFSZ");
    let nothing = Rlimit { current: Some(0), maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, nothing).unwrap();
    assert!(server.is_active(&access));
    assert_eq!(server.refresh(&kept).ok().text("refresh_token"), kept);
    server.post("/oauth2/token", &[("grant_type", "client_credentials")]).ok();
    assert_eq!(server.log_in().status, 503);
    let revoked = server.post("/oauth2/revoke", &[("token", &kept)]);
    assert_eq!(revoked.status, 503, "not 200: it is not revoked");
}
