//! What the tests put into a store.

use std::time::Duration;

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client::{Client, GrantType};
use remint_protocol::client_id::ClientId;
use remint_protocol::consent::Consent;
use remint_protocol::ends::{Ends, LastEnd};
use remint_protocol::family::{Family, Origin, Rotation};
use remint_protocol::family_id::FamilyId;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::StoredSecret;
use remint_protocol::secret::{FamilySecret, SecretHash};
use remint_protocol::signing_key::SigningAlg;
use remint_protocol::time::Timestamp;
use remint_protocol::user::{UserId, Username};
use remint_store::{Outcome, Store, StoredSigningKey, VerifiedPassword};

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_millis((1_700_000_000 + secs) * 1000)
}

/// The 16 bytes of an id; greater numbers have greater ids.
pub(crate) fn bytes(number: u32) -> [u8; 16] {
    let mut bytes = [0x5a; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn resources(text: &str) -> Resources {
    Resources::parse(text.split_ascii_whitespace()).unwrap()
}

pub(crate) fn secret(byte: u8) -> StoredSecret {
    StoredSecret { kid: byte, hash: SecretHash([byte; 32]) }
}

/// One that nobody is asked for consent to.
pub(crate) fn client(id: &str) -> Client {
    let mut client = Client {
        name: format!("The {id} of Zoë"),
        secret: Some(secret(1)),
        grants: GrantType::ALL.to_vec(),
        scope: scope("read write"),
        resources: resources("https://a.example https://b.example"),
        ended: LastEnd::default(),
        ..Client::new(ClientId::parse(id).unwrap(), at(-1_000))
    };
    client.authorize.first_party = true;
    client
}

/// A key of its generation, under the root key 1.
pub(crate) fn signing_key(alg: SigningAlg, generation: u32) -> StoredSigningKey {
    StoredSigningKey {
        kid: format!("{alg} of Zoë {generation}"),
        alg,
        generation,
        jwk: format!("{{\"kid\":{generation}}}"),
        created_at: at(-100),
        root_kid: 1,
        sealed: b"sealed".to_vec(),
        sealed_at: at(-100),
        signs_from: at(generation.into()),
        published_until: None,
    }
}

/// A family that began at second 0.
pub(crate) fn family(number: u32, client: &Client, user: UserId) -> Family {
    Family {
        id: FamilyId(bytes(number)),
        secret_hash: FamilySecret::new(bytes(number)).hash(),
        client_id: client.id.clone(),
        user_id: user,
        scope: scope("read"),
        resources: resources("https://a.example"),
        auth_time: at(-10),
        origin: Origin::default(),
        // The store counts, see `load`.
        born: Ends::UNCOUNTED,
        proven: FIRST,
        created_at: at(0),
        max_expires_at: at(1_000_000),
        generation: 0,
        grace_floor: 0,
        epoch: 0,
        kid: 1,
        rotated_at: at(0),
        expires_at: at(10_000),
        confirmed: false,
        revoked: None,
    }
}

/// A browser at which `user` signed in at second 0.
pub(crate) fn browser(number: u32, user: UserId) -> BrowserSession {
    BrowserSession {
        id: BrowserSessionId(bytes(number)),
        secret_hash: FamilySecret::new(bytes(number)).hash(),
        user_id: user,
        auth_time: at(0),
        proven: FIRST,
        expires_at: at(10_000),
        amr: "pwd".into(),
        created_at: at(0),
        seen_at: at(0),
        user_agent: format!("Browser/{number} (Zoë)"),
        source: "192.0.2.1".into(),
        ended_at: None,
    }
}

/// A family that was authorized at a browser.
pub(crate) fn family_at(number: u32, client: &Client, browser: &BrowserSession) -> Family {
    let session = Some(browser.id);
    Family {
        origin: Origin { browser_session: session, amr: browser.amr.clone(), ..Origin::default() },
        ..family(number, client, browser.user_id)
    }
}

/// What `user` allowed at second 0.
pub(crate) fn consent(user: UserId, client: &Client) -> Consent {
    Consent {
        user_id: user,
        client_id: client.id.clone(),
        scope: scope("read"),
        resources: resources("https://a.example"),
        given_at: at(0),
    }
}

/// The rotation of a family from one generation to the next.
pub(crate) fn rotation(family: FamilyId, from: u32) -> Rotation {
    let secs = i64::from(from) + 1;
    Rotation {
        family,
        from,
        to: from + 1,
        epoch: 3,
        kid: 2,
        at: at(secs),
        expires_at: at(secs).after(Duration::from_hours(1)),
    }
}

/// A family as a rotation leaves it.
pub(crate) fn rotated(family: &Family, rotation: &Rotation) -> Family {
    Family {
        generation: rotation.to,
        epoch: rotation.epoch,
        kid: rotation.kid,
        rotated_at: rotation.at,
        expires_at: rotation.expires_at,
        confirmed: false,
        ..family.clone()
    }
}

pub(crate) const USER: UserId = UserId([7; 16]);

/// A client `shop` and a user `alice` whose id is [`USER`].
pub(crate) async fn register(store: &Store) -> Client {
    let client = client("shop");
    assert_eq!(store.create_client(&client).await.unwrap(), Outcome::Done);
    create_user(store, USER, "alice").await;
    client
}

pub(crate) async fn create_user(store: &Store, id: UserId, text: &str) {
    let created = store.create_user(id, &name(text), "hash", at(-1_000)).await.unwrap();
    assert_eq!(created, Outcome::Done);
}

/// So many families of `shop` and `alice`.
pub(crate) async fn sign_in(store: &Store, client: &Client, numbers: u32) -> Vec<Family> {
    let mut families = Vec::new();
    for number in 0..numbers {
        let family = family(number, client, USER);
        assert_eq!(store.insert_family(&family, None).await.unwrap(), Outcome::Done);
        families.push(family);
    }
    families
}

/// A family as it was inserted: that the store has counted when is another matter.
pub(crate) async fn load(store: &Store, id: FamilyId) -> Family {
    uncounted(store.load_family(id).await.unwrap().unwrap().family)
}

pub(crate) fn uncounted(family: Family) -> Family {
    Family { born: Ends::UNCOUNTED, ..family }
}

/// A client as it was registered: the store has counted that.
pub(crate) fn registered(client: Option<Client>) -> Client {
    let client = client.unwrap();
    Client { ended: LastEnd { number: Ends::UNCOUNTED, ..client.ended }, ..client }
}

/// How many ends a store has counted before the first one.
pub(crate) const FIRST: Ends = Ends::new(1);

/// The hash of the secret of a [`browser`], which its id tells here.
pub(crate) fn secret_of(browser: BrowserSessionId) -> SecretHash {
    FamilySecret::new(browser.0).hash()
}

/// Begins a family in the way that its origin tells.
pub(crate) async fn insert(store: &Store, family: &Family) -> Outcome {
    match family.origin.browser_session {
        Some(browser) => store.insert_family_at_browser(family, secret_of(browser)).await,
        None => store.insert_family(family, None).await,
    }
    .unwrap()
}

/// So many browsers at which alice signed in.
pub(crate) async fn open_browsers(store: &Store, numbers: u32) -> Vec<BrowserSession> {
    let mut browsers = Vec::new();
    for number in 0..numbers {
        let browser = browser(number, USER);
        let inserted = store.insert_browser_session(&browser, None).await.unwrap();
        assert_eq!(inserted, Outcome::Done);
        browsers.push(browser);
    }
    browsers
}

pub(crate) async fn begin(store: &Store, family: &Family) {
    assert_eq!(insert(store, family).await, Outcome::Done);
}

/// Begins a family while what it hangs on is ended, each the first of the two by turns: either there is no family
/// then, or it is over.
pub(crate) async fn race(
    store: &Store,
    (round, family): (u32, FamilyId),
    begin: impl Future<Output = Outcome> + Send + 'static,
    end: impl Future<Output = Outcome> + Send + 'static,
) {
    let (begin, end) = if round.is_multiple_of(2) {
        let begin = tokio::spawn(begin);
        (begin, tokio::spawn(end))
    } else {
        let end = tokio::spawn(end);
        (tokio::spawn(begin), end)
    };
    let begun = begin.await.unwrap();
    assert_eq!(end.await.unwrap(), Outcome::Done);
    let found = store.load_family(family).await.unwrap();
    assert_eq!(found.is_some(), begun == Outcome::Done);
    assert!(found.is_none_or(|found| found.family.revoked.is_some()), "round {round}");
}

/// What begins with the sample user's password, as long as nothing has ended their sessions.
pub(crate) fn proven((bucket, until): ([u8; 16], Timestamp)) -> VerifiedPassword {
    VerifiedPassword { user: USER, ends: FIRST, trust: (bucket, until) }
}
