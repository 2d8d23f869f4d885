//! The audit trail: what a person, a client or the server changes, with who, on what, from where, and the result.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::site::{As, PASSWORD, Site};
use crate::visitor::{VERIFIER, Visitor, hidden, is_consent};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what all tests of this process log from now on.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = tracing_subscriber::filter::LevelFilter::INFO;
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
        tracing_subscriber::registry().with(filter).with(layer.with_writer(|| Lines)).init();
    });
}

/// The audit's lines with this in them, in their order.
fn told(part: &str) -> Vec<Value> {
    let lines = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    let about = lines.lines().filter(|line| line.contains(part));
    let lines = about.map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| line["target"] == "audit").collect()
}

/// Event, actor and object of each line, and whether it has all that every line has.
fn summary(lines: &[Value]) -> Vec<(&str, &str, &str)> {
    let text = |line: &'_ Value, name: &str| line[name].as_str().map(str::to_owned);
    for line in lines {
        assert_eq!(text(line, "outcome").as_deref(), Some("done"), "{line}");
        assert_eq!(text(line, "source").as_deref(), Some("127.0.0.1"), "{line}");
        assert_eq!(text(line, "request_id").map(|id| id.len()), Some(16), "{line}");
    }
    lines
        .iter()
        .map(|line| {
            let [event, actor, on] =
                ["event", "actor", "on"].map(|name| line[name].as_str().unwrap_or_default());
            (event, actor, on)
        })
        .collect()
}

/// Presses a button of the account page.
fn press(visitor: &mut Visitor<'_>, path: &str, fields: &[(&str, &str)]) {
    let page = visitor.get("/account").ok();
    let csrf = hidden(&page, "csrf");
    let answer = visitor.post(path, &[&[("csrf", &*csrf)], fields].concat());
    assert_eq!(answer.status, 303, "{path}: {answer:?}");
}

#[test]
fn what_a_person_changes_is_told_with_who_on_what_and_from_where() {
    listen();
    let site = Site::new();
    site.register_web("web", |_| {});
    let alice = site.user("alice").id;
    let (mut here, mut there) = (site.visitor(), site.visitor());
    let page = there.get("/login");
    there.sign_in(&page, "alice", PASSWORD);
    let page = here.authorize(&[]);
    let page = here.sign_in(&page, "alice", PASSWORD);
    assert!(is_consent(&page), "{page:?}");
    let answer = here.decide(&page, "allow");
    let code = crate::visitor::Callback::of(&answer).value("code");
    site.redeem(&code).ok();
    let browsers = site.block_on(site.store.list_browser_sessions(alice, None, 9)).unwrap();
    let own = site.families().remove(0).family.origin.browser_session.unwrap();
    let other = browsers.iter().find(|session| session.id != own).unwrap().id.sid();
    press(&mut here, "/account/sessions/end", &[("session", &other)]);
    press(&mut here, "/account/applications/end", &[("application", "web")]);
    let new = "through the looking glass";
    let passwords =
        [("current_password", PASSWORD), ("new_password", new), ("repeated_password", new)];
    press(&mut here, "/account/password", &passwords);
    press(&mut here, "/account/sign-out", &[]);

    let user = format!("user:{alice}");
    let lines = told(&alice.to_string());
    let session = lines.iter().find(|line| line["event"] == "session.started").unwrap();
    let session = session["session"].as_str().unwrap().to_owned();
    let expected = [
        ("login.succeeded", user.clone()),
        ("login.succeeded", user.clone()),
        ("consent.granted", format!("consent:{alice}:web")),
        ("authorization.granted", "client:web".into()),
        ("session.started", format!("session:{session}")),
        ("browser_session.ended", format!("browser_session:{other}")),
        ("access.ended", "client:web".into()),
        ("password.changed", user.clone()),
        ("session.signed_out", user.clone()),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(event, on)| (*event, user.as_str(), on.as_str())).collect();
    assert_eq!(summary(&lines), expected);
    assert!(!format!("{lines:?}").contains(PASSWORD) && !format!("{lines:?}").contains(VERIFIER));
}

#[test]
fn what_a_client_or_a_thief_ends_is_told_with_who_ended_it() {
    listen();
    let site = Site::new();
    let first = site.tokens().refresh;
    let second = site.refresh(&first).ok().text("refresh_token");
    site.wait(3600);
    site.refresh(&second).ok();
    site.wait(3600);
    site.refresh(&first).expect(400, "invalid_grant");
    let revoked = site.tokens().refresh;
    site.post("/oauth2/revoke", As::Client("demo"), &[("token", &revoked)]).ok();

    let alice = format!("user:{}", site.user("alice").id);
    let started: Vec<_> = told(&alice);
    let sessions: Vec<_> =
        started.iter().map(|line| line["session"].as_str().unwrap().to_owned()).collect();
    let [reused, given_back] = sessions.as_slice() else { panic!("{started:?}") };
    let lines = told(reused);
    let objects = [format!("session:{reused}"), format!("session:{given_back}")];
    assert_eq!(
        summary(&lines),
        [("session.started", &*alice, &*objects[0]), ("session.ended", "server", &*objects[0])]
    );
    assert_eq!(lines[1]["cause"], "refresh_reused");
    let lines = told(given_back);
    assert_eq!(
        summary(&lines),
        [
            ("session.started", &*alice, &*objects[1]),
            ("token.revoked", "client:demo", &*objects[1])
        ]
    );
}
