//! Forgeries by somebody who has the key file, and everything that tokens, logs and pages show, but not the
//! database: they begin nothing and change nothing. `thefts` shows what a thief of one or the other can do.

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client_id::ClientId;
use remint_protocol::code::AuthorizationCode;
use remint_protocol::family_id::FamilyId;
use remint_protocol::interaction::{Interaction, SignInProof, Waiting};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::SecretHash;
use remint_protocol::token::{self, AccessToken, Jti, Subject};
use remint_protocol::user::UserId;
use serde_json::Value;

use crate::site::{As, PASSWORD, Site};
use crate::visitor::{Visitor, claims, is_consent, is_sign_in, request};

fn site() -> Site {
    let site = Site::new();
    site.register_spa("web", |client| client.authorize.first_party = true);
    site
}

const OWNER: As<'_> = As::Nobody;

fn redeem(site: &Site, code: &str) -> crate::site::Answer {
    site.redeem_with(OWNER, code, &[("client_id", "web")])
}

/// What an ID token shows: who, at which browser.
fn shown(tokens: &Value) -> (UserId, BrowserSessionId) {
    let claims = claims(tokens["id_token"].as_str().unwrap());
    let sub = UserId::from_subject(claims["sub"].as_str().unwrap()).unwrap();
    (sub, BrowserSessionId::from_sid(claims["sid"].as_str().unwrap()).unwrap())
}

fn seal(site: &Site, code: &AuthorizationCode, hash: SecretHash) -> String {
    code.seal(&site.keys, &ClientId::parse("web").unwrap(), &hash).unwrap()
}

fn everything(site: &Site) -> String {
    let families = site.families();
    let alice = site.user("alice").id;
    let browsers = site.block_on(site.store.list_browser_sessions(alice, None, 10)).unwrap();
    format!("{families:?} {browsers:?}")
}

/// A plain hash in the code could be read out of one that was logged, and put into another.
#[test]
fn a_real_code_that_was_opened_and_changed_with_the_key_file_begins_nothing() {
    let site = site();
    let mut visitor = site.visitor();
    let logged = visitor.code(&[]);
    let web = ClientId::parse("web").unwrap();
    let opened = AuthorizationCode::open(&site.keys, &logged, &web).unwrap();
    let before = everything(&site);
    // Sealed anew with the tag that it had.
    let mut other = opened.clone();
    other.code.family = FamilyId([77; 16]);
    other.code.challenge = None;
    let standing = site.block_on(
        site.store.load_code_standing(opened.code.browser_session, (opened.code.user_id, &web)),
    );
    let standing = standing.unwrap();
    assert!(opened.bound(&web, &standing).is_some());
    assert!(other.bound(&web, &standing).is_none());
    let forged = seal(&site, &other.code, SecretHash([1; 32]));
    let form = [("client_id", "web"), ("code_verifier", "")];
    site.redeem_with(OWNER, &forged, &form).expect(400, "invalid_grant");
    assert_eq!(everything(&site), before);
    redeem(&site, &logged).ok();
}

/// Somebody with an account of their own and the key file: the session is theirs, the `sub` is not.
#[test]
fn an_access_token_speaks_for_the_user_of_its_session_alone_and_for_no_more_than_was_granted() {
    let site = site();
    site.create_user("mallory");
    site.register("api", |client| {
        client.serves = Resources::parse(["https://api.example"]).unwrap();
    });
    let own = OwnSession::of(&site, "mallory");
    let (alice, mallory) = (site.user("alice").id, site.user("mallory").id);
    let (openid, all) = ("openid a", "openid profile email b");
    assert_eq!(own.shown_of(&site, mallory, openid), Some(mallory), "what it got, it may make");
    assert_eq!(own.shown_of(&site, alice, openid), None);
    let forged = own.forge(&site, mallory, all);
    site.get_as("/oauth2/userinfo", &format!("Bearer {forged}")).ok();
    let form = [("token", &*forged)];
    let seen = site.post("/oauth2/introspect", As::Client("api"), &form).ok().json();
    assert_eq!(seen, serde_json::json!({"active": false}), "the resource was never granted");
    // Nor does it last longer than its session could.
    let families = site.families();
    let end = families.iter().map(|loaded| loaded.family.max_expires_at).max().unwrap();
    site.set_clock(end.as_millis());
    assert_eq!(own.shown_of(&site, mallory, openid), None);
}

struct OwnSession(FamilyId);

impl OwnSession {
    fn of(site: &Site, name: &str) -> Self {
        let mut visitor = site.visitor();
        let page = visitor.authorize(&[]);
        let answer = visitor.sign_in(&page, name, PASSWORD);
        let code = crate::visitor::Callback::of(&answer).value("code");
        let refresh = redeem(site, &code).ok().text("refresh_token");
        let web = ClientId::parse("web").unwrap();
        Self(token::open_refresh(&site.keys, &refresh, &web).unwrap().family)
    }

