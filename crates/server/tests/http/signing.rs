//! The keys that sign JWTs: what is published of them, which of them signs, and what they accept.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use remint_protocol::client::Client;
use remint_protocol::client_id::ClientId;
use remint_protocol::signing_key::{SigningAlg, open_private};
use remint_protocol::time::Timestamp;
use remint_server::App;
use remint_server::clock::Clock;
use remint_server::config::{Config, Sources};
use remint_server::keys::signing::{self, Expected, KEPT, NotSigned, NotVerified, Plan, maintain};
use remint_server::keys::{self, KeyFile};
use remint_server::router;
use remint_store::{Outcome, Store, StoredSigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::site::{START, Site, eventually, seed_signing_keys};

const ISSUER: &str = "https://id.example.com";
const DAY: Duration = Duration::from_hours(24);

/// Nodes on one store, without background work: tests say when it happens.
struct Nodes {
    dir: TempDir,
    store: Store,
    apps: Vec<Arc<App>>,
}

impl Nodes {
    async fn new(nodes: usize, settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir, settings);
        KeyFile::create(&config.key_file()).unwrap();
        let store = Store::open(&config.database()).unwrap();
        let mut all = Self { dir, store, apps: Vec::new() };
        for _ in 0..nodes {
            all.join(settings).await;
        }
        all
    }

    /// The same with a key for each algorithm.
    async fn seeded(nodes: usize) -> Self {
        let all = Self::new(nodes, "").await;
        seed_signing_keys(&all.store, &all.apps[0].keys(), at(Duration::ZERO)).await;
        for app in &all.apps {
            maintain(app).await.unwrap();
        }
        all
    }

    async fn join(&mut self, settings: &str) {
        let config = config(&self.dir, settings);
        let clock = Clock::Manual((START * 1000).into());
        let keys = keys::load(&config.key_file(), &self.store, clock.now()).await.unwrap();
        self.apps.push(App::new(config, self.store.clone(), keys, clock).unwrap());
    }

    /// Lets time pass to `after` the start on all nodes, and each look after the keys.
    async fn wait_until(&self, after: Duration) {
        for app in &self.apps {
            let Clock::Manual(clock) = app.clock() else { unreachable!() };
            clock.store(at(after).as_millis(), Ordering::SeqCst);
        }
        // What the first of them does must reach those that looked before it.
        for app in self.apps.iter().chain(&self.apps) {
            maintain(app).await.unwrap();
        }
    }

    async fn stored(&self, alg: SigningAlg) -> Vec<StoredSigningKey> {
        let mut all = self.store.list_signing_keys().await.unwrap();
        all.retain(|key| key.alg == alg);
        all
    }

    /// The kids of an algorithm that a node publishes.
    async fn published(&self, node: usize, alg: SigningAlg) -> Vec<String> {
        let set = jwks(&self.apps[node]).await;
        let all = set["keys"].as_array().unwrap().iter();
        let of = all.filter(|key| key["alg"] == alg.as_str());
        of.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// A token that a node signs now.
    async fn sign(&self, node: usize, alg: SigningAlg) -> String {
        sign(&self.apps[node], alg, &claims(&self.apps[node])).await
    }
}

fn config(dir: &TempDir, settings: &str) -> Config {
    let text = format!("issuer = \"{ISSUER}\"\n{settings}");
    Config::resolve(&Sources::from_toml(&dir.path().join("remint.toml"), &text).unwrap()).unwrap()
}

fn at(after: Duration) -> Timestamp {
    Timestamp::from_millis(START * 1000).after(after)
}

fn just_before(after: Duration) -> Duration {
    after.saturating_sub(Duration::from_secs(1))
}

async fn jwks(app: &Arc<App>) -> Value {
    let request = Request::get("/oauth2/jwks").body(Body::empty()).unwrap();
    let answer = router(app).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn claims(app: &App) -> Value {
    let now = app.clock().now().as_secs();
    json!({ "iss": ISSUER, "sub": "usr_1", "aud": "shop", "iat": now, "exp": now + 3600 })
}

async fn sign(app: &App, alg: SigningAlg, claims: &Value) -> String {
    app.signing().await.unwrap().sign(alg, "JWT", claims, app.clock().now()).unwrap()
}

fn expected(app: &App) -> Expected<'static> {
    Expected { issuer: ISSUER, typ: "JWT", may_be_expired: false, now: app.clock().now() }
}

async fn verify(app: &App, token: &str) -> Result<Value, NotVerified> {
    app.signing().await.unwrap().verify(token, &expected(app))
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn checklist_75_the_key_set_has_public_members_alone_and_each_kid_once() {
    let nodes = Nodes::seeded(1).await;
    nodes.wait_until(DAY * 89).await;
    let set = jwks(&nodes.apps[0]).await;
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 8, "each algorithm has a key and its successor");
    for key in keys {
        let members: BTreeSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let of_its_kind: &[&str] = match key["kty"].as_str().unwrap() {
            "RSA" => &["n", "e"],
            "EC" => &["crv", "x", "y"],
            "OKP" => &["crv", "x"],
            other => panic!("{other}"),
        };
        let all = ["kty", "use", "alg", "kid"].iter().chain(of_its_kind).copied().collect();
        assert_eq!(members, all);
        assert_eq!(key["use"], "sig");
    }
    let kids: BTreeSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids.len(), keys.len());
    let algs: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    let twice = SigningAlg::ALL.iter().flat_map(|alg| [alg.as_str(); 2]);
    assert_eq!(algs, twice.collect::<Vec<_>>(), "the default first, and always in this order");
}

