//! Back-channel logout: notifying applications, server to server, that a session is over. The application is
//! a listener of the test, which records requests and responds as it is told to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client::Client;
use remint_protocol::family::{Family, Origin};
use remint_protocol::family_id::FamilyId;
use remint_protocol::logout_notice::{GIVE_UP_AFTER, PAUSES};
use remint_server::browser::pages::account;
use remint_server::entropy;
use serde_json::{Value, json};

use crate::site::{As, PASSWORD, Site, eventually};
use crate::visitor::{Visitor, claims, encode, hidden};

const LOCAL: &str = "logout.allow_private_addresses=true";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What an application has heard, and what it answers; nothing at all for an empty answer.
struct Ear {
    heard: Mutex<Vec<String>>,
    answer: Mutex<String>,
    /// Those that are not answered stay open.
    held: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

/// An application's server on a loopback port.
struct Listener {
    address: SocketAddr,
    ear: Arc<Ear>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    fn new(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ear = Arc::new(Ear {
            heard: Mutex::default(),
            answer: Mutex::new(answer.to_owned()),
            held: Mutex::default(),
            is_over: AtomicBool::default(),
        });
        let own = Arc::clone(&ear);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                own.heard.lock().unwrap().push(read(&mut stream));
                // A sender that has heard enough may be gone.
                let answer = own.answer.lock().unwrap().clone();
                let _ = stream.write_all(answer.as_bytes());
                if answer.is_empty() {
                    own.held.lock().unwrap().push(stream);
                }
            }
        });
        Self { address, ear, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}/out?x=1", self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.ear.heard.lock().unwrap().clone()
    }

    /// The logout tokens that came.
    fn tokens(&self) -> Vec<String> {
        let token = |request: &String| {
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            body.strip_prefix("logout_token=").unwrap().to_owned()
        };
        self.heard().iter().map(token).collect()
    }

    /// How many were not answered.
    fn held(&self) -> usize {
        self.ear.held.lock().unwrap().len()
    }

    /// Answers the first of those that were not answered.
    fn answer_the_first(&self, answer: &str) {
        let mut first = self.ear.held.lock().unwrap().remove(0);
        first.write_all(answer.as_bytes()).unwrap();
    }

    fn answer(&self, answer: &str) {
        answer.clone_into(&mut self.ear.answer.lock().unwrap());
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ear.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// A request with its body.
fn read(stream: &mut TcpStream) -> String {
    let (mut text, mut byte) = (String::new(), [0]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match stream.read(&mut byte) {
            Ok(1) => text.push(char::from(byte[0])),
            _ => return text,
        }
    }
}

/// Nobody listens there: everything in these tests is on 127.0.0.1.
const NOBODY: &str = "http://127.0.0.2:9/";

fn register(site: &Site, id: &str, url: String) {
    site.register_web(id, |client: &mut Client| {
        client.relying_party.backchannel_logout_uri = Some(url);
    });
}

/// The tokens of `alice` for a client, in the visitor's session.
fn obtain(site: &Site, visitor: &mut Visitor<'_>, client: &str, scope: &str) -> Value {
    let asks = [("client_id", client), ("scope", scope), ("prompt", "")];
    let code = if scope.contains("offline_access") {
        let [client, scope, _] = asks;
        visitor.code(&[client, scope, ("prompt", "consent")])
    } else {
        visitor.code(&asks)
    };
    site.redeem_with(As::Client(client), &code, &[]).ok().json()
}

fn sign_out(visitor: &mut Visitor<'_>) {
    let page = visitor.get("/oidc/logout");
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    visitor.post("/oidc/logout", &[("csrf", &csrf), ("flow", &flow)]).ok();
}

fn count(site: &Site, outcome: &str) -> f64 {
    site.metric(&format!("remint_logout_notices_total{{outcome=\"{outcome}\"}}"))
}

fn wait_for(site: &Site, outcome: &str, number: u32) {
    eventually(|| count(site, outcome) >= f64::from(number));
    assert!(count(site, outcome) <= f64::from(number), "{outcome}");
}

/// How many notices are left, whenever they are due. Those that were given up never are.
fn left(site: &Site) -> usize {
    let end = remint_protocol::time::Timestamp::from_millis(i64::MAX / 16);
    let clients = site.block_on(site.store.list_clients_to_tell(None, end, 100)).unwrap();
    let of = |client| site.block_on(site.store.list_due_logout_notices(client, end, 100)).unwrap();
    clients.iter().map(|client| of(client).len()).sum()
}

/// Has `alice` signed in at a client by so many browsers, which takes no time this way.
fn fill(site: &Site, client: &str, browsers: u32) {
    let mut visitor = site.visitor();
    let tokens = obtain(site, &mut visitor, client, "openid a");
    let claims = claims(tokens["id_token"].as_str().unwrap());
    let id = BrowserSessionId::from_sid(claims["sid"].as_str().unwrap()).unwrap();
    let session = site.block_on(site.store.load_browser_session(id)).unwrap().unwrap().session;
    let mut families = site.families().into_iter().map(|loaded| loaded.family);
    let family = families.find(|family| family.origin.browser_session == Some(id)).unwrap();
    for _ in 1..browsers {
        let id = entropy::browser_session().unwrap();
        let session = BrowserSession { id, ..session.clone() };
        let origin = Origin { browser_session: Some(id), ..family.origin.clone() };
        let family = Family { id: FamilyId(id.0), origin, ..family.clone() };
        site.block_on(async {
            site.store.insert_browser_session(&session, None).await.unwrap();
            site.store.insert_family_at_browser(&family, session.secret_hash).await.unwrap();
        });
    }
}

/// How many were told before the first of a client.
fn before(listener: &Listener, client: &str) -> Option<usize> {
    listener.tokens().iter().position(|token| claims(token)["aud"] == client)
}

/// A site whose `web` is told at a listener.
fn told_site() -> (Site, Listener) {
    let (site, listener) = (Site::with(LOCAL), Listener::new(OK));
    register(&site, "web", listener.url());
    (site, listener)
}

#[test]
fn checklist_78_a_client_is_told_by_a_token_that_the_key_set_proves() {
    let (site, listener) = told_site();
    let mut visitor = site.visitor();
    let tokens = obtain(&site, &mut visitor, "web", "openid a");
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    sign_out(&mut visitor);
    wait_for(&site, "told", 1);
    let heard = listener.heard().remove(0);
    assert!(heard.starts_with("POST /out?x=1 HTTP/1.1\r\n"), "{heard}");
    for line in
        [&*format!("host: {}", listener.address), "content-type: application/x-www-form-urlencoded"]
    {
        assert!(heard.contains(&format!("\r\n{line}\r\n")), "{heard}");
    }
    let token = listener.tokens().remove(0);
    let header = decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let keys: JwkSet = serde_json::from_str(&site.get("/oauth2/jwks").ok().body).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    // The site's clock stands still in the past.
    validation.validate_exp = false;
    validation.set_audience(&["web"]);
    validation.set_issuer(&["https://localhost:9443"]);
    let mut told = decode::<Value>(&token, &key, &validation).unwrap().claims;
    assert_eq!((&told["sub"], &told["sid"]), (&id_token["sub"], &id_token["sid"]));
    assert_eq!(told["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    let lifetime = told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap();
    assert!((1..=120).contains(&lifetime) && told["iat"] == site.now().as_secs());
    assert!(told["jti"].as_str().unwrap().len() >= 22);
    let members = told.as_object_mut().unwrap();
    members.sort_keys();
    let names: Vec<_> = members.keys().collect();
    assert_eq!(names, ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"], "and no nonce");
    assert_eq!(left(&site), 0);
}

/// What ends the session of a visitor to the site, who is `alice`.
type Way = fn(&Site, &mut Visitor<'_>, &str);

const WAYS: [(&str, Way); 8] = [
    ("signing out as an application asks", |_, visitor, _| sign_out(visitor)),
    ("signing out on the account page", |_, visitor, _| {
        let csrf = hidden(&visitor.get(account::PATH), "csrf");
        visitor.post(account::SIGN_OUT, &[("csrf", &csrf)]);
    }),
    ("another browser of the person", |site, _, sid| {
        let mut other = site.visitor();
        other.code(&[]);
        let csrf = hidden(&other.get(account::PATH), "csrf");
        other.post(account::END_SESSION, &[("csrf", &csrf), ("session", sid)]);
    }),
    ("somebody else at the browser", |site, visitor, _| {
        site.create_user("bob");
        let page = visitor.authorize(&[("prompt", "login")]);
        visitor.sign_in(&page, "bob", PASSWORD);
    }),
    ("a new password by the person", |_, visitor, _| {
        let csrf = hidden(&visitor.get(account::PATH), "csrf");
        let (current, new, repeated) = (account::CURRENT, account::NEW, account::REPEATED);
        let fields = [
            ("csrf", &*csrf),
            (current, PASSWORD),
            (new, "looking-glass"),
            (repeated, "looking-glass"),
        ];
        visitor.post(account::CHANGE_PASSWORD, &fields);
    }),
    ("a new password by the operator", |site, _, _| {
        let alice = site.user("alice");
        site.block_on(site.store.set_password(alice.id, "x", site.now())).unwrap();
    }),
    ("disabling the person", |site, _, _| {
        let alice = site.user("alice");
        site.block_on(site.store.set_user_enabled(alice.id, false, site.now())).unwrap();
    }),
    ("signing out everywhere", |site, _, _| {
        let alice = site.user("alice");
        site.block_on(site.store.end_user_sessions(alice.id, site.now())).unwrap();
    }),
];

#[test]
fn checklist_77_whatever_ends_a_session_the_client_is_told() {
    for (name, end) in WAYS {
        let (site, listener) = told_site();
        let mut visitor = site.visitor();
        let tokens = obtain(&site, &mut visitor, "web", "openid a");
        let id_token = claims(tokens["id_token"].as_str().unwrap());
        site.wait(1);
        end(&site, &mut visitor, id_token["sid"].as_str().unwrap());
        wait_for(&site, "told", 1);
        let told = claims(&listener.tokens()[0]);
        assert_eq!((&told["sub"], &told["sid"]), (&id_token["sub"], &id_token["sid"]), "{name}");
    }
}

#[test]
fn an_offline_sessions_client_is_told_and_another_sessions_client_is_not() {
    let (site, listener) = told_site();
    let other_listener = Listener::new(OK);
    register(&site, "other", other_listener.url());
    register(&site, "unused", other_listener.url());
    let (mut visitor, mut other) = (site.visitor(), site.visitor());
    let offline = obtain(&site, &mut visitor, "web", "openid offline_access");
    obtain(&site, &mut other, "other", "openid a");
    site.tokens();
    sign_out(&mut visitor);
    wait_for(&site, "told", 1);
    assert_eq!((listener.heard().len(), other_listener.heard().len(), left(&site)), (1, 0, 0));
    let refresh = offline["refresh_token"].as_str().unwrap();
    site.refresh_as(As::Client("web"), refresh, &[]).ok();
}

#[test]
fn taking_back_a_consent_is_no_end_of_a_session() {
    let (site, listener) = told_site();
    let mut visitor = site.visitor();
    obtain(&site, &mut visitor, "web", "openid a");
    let csrf = hidden(&visitor.get(account::PATH), "csrf");
    visitor.post(account::END_APPLICATION, &[("csrf", &csrf), ("application", "web")]);
    assert_eq!(left(&site), 0);
    sign_out(&mut visitor);
    wait_for(&site, "told", 1);
    assert_eq!(listener.heard().len(), 1, "it got tokens in the session, and the session ends now");
}

#[test]
fn checklist_78_a_dead_client_is_tried_five_times_and_given_up() {
    let site = Site::with(LOCAL);
    register(&site, "web", NOBODY.to_owned());
    let mut visitor = site.visitor();
    obtain(&site, &mut visitor, "web", "openid a");
    sign_out(&mut visitor);
    for (attempt, pause) in (1..).zip(PAUSES) {
        wait_for(&site, "failed", attempt);
        site.wait(i64::try_from(pause.as_secs()).unwrap());
    }
    wait_for(&site, "lost", 1);
    wait_for(&site, "failed", 5);
    assert_eq!(left(&site), 0);
}

#[test]
fn a_client_that_was_away_is_told_later_by_a_fresh_token_even_after_a_restart() {
    let (mut site, listener) = told_site();
    listener.answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let mut visitor = site.visitor();
    obtain(&site, &mut visitor, "web", "openid a");
    sign_out(&mut visitor);
    drop(visitor);
    wait_for(&site, "failed", 1);
    site = site.restarted();
    listener.answer(OK);
    assert_eq!(left(&site), 1);
    site.wait(15);
    wait_for(&site, "told", 1);
    let told: Vec<_> = listener.tokens().iter().map(|token| claims(token)).collect();
    let [first, second] = &*told else { panic!("{told:?}") };
    assert_eq!(first["sid"], second["sid"]);
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(second["iat"].as_i64().unwrap() - first["iat"].as_i64().unwrap(), 15);
}

#[test]
fn what_is_old_news_is_not_told() {
    let (site, listener) = told_site();
    listener.answer("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    let mut visitor = site.visitor();
    obtain(&site, &mut visitor, "web", "openid a");
    sign_out(&mut visitor);
    wait_for(&site, "failed", 1);
    site.wait(i64::try_from(GIVE_UP_AFTER.as_secs()).unwrap());
    wait_for(&site, "lost", 1);
    assert_eq!((listener.heard().len(), left(&site)), (1, 0));
}

#[test]
fn checklist_78_redirects_are_not_followed_and_a_refusal_is_final() {
    let elsewhere = Listener::new(OK);
    let redirect =
        format!("HTTP/1.1 307 There\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    for answer in [&*redirect, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"] {
        let (site, listener) = told_site();
        listener.answer(answer);
        let mut visitor = site.visitor();
        obtain(&site, &mut visitor, "web", "openid a");
        sign_out(&mut visitor);
        wait_for(&site, "refused", 1);
        assert_eq!((listener.heard().len(), elsewhere.heard().len(), left(&site)), (1, 0, 0));
    }
}

#[test]
fn checklist_78_a_private_address_is_not_connected_to() {
    let (site, listener) = (Site::new(), Listener::new(OK));
    register(&site, "web", listener.url());
    register(&site, "named", format!("http://localhost:{}/", listener.address.port()));
    let mut visitor = site.visitor();
    obtain(&site, &mut visitor, "web", "openid a");
    obtain(&site, &mut visitor, "named", "openid a");
    sign_out(&mut visitor);
    wait_for(&site, "forbidden", 2);
    assert_eq!((listener.heard().len(), left(&site)), (0, 0));
}

#[test]
fn a_client_that_says_nothing_is_not_waited_for_and_holds_up_nobody_else() {
    let (site, listener) = (Site::with(&format!("{LOCAL} logout.timeout=10s")), Listener::new(OK));
    let silent = Listener::new("");
    register(&site, "silent", silent.url());
    register(&site, "web", listener.url());
    for _ in 0..6 {
        let mut visitor = site.visitor();
        obtain(&site, &mut visitor, "silent", "openid a");
        sign_out(&mut visitor);
    }
    let mut visitor = site.visitor();
    obtain(&site, &mut visitor, "web", "openid a");
    sign_out(&mut visitor);
    wait_for(&site, "told", 1);
    assert!(silent.heard().len() <= 4, "few at once to one client");
    assert_eq!(left(&site), 6);
}

#[test]
fn a_client_with_very_much_to_hear_hides_no_other() {
    let (site, listener) = (Site::with(LOCAL), Listener::new(OK));
    register(&site, "busy", listener.url());
    register(&site, "web", listener.url());
    fill(&site, "busy", 400);
    fill(&site, "web", 1);
    site.wait(1);
    site.block_on(site.store.end_user_sessions(site.user("alice").id, site.now())).unwrap();
    eventually(|| before(&listener, "web").is_some());
    let before = before(&listener, "web").unwrap();
    assert!(before < 50, "{before} were told first");
}

#[test]
fn clients_have_their_turns_one_after_another() {
    let site = Site::with(&format!("{LOCAL} logout.timeout=10s"));
    let listener = Listener::new("");
    // They have all the slots between them, and want more.
    for busy in ["a", "b", "c", "d"] {
        register(&site, busy, listener.url());
        fill(&site, busy, 6);
    }
    register(&site, "web", listener.url());
    fill(&site, "web", 1);
    site.wait(1);
    site.block_on(site.store.end_user_sessions(site.user("alice").id, site.now())).unwrap();
    eventually(|| listener.held() == 16);
    listener.answer_the_first(OK);
    eventually(|| listener.heard().len() > 16);
    assert_eq!(before(&listener, "web"), Some(16));
}

#[test]
fn an_answer_costs_no_more_than_its_time_and_its_first_bytes() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(100_000));
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n…";
    for (answer, outcome) in [("", "failed"), (&*long, "failed"), (endless, "told")] {
        let site = Site::with(&format!("{LOCAL} logout.timeout=300ms"));
        let listener = Listener::new(answer);
        register(&site, "web", listener.url());
        let mut visitor = site.visitor();
        obtain(&site, &mut visitor, "web", "openid a");
        sign_out(&mut visitor);
        wait_for(&site, outcome, 1);
    }
}

#[test]
fn a_client_that_is_disabled_or_wants_it_no_more_is_not_told() {
    let disable: fn(&mut Client) = |client| client.enabled = false;
    let take_away: fn(&mut Client) = |client| client.relying_party.backchannel_logout_uri = None;
    for change in [disable, take_away] {
        let (site, listener) = told_site();
        listener.answer("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
        let mut visitor = site.visitor();
        obtain(&site, &mut visitor, "web", "openid a");
        sign_out(&mut visitor);
        wait_for(&site, "failed", 1);
        site.change("web", change);
        site.wait(15);
        wait_for(&site, "moot", 1);
        assert_eq!((listener.heard().len(), left(&site)), (1, 0));
    }
}

#[test]
fn checklist_76_the_metadata_says_that_clients_are_told() {
    let metadata = Site::new().get("/.well-known/openid-configuration").ok().json();
    for name in ["backchannel_logout", "frontchannel_logout"] {
        assert_eq!(metadata[format!("{name}_supported")], true);
        assert_eq!(metadata[format!("{name}_session_supported")], true);
    }
}

#[test]
fn a_hint_of_another_session_asks_first_and_tells_of_the_browsers_own() {
    let (site, listener) = told_site();
    let (mut visitor, mut other) = (site.visitor(), site.visitor());
    let own = obtain(&site, &mut visitor, "web", "openid a");
    let foreign = obtain(&site, &mut other, "web", "openid a");
    let hint = encode(&[("id_token_hint", foreign["id_token"].as_str().unwrap())]);
    let page = visitor.get(&format!("/oidc/logout?{hint}"));
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    assert!(listener.heard().is_empty() && left(&site) == 0, "nothing has ended yet");
    visitor.post("/oidc/logout", &[("csrf", &csrf), ("flow", &flow)]).ok();
    wait_for(&site, "told", 1);
    let told = claims(&listener.tokens()[0]);
    assert_eq!(told["sid"], claims(own["id_token"].as_str().unwrap())["sid"]);
    assert!(BrowserSessionId::from_sid(told["sid"].as_str().unwrap()).is_some());
}

#[test]
fn a_logout_token_has_the_sid_that_the_id_tokens_of_its_sector_had() {
    let (site, listener) = told_site();
    register(&site, "other", listener.url());
    for (id, sector) in [("web", "a.example"), ("other", "b.example")] {
        site.change(id, |client| client.relying_party.pairwise_sector = Some(sector.into()));
    }
    let mut visitor = site.visitor();
    let mut known = ["web", "other"].map(|id| {
        let tokens = obtain(&site, &mut visitor, id, "openid a");
        (id, claims(tokens["id_token"].as_str().unwrap())["sid"].clone())
    });
    assert_ne!(known[0].1, known[1].1);
    sign_out(&mut visitor);
    wait_for(&site, "told", 2);
    let mut told: Vec<_> = listener.tokens().iter().map(|token| claims(token)).collect();
    told.sort_by_key(|claims| claims["aud"].to_string());
    known.sort_by_key(|(id, _)| *id);
    for (told, (id, sid)) in told.iter().zip(&known) {
        assert_eq!((&told["aud"], &told["sid"]), (&json!(id), sid));
    }
}
