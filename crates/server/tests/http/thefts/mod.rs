//! Thefts of the key file, the database, both, or a backup of both: the table of `SECURITY.md`, cell by cell.
//! A test named `theft_ROW_COLUMN_…` proves the cell of that row and column, and shows what a thief can do as
//! well as what they cannot.

mod backup;
mod both;
mod database;
mod key_file;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client_id::ClientId;
use remint_protocol::code::{AuthorizationCode, RedirectHash};
use remint_protocol::ends::Ends;
use remint_protocol::family::Family;
use remint_protocol::family_id::FamilyId;
use remint_protocol::jwt_access_token;
use remint_protocol::keyring::{Keyring, RootKey};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::StoredSecret;
use remint_protocol::secret::{FamilySecret, SecretHash};
use remint_protocol::signing_key::{SigningAlg, open_private};
use remint_protocol::token::{self, AccessToken, Jti, RefreshToken, Subject};
use remint_protocol::user::UserId;
use remint_protocol::{id_token, logout_token};
use remint_server::keys::signing::{self, NewSigningKey, Plan};
use remint_store::{Outcome, SUBJECT_SALT, StoredSigningKey};
use serde_json::{Value, json};

use crate::site::{Answer, As, SECRET, Site, eventually};
use crate::visitor::{CALLBACK, Visitor, hidden};

const API: &str = "https://api.example";

/// An application without a secret (`web`), one with a secret that people were asked about (`shop`), one that
/// speaks for itself (`machine`), a resource server (`api`), and alice, who is signed in and uses both.
struct Scene {
    site: Site,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        site.register_spa("web", |client| {
            client.relying_party.post_logout_redirect_uris =
                vec![RedirectUri::register(CALLBACK).unwrap()];
        });
        site.register_web("shop", |_| {});
        site.register("machine", |client| client.resources = Resources::parse([API]).unwrap());
        site.register("api", |client| client.serves = Resources::parse([API]).unwrap());
        Self { site }
    }

    /// A browser that alice is signed in at, and what `web` got there.
    fn alice(&self) -> (Visitor<'_>, Answer) {
        let mut visitor = self.site.visitor();
        let code = visitor.code(&[]);
        visitor.code(&[("client_id", "shop")]);
        assert_eq!(visitor.get("/account").status, 200, "she is signed in");
        let tokens = self.redeem(&code);
        (visitor, tokens.ok())
    }

    fn redeem(&self, code: &str) -> Answer {
        self.site.redeem_with(As::Nobody, code, &[("client_id", "web")])
    }

    /// Everything that is in the database of what a thief is after.
    fn rows(&self) -> Rows {
        let site = &self.site;
        let (store, alice) = (&site.store, site.user("alice").id);
        let browsers = site.block_on(store.list_browser_sessions(alice, None, 10)).unwrap();
        let machine = site.block_on(store.find_client("machine")).unwrap().unwrap();
        Rows {
            alice,
            browsers,
            families: site.families().into_iter().map(|loaded| loaded.family).collect(),
            signing_keys: site.block_on(store.list_signing_keys()).unwrap(),
            client_secret: machine.secret.unwrap(),
            ends: site.block_on(store.ends()).unwrap(),
        }
    }

    /// The salt of pairwise subjects, as it is stored.
    fn salt(&self) -> Vec<u8> {
        let find = || self.site.block_on(self.site.store.find_secret(SUBJECT_SALT)).unwrap();
        eventually(|| find().is_some());
        find().unwrap().sealed
    }

    /// As `remint key rotate --now --withdraw` does.
    fn withdraw_signing_keys(&self) {
        let (site, store) = (&self.site, &self.site.store);
        let before = self.rows().signing_keys;
        let a_moment_later = site.now().after(Duration::from_millis(1));
        site.block_on(async {
            for old in &before {
                let fresh = NewSigningKey::draw(old.alg).unwrap();
                let plan = Plan { signs_from: site.now(), others_until: site.now() };
                let made =
                    signing::make(store, &site.keys, &fresh, old.generation, plan, site.now());
                assert_eq!(made.await.unwrap(), Outcome::Done);
                let deleted = store.delete_signing_key(&old.kid, a_moment_later).await.unwrap();
                assert_eq!(deleted, Outcome::Done);
            }
            signing::maintain(&site.app).await.unwrap();
        });
    }

    /// With a new root key that seals, and the old one given up.
    fn with_the_key_retired(self) -> Self {
        self.salt();
        let site = self.site.restarted_with_a_new_key();
        let is_moved = || {
            let keys = site.block_on(site.store.list_signing_keys()).unwrap();
            let salt = site.block_on(site.store.find_secret(SUBJECT_SALT)).unwrap();
            keys.iter().all(|key| key.root_kid == 2) && salt.is_some_and(|salt| salt.root_kid == 2)
        };
        eventually(is_moved);
        let anew = site.keys.hash_client_secret(SECRET);
        for id in ["api", "machine", "shop"] {
            site.change(id, |client| client.secret = anew);
        }
        site.block_on(site.store.retire_key(1, site.now())).unwrap();
        Self { site: site.restarted() }
    }

    /// Whoever has the key file, and what tokens and the log show: `sub`, `sid` and `ses_…`.
    fn thief_of_the_key_file(&self) -> Thief<'_> {
        Thief { site: &self.site, keys: (*self.site.keys).clone(), rows: self.rows().into_logged() }
    }

    /// Whoever has the database, and makes up the keys.
    fn thief_of_the_database(&self) -> Thief<'_> {
        let keys = Keyring::new(&[(1, RootKey([7; 32]))], 1).unwrap();
        Thief { site: &self.site, keys, rows: self.rows() }
    }

    /// Whoever has both; of a backup, as they are at this moment.
    fn thief_of_both(&self) -> Thief<'_> {
        Thief { site: &self.site, keys: (*self.site.keys).clone(), rows: self.rows() }
    }
}