#[tokio::test]
async fn checklist_75_a_key_is_published_before_it_signs_and_stays_until_its_last_token_is_dead() {
    let nodes = Nodes::seeded(1).await;
    let alg = SigningAlg::Rs256;
    let kid = |token: &str| part(token, 0)["kid"].as_str().unwrap().to_owned();
    let first = kid(&nodes.sign(0, alg).await);
    nodes.wait_until(just_before(DAY * 89)).await;
    assert_eq!(nodes.published(0, alg).await, [first.as_str()]);

    nodes.wait_until(DAY * 89).await;
    let published = nodes.published(0, alg).await;
    let [old, new] = &published[..] else { panic!("{published:?}") };
    assert_eq!(*old, first);
    nodes.wait_until(just_before(DAY * 90)).await;
    let last = nodes.sign(0, alg).await;
    assert_eq!(kid(&last), first, "the new one is not known everywhere yet");

    nodes.wait_until(DAY * 90).await;
    assert_eq!(kid(&nodes.sign(0, alg).await), *new);
    assert_eq!(verify(&nodes.apps[0], &last).await.unwrap()["sub"], "usr_1");
    nodes.wait_until(DAY * 90 + KEPT).await;
    assert_eq!(nodes.published(0, alg).await, published);
    nodes.wait_until(DAY * 90 + KEPT + Duration::from_secs(1)).await;
    assert_eq!(nodes.published(0, alg).await, [new.as_str()]);
    assert_eq!(verify(&nodes.apps[0], &last).await, Err(NotVerified::Garbage));
}

#[tokio::test]
async fn a_key_stays_as_long_as_the_longest_token_of_any_client() {
    // Also of one whose tokens were made to live longer when the successor was there already.
    for registered in [Duration::ZERO, DAY * 89] {
        let nodes = Nodes::seeded(1).await;
        let mut client = Client::new(ClientId::parse("machine").unwrap(), at(Duration::ZERO));
        client.overrides.access_token_lifetime = Some(DAY * 365);
        if registered.is_zero() {
            assert_eq!(nodes.store.create_client(&client).await.unwrap(), Outcome::Done);
        }
        nodes.wait_until(DAY * 89).await;
        if !registered.is_zero() {
            assert_eq!(nodes.store.create_client(&client).await.unwrap(), Outcome::Done);
        }
        let first = async || nodes.stored(SigningAlg::Es256).await[0].generation;
        nodes.wait_until(DAY * (90 + 365)).await;
        assert_eq!(first().await, 1, "registered after {registered:?}");
        nodes.wait_until(DAY * (90 + 366)).await;
        assert_eq!(first().await, 2, "registered after {registered:?}");
    }
}