    fn forge(&self, site: &Site, user_id: UserId, scope: &str) -> String {
        let forged = AccessToken {
            jti: Jti([6; 16]),
            client_id: ClientId::parse("web").unwrap(),
            subject: Subject::User { user_id, family: self.0, generation: 0 },
            scope: Scope::parse(scope).unwrap(),
            resources: Resources::parse(["https://api.example"]).unwrap(),
            issued_at: site.now(),
            expires_at: remint_protocol::time::Timestamp::from_millis(i64::MAX),
        };
        token::seal_access(&site.keys, &forged).unwrap()
    }

    /// Whom userinfo speaks of.
    fn shown_of(&self, site: &Site, user_id: UserId, scope: &str) -> Option<UserId> {
        let forged = self.forge(site, user_id, scope);
        let answer = site.get_as("/oauth2/userinfo", &format!("Bearer {forged}"));
        (answer.status == 200).then(|| UserId::from_subject(&answer.text("sub")).unwrap())
    }
}

/// What is remembered of a token that was revoked is a row.
#[test]
fn an_access_token_that_was_made_up_is_not_remembered_as_revoked() {
    let site = site();
    let own = OwnSession::of(&site, "alice");
    let alice = site.user("alice").id;
    let made_up = OwnSession(FamilyId([9; 16]));
    let client_itself = AccessToken {
        subject: Subject::Client { born: site.block_on(site.store.ends()).unwrap() },
        ..token::open_access(&site.keys, &own.forge(&site, alice, "a")).unwrap()
    };
    let forged = [
        made_up.forge(&site, alice, "a"),
        own.forge(&site, UserId([9; 16]), "a"),
        token::seal_access(&site.keys, &client_itself).unwrap(),
    ];
    let is_remembered = |text: &str| {
        let form = [("token", text), ("client_id", "web")];
        assert_eq!(site.post("/oauth2/revoke", OWNER, &form).status, 200);
        site.block_on(site.store.is_access_token_revoked(Jti([6; 16]))).unwrap()
    };
    for text in forged {
        assert!(!is_remembered(&text));
    }
    // A row goes away with the session.
    assert!(is_remembered(&own.forge(&site, alice, "a")));
    let families = site.families();
    let end = families.iter().map(|loaded| loaded.family.max_expires_at).max().unwrap();
    let after = end.after(std::time::Duration::from_millis(1));
    site.block_on(site.store.delete_expired_access_tokens(after)).unwrap();
    assert!(!site.block_on(site.store.is_access_token_revoked(Jti([6; 16]))).unwrap());
}

/// A request that waits, sealed as if alice had just signed in for it.
#[test]
fn a_sign_in_cannot_be_made_up_for_a_request_that_asks_for_one() {
    let site = site();
    let mut visitor = site.visitor();
    let tokens = redeem(&site, &visitor.code(&[])).ok().json();
    let (alice, browser) = shown(&tokens);
    let session = BrowserSession {
        id: browser,
        secret_hash: SecretHash([0; 32]),
        ..site.block_on(site.store.load_browser_session(browser)).unwrap().unwrap().session
    };
    assert_eq!(session.user_id, alice);
    for wish in [[("prompt", "login")], [("max_age", "0")]] {
        let query = request(&wish);
        let query = query.split_once('?').map_or(query.as_str(), |(_, query)| query).to_owned();
        let since = site.now();
        site.wait(5);
        let proof = Some(SignInProof::of(&session, &query, since));
        let forged = Interaction { waiting: Waiting::Authorization, request: query, since, proof }
            .seal(&site.keys)
            .unwrap();
        let answer = visitor.get(&format!("/oauth2/authorize/continue?flow={forged}"));
        let answer = visitor.follow(answer);
        assert!(is_sign_in(&answer) && !is_consent(&answer), "{answer:?}");
    }
}

/// The secret is drawn anew, and with it goes what was bound to the one before.
#[test]
fn a_sign_in_anew_ends_a_code_of_the_second_before_and_tells_of_its_reuse_still() {
    let site = site();
    let mut visitor = site.visitor();
    let (unused, used) = (visitor.code(&[]), visitor.code(&[]));
    let tokens = redeem(&site, &used).ok().json();
    sign_in_anew(&mut visitor);
    redeem(&site, &unused).expect(400, "invalid_grant");
    assert_eq!(site.families().len(), 1);
    redeem(&site, &visitor.code(&[])).ok();
    assert_eq!(site.families().len(), 2);
    // Whoever took the code that was used presents it now.
    redeem(&site, &used).expect(400, "invalid_grant");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    site.refresh_as(OWNER, refresh, &[("client_id", "web")]).expect(400, "invalid_grant");
}

fn sign_in_anew(visitor: &mut Visitor<'_>) {
    let page = visitor.authorize(&[("prompt", "login")]);
    assert!(is_sign_in(&page));
    visitor.sign_in(&page, "alice", PASSWORD);
}