/// The rows of the database as they were when they were stolen.
#[derive(Clone)]
struct Rows {
    alice: UserId,
    browsers: Vec<BrowserSession>,
    families: Vec<Family>,
    signing_keys: Vec<StoredSigningKey>,
    client_secret: StoredSecret,
    ends: Ends,
}

impl Rows {
    /// What of them can be known without the database: numbers, and no hash.
    fn into_logged(self) -> Self {
        let guess = SecretHash([0; 32]);
        let mut rows = self;
        rows.browsers.iter_mut().for_each(|browser| browser.secret_hash = guess);
        rows.families.iter_mut().for_each(|family| family.secret_hash = guess);
        // Their public halves are at `/oauth2/jwks`; the private ones are guessed.
        rows.signing_keys.iter_mut().for_each(|key| key.sealed.fill(0));
        rows.client_secret.hash = guess;
        rows
    }
}

/// What somebody has who tries everything: of what was not stolen, guesses.
struct Thief<'s> {
    site: &'s Site,
    keys: Keyring,
    rows: Rows,
}

fn client(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

impl Thief<'_> {
    /// Whether any cookie that it can make up signs it in.
    fn signs_in(&self) -> bool {
        self.rows.browsers.iter().any(|browser| {
            let hash = browser.secret_hash.0;
            let keyed = self.keys.csrf(&browser.id.0).unwrap().0;
            let tag = browser.secret_hash.tag("code", &browser.id.0);
            [hash, keyed, tag, [0; 32]].iter().any(|secret| {
                let value = URL_SAFE_NO_PAD.encode([browser.id.0.as_slice(), secret].concat());
                let mut visitor = self.site.visitor();
                visitor.set_cookie("__Host-remint-session", &value);
                visitor.get("/account").status == 200
            })
        })
    }

    /// A code for whoever is signed in at a browser.
    fn code(&self, id: &str, browser: &BrowserSession, family: FamilyId) -> String {
        let code = AuthorizationCode {
            family,
            secret: FamilySecret::new([78; 16]),
            user_id: browser.user_id,
            browser_session: browser.id,
            auth_time: self.site.now(),
            issued_at: self.site.now(),
            born: self.rows.ends,
            redirect_uri: RedirectHash::of(CALLBACK),
            redirect_uri_sent: true,
            challenge: None,
            amr: "pwd".into(),
            scope: Scope::parse("openid a").unwrap(),
            resources: Resources::default(),
            nonce: None,
            claims: String::new(),
        };
        code.seal(&self.keys, &client(id), &browser.secret_hash).unwrap()
    }

    /// Begins a session with an application, for the first browser.
    fn begins(&self, sender: As<'_>, id: &str) -> Answer {
        // Another one each time: a code is good once.
        static MADE: AtomicU64 = AtomicU64::new(77);
        let number = u128::from(MADE.fetch_add(1, Ordering::Relaxed));
        self.begins_as(sender, id, FamilyId(number.to_be_bytes()))
    }

    fn begins_as(&self, sender: As<'_>, id: &str, family: FamilyId) -> Answer {
        let code = self.code(id, self.rows.browsers.first().unwrap(), family);
        let mut form = vec![("code_verifier", "")];
        if matches!(sender, As::Nobody) {
            form.push(("client_id", id));
        }
        self.site.redeem_with(sender, &code, &form)
    }

    /// Whether any refresh token that it can make up goes on with a session of `web`.
    fn goes_on(&self) -> bool {
        let families = self.rows.families.iter().filter(|f| f.client_id == client("web"));
        let mut tokens = families.flat_map(|family| {
            let (half, _) = family.secret_hash.0.split_first_chunk::<16>().unwrap();
            let secrets = [*half, family.id.0, [0; 16]];
            secrets.map(|secret| RefreshToken {
                kid: self.keys.active(),
                epoch: family.epoch,
                family: family.id,
                secret: FamilySecret::new(secret),
                generation: family.generation,
            })
        });
        tokens.any(|made| {
            let text = token::seal_refresh(&self.keys, &made, &client("web")).unwrap();
            let form = [("client_id", "web")];
            self.site.refresh_as(As::Nobody, &text, &form).status == 200
        })
    }

    fn access(&self, id: &str, subject: Subject) -> String {
        let made = AccessToken {
            jti: Jti([6; 16]),
            client_id: client(id),
            subject,
            scope: Scope::parse("openid a").unwrap(),
            resources: Resources::parse([API]).unwrap(),
            issued_at: self.site.now(),
            expires_at: self.site.now().after(Duration::from_hours(1)),
        };
        token::seal_access(&self.keys, &made).unwrap()
    }

    /// Whether a resource server takes an access token that it makes for a client itself.
    fn speaks_for_a_client(&self) -> bool {
        let text = self.access("machine", Subject::Client { born: self.rows.ends });
        let form = [("token", &*text)];
        let seen = self.site.post("/oauth2/introspect", As::Client("api"), &form).ok().json();
        seen["active"].as_bool().unwrap()
    }

    /// Of whom userinfo tells it, by an access token that it makes for a session of `web`.
    fn speaks_for_a_user(&self) -> Option<String> {
        let family = self.rows.families.iter().find(|f| f.client_id == client("web")).unwrap();
        let (user_id, id) = (family.user_id, family.id);
        let subject = Subject::User { user_id, family: id, generation: family.generation };
        let bearer = format!("Bearer {}", self.access("web", subject));
        let answer = self.site.get_as("/oauth2/userinfo", &bearer);
        (answer.status == 200).then(|| answer.text("sub"))
    }

    /// A token of a kind, signed as if by this server; `None` where the key does not open.
    fn sign(&self, typ: &str, claims: &Value) -> Option<String> {
        let is_it = |key: &&StoredSigningKey| key.alg == SigningAlg::EdDsa;
        let stored = self.rows.signing_keys.iter().rfind(is_it).unwrap();
        let private = open_private(&self.keys, &stored.kid, stored.alg, &stored.sealed).ok()?;
        let header = json!({"alg": "EdDSA", "typ": typ, "kid": stored.kid});
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = Ed25519KeyPair::from_pkcs8(&private).unwrap().sign(message.as_bytes());
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    /// An ID token, a JWT access token and a logout token.
    fn signs(&self) -> Option<[String; 3]> {
        let now = self.site.now().as_secs();
        let browser = self.rows.browsers.first().unwrap();
        let claims = json!({
            "iss": "https://localhost:9443", "sub": self.rows.alice.subject(), "aud": "web",
            "iat": now, "exp": now + 300, "sid": browser.id.sid(), "client_id": "web",
            "jti": "AAAAAAAAAAAAAAAAAAAAAA", "rmt": "", "scope": "openid a",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        let kinds = [id_token::TYP, jwt_access_token::TYP, logout_token::TYP];
        let signed: Option<Vec<_>> = kinds.map(|typ| self.sign(typ, &claims)).into_iter().collect();
        signed?.try_into().ok()
    }

    /// Whether anything that it has passes for the secret of `machine`.
    fn uses_a_secret(&self) -> bool {
        assert!(self.has_secret(SECRET));
        let hash = self.rows.client_secret.hash.0;
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let keyed = self.keys.hash_client_secret("machine").unwrap().hash.0;
        let texts = [hash, keyed].map(|b| [STANDARD.encode(b), URL_SAFE_NO_PAD.encode(b)]).concat();
        texts.iter().chain([&hex]).any(|secret| self.has_secret(secret))
    }

    fn has_secret(&self, secret: &str) -> bool {
        let form = [("grant_type", "client_credentials")];
        self.site.token(As::Basic("machine", secret), &form).status == 200
    }

    /// Whether a guess can be found right without asking the server.
    fn finds_out_a_secret(&self) -> bool {
        self.keys.is_client_secret(&self.rows.client_secret, SECRET)
            && !self.keys.is_client_secret(&self.rows.client_secret, "another")
    }

    /// Whether alice's browser can be made to send a form that is taken for hers: with its cookies, and a proof
    /// that is made up.
    fn acts_at(&self, visitor: &Visitor<'_>) -> bool {
        let right = hidden(&visitor.clone().get("/account"), "csrf");
        let fields = [("csrf", &*right), ("application", "none")];
        assert_ne!(visitor.clone().post("/account/applications/end", &fields).status, 403);
        let browser = self.rows.browsers.first().unwrap();
        let secrets = [browser.secret_hash.0, [0; 32]];
        let proofs = secrets.iter().flat_map(|secret| {
            let bound = [secret.as_slice(), &self.rows.alice.0].concat();
            [self.keys.csrf(&bound), self.keys.csrf(secret), self.keys.csrf(&[])]
        });
        let forms = ["/account/sign-out", "/account/applications/end", "/oidc/logout"];
        proofs.flatten().map(|proof| URL_SAFE_NO_PAD.encode(proof.0)).any(|csrf| {
            let fields = [("csrf", &*csrf), ("application", "web")];
            forms.iter().any(|form| visitor.clone().post(form, &fields).status != 403)
        })
    }
}

/// Whether a sign-out by a link takes a token as its hint: whoever is signed in is not asked then.
fn signs_out(visitor: &mut Visitor<'_>, hint: &str) -> bool {
    visitor.get(&format!("/oidc/logout?id_token_hint={hint}"));
    visitor.get("/account").status != 200
}

/// Whether an application that checks a signature with the published keys, as it must, takes a token.
fn is_signed(site: &Site, token: &str) -> bool {
    let header = decode_header(token).unwrap();
    let keys: JwkSet = serde_json::from_str(&site.get("/oauth2/jwks").ok().body).unwrap();
    let Some(key) = keys.find(&header.kid.unwrap()) else { return false };
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_audience(&["web"]);
    validation.set_issuer(&["https://localhost:9443"]);
    decode::<BTreeMap<String, Value>>(token, &DecodingKey::from_jwk(key).unwrap(), &validation)
        .is_ok()
}

fn sid(tokens: &Answer) -> BrowserSessionId {
    let claims = crate::visitor::claims(&tokens.text("id_token"));
    BrowserSessionId::from_sid(claims["sid"].as_str().unwrap()).unwrap()
}

/// The whole file of the database with its log, as a thief of files has it.
fn files_of_the_database(site: &Site) -> Vec<u8> {
    let path = site.app.config().database();
    let all = [path.clone(), path.with_extension("db-wal")];
    all.iter().flat_map(|path| std::fs::read(path).unwrap_or_default()).collect()
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}