#[tokio::test]
async fn of_nodes_that_make_a_key_at_once_one_does_and_all_work_with_it() {
    let nodes = Nodes::new(2, "").await;
    let [one, other] = [&nodes.apps[0], &nodes.apps[1]];
    let (a, b) = tokio::join!(maintain(one), maintain(other));
    a.unwrap();
    b.unwrap();
    maintain(one).await.unwrap();
    assert_eq!(jwks(one).await, jwks(other).await);
    for alg in SigningAlg::ALL {
        assert_eq!(nodes.stored(alg).await.len(), 1);
        let token = nodes.sign(0, alg).await;
        assert_eq!(verify(other, &token).await.unwrap(), claims(one));
        // Both found the same key, and both make its successor.
        let newest = &nodes.stored(alg).await[0];
        let now = at(Duration::ZERO);
        let plan = Plan { signs_from: now.after(DAY), others_until: now.after(KEPT) };
        let (one, other) = (one.keys(), other.keys());
        let (a, b) = tokio::join!(
            signing::rotate(&nodes.store, &one, newest, plan, now),
            signing::rotate(&nodes.store, &other, newest, plan, now),
        );
        let mut outcomes = [a.unwrap(), b.unwrap()];
        outcomes.sort_by_key(|outcome| *outcome == Outcome::Done);
        assert_eq!(outcomes, [Outcome::Conflict, Outcome::Done]);
        assert_eq!(nodes.stored(alg).await.len(), 2);
    }
}

/// Nothing is signed with, or published, that is not on disk.
#[tokio::test]
async fn a_request_for_keys_waits_until_a_fresh_store_has_them() {
    let nodes = Nodes::new(1, "").await;
    let app = &nodes.apps[0];
    let (set, made) = tokio::join!(jwks(app), maintain(app));
    made.unwrap();
    assert_eq!(set["keys"].as_array().unwrap().len(), 4);
    assert_eq!(nodes.store.list_signing_keys().await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_a_node_signs_verifies_with_every_algorithm_and_what_was_changed_does_not() {
    let nodes = Nodes::seeded(1).await;
    let app = &nodes.apps[0];
    for alg in SigningAlg::ALL {
        let token = nodes.sign(0, alg).await;
        let header = part(&token, 0);
        assert_eq!((&header["alg"], &header["typ"]), (&alg.as_str().into(), &"JWT".into()));
        assert_eq!(verify(app, &token).await.unwrap(), claims(app));
        for at in [0, token.len() / 2, token.len() - 30] {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify(app, &changed).await, Err(NotVerified::Garbage), "{alg} at {at}");
        }
    }
}

/// A token with any header, signed with our own key of an algorithm in the way that the header names.
async fn forge(nodes: &Nodes, alg: SigningAlg, header: &Value) -> String {
    let app = &nodes.apps[0];
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(&claims(app)));
    let stored = nodes.stored(alg).await.remove(0);
    let private = open_private(&app.keys(), &stored.kid, alg, &stored.sealed).unwrap();
    let rng = SystemRandom::new();
    let rsa = |encoding: &'static dyn RsaEncoding| {
        let pair = RsaKeyPair::from_pkcs8(&private).unwrap();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &rng, message.as_bytes(), &mut signature).unwrap();
        signature
    };
    let signature = match header["alg"].as_str() {
        Some("RS256") => rsa(&RSA_PKCS1_SHA256),
        Some("RS512") => rsa(&RSA_PKCS1_SHA512),
        Some("PS256") => rsa(&RSA_PSS_SHA256),
        Some("HS256") => {
            // The public key as the secret of a keyed hash.
            let public = &jwks(app).await["keys"][0];
            let secret = URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        }
        _ => Vec::new(),
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn checklist_73_the_algorithm_is_that_of_the_key_whatever_the_header_says() {
    let nodes = Nodes::seeded(1).await;
    let app = &nodes.apps[0];
    let alg = SigningAlg::Rs256;
    let header = part(&nodes.sign(0, alg).await, 0);
    assert!(verify(app, &forge(&nodes, alg, &header).await).await.is_ok(), "it forges well");
    let another = part(&nodes.sign(0, SigningAlg::Ps256).await, 0)["kid"].clone();
    for (member, value) in [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("PS256")),
        ("alg", json!("RS512")),
        ("alg", Value::Null),
        ("kid", Value::Null),
        ("kid", json!("unknown")),
        ("kid", another),
        ("crit", json!(["exp"])),
    ] {
        let mut header = header.clone();
        header[member] = value;
        let forged = forge(&nodes, alg, &header).await;
        assert_eq!(verify(app, &forged).await, Err(NotVerified::Garbage), "{header}");
        let (unsigned, _) = forged.rsplit_once('.').unwrap();
        for forged in [unsigned, &format!("{unsigned}.")] {
            assert_eq!(verify(app, forged).await, Err(NotVerified::Garbage), "{forged}");
        }
    }
    for garbage in ["", ".", "..", "...", "a.b.c", "é"] {
        assert_eq!(verify(app, garbage).await, Err(NotVerified::Garbage), "{garbage}");
    }
}

