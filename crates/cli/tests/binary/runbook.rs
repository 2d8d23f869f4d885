//! The commands that `SECURITY.md` gives for a stolen key file, run as they stand there, against a server that runs
//! and a thief who uses every moment in between.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client_id::ClientId;
use remint_protocol::code::RedirectHash;
use remint_protocol::ends::Ends;
use remint_protocol::keyring::Keyring;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::SecretHash;
use remint_protocol::token::{self, AccessToken, Jti, Subject};
use remint_protocol::user::Username;
use remint_server::clock::Clock;
use remint_server::keys::KeyFile;
use remint_store::{Outcome, Store};
use serde_json::Value;

use crate::home::{Home, Server, eventually};

/// The lines of the code block that follows the heading.
fn commands() -> Vec<String> {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../SECURITY.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("### When the key file was stolen").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.lines().map(str::to_owned).collect()
}

fn run(home: &Home, line: &str) -> Value {
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("remint"), "{line}");
    home.json(&words.collect::<Vec<_>>())
}

fn steal_key_file(home: &Home) -> Keyring {
    let file = KeyFile::read(&home.file("remint.keys")).unwrap();
    Keyring::new(file.keys(), 1).unwrap()
}

/// What somebody makes with it for a client itself.
fn forge(stolen: &Keyring) -> String {
    let now = Clock::System.now();
    let made = AccessToken {
        jti: Jti([5; 16]),
        client_id: ClientId::parse("shop").unwrap(),
        // As if it had seen every end that there will be.
        subject: Subject::Client { born: Ends::new(i64::MAX) },
        scope: Scope::parse("a").unwrap(),
        resources: Resources::default(),
        issued_at: now,
        expires_at: now.after(Duration::from_hours(1)),
    };
    token::seal_access(stolen, &made).unwrap()
}

const BROWSER: BrowserSessionId = BrowserSessionId([1; 16]);

/// Signs alice in at a browser, and gives its cookie.
fn sign_in(home: &Home) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let secret = "a secret that is 32 bytes long..";
    let secret_hash = SecretHash(RedirectHash::of(secret).0);
    runtime.block_on(async {
        let store = Store::open(&home.file("remint.db")).unwrap();
        let alice = store.find_user(&Username::parse("alice").unwrap()).await.unwrap().unwrap();
        let now = Clock::System.now();
        let session = BrowserSession {
            id: BROWSER,
            // SHA-256, of this as of any text.
            secret_hash,
            user_id: alice.id,
            auth_time: now,
            proven: alice.ends,
            expires_at: now.after(Duration::from_hours(1)),
            amr: "pwd".into(),
            created_at: now,
            seen_at: now,
            user_agent: String::new(),
            source: String::new(),
            ended_at: None,
        };
        let inserted = store.insert_browser_session(&session, None).await.unwrap();
        assert_eq!(inserted, Outcome::Done);
        store.close().await;
    });
    let value = URL_SAFE_NO_PAD.encode([BROWSER.0.as_slice(), secret.as_bytes()].concat());
    format!("__Host-remint-session={value}")
}

fn is_signed_in(server: &Server, cookie: &str) -> bool {
    server.get_with("/account", &[("cookie", cookie)]).status == 200
}

fn published(server: &Server) -> BTreeSet<String> {
    let set = server.get("/oauth2/jwks").ok().json();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Whether the shop's secret is taken.
fn gets_in(server: &Server) -> bool {
    server.post("/oauth2/token", &[("grant_type", "client_credentials")]).status == 200
}

#[test]
fn the_commands_for_a_stolen_key_file_leave_a_thief_nothing() {
    let home = Home::furnished();
    let cookie = sign_in(&home);
    let mut server = home.serve();
    let stolen = steal_key_file(&home);
    let [mut thief, idle] = [(); 2].map(|()| server.log_in().ok().text("refresh_token"));
    // Of this one it has got hold of a token, which the key file opens.
    let id = ClientId::parse("shop").unwrap();
    let opened = token::open_refresh(&stolen, &idle, &id).unwrap();
    let jwks = published(&server);
    assert!(server.is_active(&forge(&stolen)) && is_signed_in(&server, &cookie));

    let commands = commands();
    let ends = ["key add", "key activate", "key retire", "key rotate", "client", "session revoke"];
    assert_eq!(commands.len(), ends.len(), "{commands:?}");
    for (line, does) in commands.iter().zip(ends) {
        assert!(line.starts_with(&format!("remint {does}")), "{line}");
        if does == "session revoke" {
            let again = server.refresh(&thief).ok();
            assert!(
                server.is_active(&again.text("access_token")),
                "but for the last command it lives"
            );
            thief = again.text("refresh_token");
        }
        let said = run(&home, line);
        match does {
            "key activate" => {
                // Running servers follow within a second.
                while token::open_refresh(&stolen, &thief, &id).is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                    thief = server.refresh(&thief).ok().text("refresh_token");
                }
                let is_moved = || {
                    let keys = home.json(&["key", "list"]);
                    let mut all = keys.as_array().unwrap().iter();
                    all.all(|key| key["kind"] != "signing" || key["sealed_under"] == 2)
                };
                eventually("the server moves the signing keys", is_moved);
                eventually("the server moves the salt", || {
                    !home.run(&["key", "retire", "1"]).failed().contains("salt")
                });
            }
            "key retire" => {
                assert!(!gets_in(&server), "its secret was hashed under the old key");
                assert_eq!(published(&server), jwks, "the server had moved them");
            }
            "key rotate" => {
                assert!(published(&server).is_disjoint(&jwks), "JWTs from before are withdrawn");
            }
            "client" => {
                server.credentials = format!("shop:{}", said["client_secret"].as_str().unwrap());
                assert!(gets_in(&server));
            }
            _ => {}
        }
    }

    assert_eq!(server.refresh(&thief).status, 400, "the thief's session is over");
    assert!(!server.is_active(&thief) && !server.is_active(&forge(&stolen)));
    let made = token::seal_refresh(&stolen, &opened, &id).unwrap();
    assert_eq!((made == idle, server.refresh(&made).status), (true, 400));
    assert!(is_signed_in(&server, &cookie), "people stay signed in at their browsers");
    let anew = server.log_in().ok();
    server.refresh(&anew.text("refresh_token")).ok();
    assert_eq!(home.json(&["key", "list"]).as_array().unwrap().len(), 2 + 4);
}
