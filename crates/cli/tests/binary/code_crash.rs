//! SIGKILL between the redemption of a code and its answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client_id::ClientId;
use remint_protocol::code::{AuthorizationCode, RedirectHash};
use remint_protocol::ends::Ends;
use remint_protocol::family_id::FamilyId;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::{FamilySecret, SecretHash};
use remint_protocol::user::{UserId, Username};
use remint_server::clock::Clock;
use remint_server::keys::{self, RootKeys};
use remint_store::{Outcome, Store, User};

use crate::crash::any_millis;
use crate::home::{Answer, Home, SECRET, Server};
use crate::support::{CALLBACK, CREATE_WEB};

/// What the store has of the secret in the cookie of alice's browser.
const SESSION: SecretHash = SecretHash([9; 32]);
const KILLS: usize = 12;
/// Clients that redeem at once.
const LANES: usize = 4;

/// What the authorization endpoint would give alice's application.
struct Issuer {
    keys: RootKeys,
    alice: UserId,
    ends: Ends,
    issued: AtomicU64,
}

impl Issuer {
    fn of(home: &Home) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (keys, alice) = runtime.block_on(async {
            let store = Store::open(&home.file("remint.db")).unwrap();
            let file = home.file("remint.keys");
            let keys = keys::load(&file, &store, Clock::System.now()).await.unwrap();
            let name = Username::parse("alice").unwrap();
            let alice = store.find_user(&name).await.unwrap().unwrap();
            sign_in(&store, &alice).await;
            store.close().await;
            (keys, alice)
        });
        Self { keys, alice: alice.id, ends: alice.ends, issued: AtomicU64::new(0) }
    }

    fn code(&self) -> String {
        let number = u128::from(self.issued.fetch_add(1, Ordering::Relaxed)).to_be_bytes();
        let now = Clock::System.now();
        let code = AuthorizationCode {
            family: FamilyId(number),
            secret: FamilySecret::new(number),
            user_id: self.alice,
            browser_session: BrowserSessionId([1; 16]),
            auth_time: now,
            issued_at: now,
            born: self.ends,
            redirect_uri: RedirectHash::of(CALLBACK),
            redirect_uri_sent: true,
            challenge: None,
            amr: "pwd".into(),
            scope: Scope::parse("a").unwrap(),
            resources: Resources::default(),
            nonce: None,
            claims: String::new(),
        };
        code.seal(&self.keys, &ClientId::parse("web").unwrap(), &SESSION).unwrap()
    }
}

/// The browser that every code is issued in.
async fn sign_in(store: &Store, alice: &User) {
    let now = Clock::System.now();
    let session = BrowserSession {
        id: BrowserSessionId([1; 16]),
        secret_hash: SESSION,
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
    assert_eq!(store.insert_browser_session(&session, None).await.unwrap(), Outcome::Done);
}

fn redeem(server: &Server, code: &str) -> Option<Answer> {
    let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
    server.try_post("/oauth2/token", &form)
}

/// The server, as `web` uses it.
fn serve(home: &Home) -> Server {
    let mut server = home.serve();
    server.credentials = format!("web:{SECRET}");
    server
}

fn furnished(grace: &str) -> Home {
    let home = Home::furnished();
    home.set("tokens.grace_period", grace);
    let own = ["--first-party", "true"];
    home.run_with(&[&CREATE_WEB[..], &own].concat(), SECRET).ok();
    home
}

/// What the clients know when the server is gone.
#[derive(Default)]
struct Remembered {
    /// The refresh tokens that were answered.
    given: Mutex<Vec<String>>,
    /// The codes whose answer was lost.
    lost: Mutex<Vec<String>>,
}

fn redeem_and_kill(server: &mut Server, issuer: &Issuer) -> Remembered {
    let known = Remembered::default();
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            let (server, known) = (&*server, &known);
            scope.spawn(move || {
                loop {
                    let code = issuer.code();
                    match redeem(server, &code) {
                        Some(answer) => {
                            let token = answer.ok().text("refresh_token");
                            known.given.lock().unwrap().push(token);
                        }
                        None => break known.lost.lock().unwrap().push(code),
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(any_millis(100)));
        server.signal(rustix::process::Signal::KILL);
    });
    server.wait();
    known
}

#[test]
fn within_grace_a_client_whose_answer_a_crash_took_gets_it_and_all_others_go_on() {
    let home = furnished("\"10m\"");
    let issuer = Issuer::of(&home);
    let mut server = serve(&home);
    for _ in 0..KILLS {
        let known = redeem_and_kill(&mut server, &issuer);
        server = serve(&home);
        for code in known.lost.into_inner().unwrap() {
            // Whether it was written or not: the client gets a session, and the same one again.
            let [first, second] =
                [0, 1].map(|_| redeem(&server, &code).unwrap().ok().text("refresh_token"));
            assert_eq!(first, second);
            server.refresh(&first).ok();
        }
        for token in known.given.into_inner().unwrap() {
            server.refresh(&token).ok();
        }
    }
}

#[test]
fn checklist_48_without_grace_a_second_try_after_a_crash_ends_its_own_session_at_most() {
    let home = furnished("\"0s\"");
    let issuer = Issuer::of(&home);
    let mut server = serve(&home);
    let mut answered = 0;
    for _ in 0..KILLS {
        let known = redeem_and_kill(&mut server, &issuer);
        server = serve(&home);
        for code in known.lost.into_inner().unwrap() {
            let again = redeem(&server, &code).unwrap();
            assert!(matches!(again.status, 200 | 400), "{again:?}");
        }
        for token in known.given.into_inner().unwrap() {
            server.refresh(&token).ok();
            answered += 1;
        }
    }
    assert!(answered > 0, "nobody got an answer");
}