#[tokio::test]
async fn checklist_53_a_jwt_of_another_kind_does_not_pass() {
    let nodes = Nodes::seeded(1).await;
    let app = &nodes.apps[0];
    let signing = app.signing().await.unwrap();
    let now = app.clock().now();
    for typ in ["at+jwt", "logout+jwt", "jwt", ""] {
        let token = signing.sign(SigningAlg::EdDsa, typ, &claims(app), now).unwrap();
        assert_eq!(verify(app, &token).await, Err(NotVerified::Garbage), "{typ}");
        let own = Expected { typ, ..expected(app) };
        assert!(signing.verify::<Value>(&token, &own).is_ok());
    }
    let mut without = part(&nodes.sign(0, SigningAlg::Rs256).await, 0);
    without.as_object_mut().unwrap().remove("typ");
    let token = forge(&nodes, SigningAlg::Rs256, &without).await;
    assert_eq!(verify(app, &token).await, Err(NotVerified::Garbage));
}

#[tokio::test]
async fn whatever_comes_as_a_token_is_refused() {
    let nodes = Nodes::seeded(1).await;
    let app = &nodes.apps[0];
    let signing = app.signing().await.unwrap();
    let token = nodes.sign(0, SigningAlg::Es256).await;
    let kid = part(&token, 0)["kid"].clone();
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let is_refused = |token: &str| signing.verify::<Value>(token, &expected(app)).is_err();
    proptest!(|(text in ".{0,200}", dotted in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}")| {
        prop_assert!(is_refused(&text) && is_refused(&dotted));
    });
    proptest!(|(at in 0..3_usize, other in prop::collection::vec(any::<u8>(), 0..200))| {
        let mut parts = parts.clone();
        parts[at] = URL_SAFE_NO_PAD.encode(other);
        prop_assert!(is_refused(&parts.join(".")));
    });
    proptest!(|(member in "[a-z0-9#]{1,8}", value in ".{0,40}", alg in "[A-Za-z0-9]{0,6}")| {
        let mut header = json!({ "typ": "JWT", "kid": kid, "alg": alg });
        header[member] = value.into();
        let mut parts = parts.clone();
        parts[0] = URL_SAFE_NO_PAD.encode(header.to_string());
        prop_assert!(is_refused(&parts.join(".")));
    });
}

/// The set would be kept, and the other nodes' tokens be refused.
#[tokio::test]
async fn a_node_that_cannot_open_a_key_says_later_and_leaves_it_out_of_nothing() {
    let mut nodes = Nodes::seeded(1).await;
    let path = nodes.apps[0].config().key_file();
    let old = std::fs::read(&path).unwrap();
    let mut file = KeyFile::read(&path).unwrap();
    let kid = file.add(std::iter::empty()).unwrap();
    file.save().unwrap();
    nodes.join("").await;
    nodes.store.activate_key(kid, at(Duration::ZERO)).await.unwrap();
    nodes.join("").await;
    maintain(&nodes.apps[2]).await.unwrap();
    let moved = nodes.store.list_signing_keys().await.unwrap();
    assert!(moved.iter().all(|key| key.root_kid == kid));
    std::fs::write(&path, old).unwrap();
    nodes.join("").await;
    let [first, .., lacks] = &nodes.apps[..] else { unreachable!() };
    maintain(first).await.unwrap();
    maintain(lacks).await.unwrap();
    let token = sign(first, SigningAlg::Es256, &claims(first)).await;
    assert!(verify(first, &token).await.is_ok(), "what was open stays open");
    assert_eq!(verify(lacks, &token).await, Err(NotVerified::KeyNotHere));
    let signing = lacks.signing().await.unwrap();
    let signed = signing.sign(SigningAlg::Es256, "JWT", &claims(lacks), at(Duration::ZERO));
    assert_eq!(signed, Err(NotSigned::KeyNotHere));
    let request = Request::get("/oauth2/jwks").body(Body::empty()).unwrap();
    let answer = router(lacks).oneshot(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(moved, nodes.store.list_signing_keys().await.unwrap(), "nothing was moved back");
}

#[tokio::test]
async fn checklist_30_an_expired_token_is_accepted_on_demand_alone_and_another_issuers_never() {
    let nodes = Nodes::seeded(1).await;
    let app = &nodes.apps[0];
    let token = nodes.sign(0, SigningAlg::Es256).await;
    nodes.wait_until(Duration::from_secs(3599)).await;
    assert!(verify(app, &token).await.is_ok());
    nodes.wait_until(Duration::from_hours(1)).await;
    assert_eq!(verify(app, &token).await, Err(NotVerified::Expired));
    let hint = Expected { may_be_expired: true, ..expected(app) };
    let signing = app.signing().await.unwrap();
    assert_eq!(signing.verify::<Value>(&token, &hint).unwrap()["sub"], "usr_1");
    let other = Expected { issuer: "https://other.example.com", ..hint };
    assert_eq!(signing.verify::<Value>(&token, &other), Err(NotVerified::Garbage));
    for (member, value) in
        [("iss", Value::Null), ("iss", json!(1)), ("exp", Value::Null), ("exp", json!("soon"))]
    {
        let mut claims = claims(app);
        claims[member] = value;
        let token = sign(app, SigningAlg::Es256, &claims).await;
        assert_eq!(signing.verify::<Value>(&token, &hint), Err(NotVerified::Garbage), "{claims}");
    }
}

#[tokio::test]
async fn checklist_87_whoever_has_the_database_alone_has_no_key() {
    let nodes = Nodes::seeded(1).await;
    let elsewhere = Nodes::new(1, "").await;
    let (ours, theirs) = (nodes.apps[0].keys(), elsewhere.apps[0].keys());
    // By another process: this one would lose its locks on the database.
    let read = "cat \"$0\"/*";
    let read = std::process::Command::new("sh").args(["-c", read]).arg(nodes.dir.path()).output();
    let files = read.unwrap().stdout;
    for key in nodes.store.list_signing_keys().await.unwrap() {
        assert!(open_private(&theirs, &key.kid, key.alg, &key.sealed).is_err());
        let private = open_private(&ours, &key.kid, key.alg, &key.sealed).unwrap();
        let piece = &private[private.len() - 24..];
        assert!(!files.windows(24).any(|window| window == piece), "{}", key.alg);
        assert!(files.windows(24).any(|window| window == &key.sealed[..24]), "it is looked for");
    }
    // Nor does a server work on it with a key file of its own.
    let file = elsewhere.apps[0].config().key_file();
    assert!(keys::load(&file, &nodes.store, at(Duration::ZERO)).await.is_err());
}

#[test]
fn keys_move_under_a_new_root_key_and_the_old_one_is_not_given_up_before() {
    let site = Site::new();
    let mut file = KeyFile::read(&site.app.config().key_file()).unwrap();
    let kid = file.add(std::iter::empty()).unwrap();
    file.save().unwrap();
    eventually(|| site.app.keys().knows(kid));
    let stored = || site.block_on(site.store.list_signing_keys()).unwrap();
    assert!(stored().iter().all(|key| key.root_kid == 1));
    let before = site.get("/oauth2/jwks").ok().body;
    let token = site.block_on(sign(&site.app, SigningAlg::EdDsa, &claims(&site.app)));
    site.block_on(site.store.activate_key(kid, site.now())).unwrap();
    eventually(|| stored().iter().all(|key| key.root_kid == kid));
    assert_eq!(site.get("/oauth2/jwks").ok().body, before);
    assert!(site.block_on(verify(&site.app, &token)).is_ok());
    let site = site.restarted();
    assert_eq!(site.get("/oauth2/jwks").ok().body, before);
    assert!(site.block_on(verify(&site.app, &token)).is_ok());
}

#[test]
fn the_key_set_may_be_kept_for_a_while_and_is_not_sent_again_when_it_is_known() {
    let site = Site::new();
    let answer = site.get("/oauth2/jwks").ok();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=900"));
    let etag = answer.header("etag").unwrap();
    for (condition, status) in
        [(etag, 304), (&format!("\"x\", W/{etag}"), 304), ("*", 304), ("\"x\"", 200)]
    {
        let head =
            format!("GET /oauth2/jwks HTTP/1.1\r\nhost: x\r\nif-none-match: {condition}\r\n");
        let answer = site.exchange(format!("{head}connection: close\r\n\r\n"));
        assert_eq!((answer.status, answer.header("etag")), (status, Some(etag)), "{condition}");
    }
    let counted = site.metric("remint_http_requests_total{endpoint=\"jwks\",outcome=\"ok\"}");
    assert!((counted - 5.0).abs() < 0.1, "{counted}");
}
