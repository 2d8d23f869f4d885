//! `remint session browsers` and `remint consent`: what people did at the pages, seen and ended from the
//! command line.

use std::time::Duration;

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::consent::Consent;
use remint_protocol::family::Origin;
use remint_protocol::family_id::FamilyId;
use remint_protocol::grant::{Grant, Issuing, NewFamilyIds, Seal};
use remint_protocol::policy::Policy;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::{FamilySecret, SecretHash};
use remint_protocol::time::Timestamp;
use remint_protocol::user::{UserId, Username};
use remint_server::clock::Clock;
use remint_store::{Outcome, Store};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::home::Home;

pub(crate) const HERE: BrowserSessionId = BrowserSessionId([0xfb; 16]);
const THERE: BrowserSessionId = BrowserSessionId([2; 16]);

/// The store of an installation, in the state that the pages leave it in.
pub(crate) struct Pages {
    runtime: Runtime,
    store: Store,
    pub(crate) alice: UserId,
    now: Timestamp,
}

impl Pages {
    pub(crate) fn of(home: &Home) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (store, alice) = runtime.block_on(async {
            let store = Store::open(&home.file("remint.db")).unwrap();
            let name = Username::parse("alice").unwrap();
            let alice = store.find_user(&name).await.unwrap().unwrap().id;
            (store, alice)
        });
        let now = Clock::System.now();
        Self { runtime, store, alice, now }
    }

    pub(crate) fn sign_in(&self, id: BrowserSessionId, agent: &str) {
        self.sign_in_before(id, agent, Duration::ZERO);
    }

    /// Signs alice in some time ago.
    fn sign_in_before(&self, id: BrowserSessionId, agent: &str, ago: Duration) {
        let session = BrowserSession {
            id,
            secret_hash: SecretHash([9; 32]),
            user_id: self.alice,
            auth_time: self.now,
            proven: self.runtime.block_on(self.store.ends()).unwrap(),
            expires_at: self.now.after(Duration::from_hours(1)),
            amr: "pwd".into(),
            created_at: self.now,
            seen_at: self.now.before(ago),
            user_agent: agent.into(),
            source: "192.0.2.7".into(),
            ended_at: None,
        };
        let inserted = self.store.insert_browser_session(&session, None);
        assert_eq!(self.runtime.block_on(inserted).unwrap(), Outcome::Done);
    }

    /// What the application `client` gets of alice, who sits at a browser.
    fn authorize(&self, client: &str, number: u8, session: BrowserSessionId, scope: &str) {
        let scope = Scope::parse(scope).unwrap();
        self.runtime.block_on(async {
            let mut client = self.store.find_client(client).await.unwrap().unwrap();
            // What it gets must not depend on a consent here.
            client.authorize.first_party = true;
            let updated = self.store.update_client(&client, client.updated_at).await.unwrap();
            assert_eq!(updated, Outcome::Done);
            let grant = Grant {
                user_id: self.alice,
                resources: Resources::default(),
                auth_time: self.now,
                born: self.store.ends().await.unwrap(),
                proven: self.store.ends().await.unwrap(),
                origin: Origin {
                    browser_session: Some(session),
                    offline: scope.contains("offline_access"),
                    ..Origin::default()
                },
                scope,
            };
            let secret = FamilySecret::new([number; 16]);
            let fresh = NewFamilyIds { id: FamilyId([number; 16]), secret };
            let seal = Seal { kid: 1, epoch: 0 };
            let issuing = Issuing { policy: &Policy::default(), seal, now: self.now };
            let (family, _) = grant.start_family(&client, &fresh, issuing);
            let inserted =
                self.store.insert_family_at_browser(&family, SecretHash([9; 32])).await.unwrap();
            assert_eq!(inserted, Outcome::Done);
        });
    }

    pub(crate) fn consent(&self, client: &str, scope: &str) {
        self.runtime.block_on(async {
            let client = self.store.find_client(client).await.unwrap().unwrap();
            let given = Consent {
                user_id: self.alice,
                client_id: client.id,
                scope: Scope::parse(scope).unwrap(),
                resources: Resources::default(),
                given_at: self.now,
            };
            assert_eq!(self.store.save_consent(&given, None).await.unwrap(), Outcome::Done);
        });
    }
}

fn members(listed: &Value, names: &[&str]) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |one: &Value| names.iter().map(|name| text(&one[*name])).collect();
    listed.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn browsers_are_listed_and_signed_out_with_what_does_not_outlive_them() {
    let home = Home::furnished();
    let pages = Pages::of(&home);
    pages.sign_in(HERE, "Browser/1.0 (\u{1b}[31mred)");
    pages.sign_in(THERE, "Other/2.0");
    pages.authorize("shop", 1, HERE, "a");
    pages.authorize("shop", 2, HERE, "a offline_access");
    pages.authorize("shop", 3, THERE, "a");

    let browsers = home.json(&["session", "browsers", "alice"]);
    let seen = members(&browsers, &["browser", "state", "source", "amr"]);
    let row = |id: BrowserSessionId, state: &str| {
        [&id.sid(), state, "192.0.2.7", "pwd"].map(str::to_owned).to_vec()
    };
    assert_eq!(seen, [row(THERE, "live"), row(HERE, "live")]);
    let text = home.run(&["session", "browsers", "alice"]).ok().stdout;
    assert!(text.contains("Browser/1.0 ( [31mred)"), "the terminal is not steered: {text:?}");

    let listed = |home: &Home| {
        members(&home.json(&["session", "list", "--all"]), &["browser", "offline", "state"])
    };
    let family = |id: BrowserSessionId, offline: &str, state: &str| {
        [&id.sid(), offline, state].map(str::to_owned).to_vec()
    };
    assert_eq!(
        listed(&home),
        [
            family(HERE, "false", "live"),
            family(HERE, "true", "live"),
            family(THERE, "false", "live")
        ]
    );
    assert!(HERE.sid().starts_with('-'), "ids may look like flags");
    home.run(&["session", "revoke", "--browser", &HERE.sid()]).ok();
    assert_eq!(
        listed(&home),
        [
            family(HERE, "false", "revoked (sign_out)"),
            family(HERE, "true", "live"),
            family(THERE, "false", "live")
        ]
    );
    let left = home.json(&["session", "browsers", "alice"]);
    assert_eq!(members(&left, &["browser"]), [[THERE.sid()]]);
    let all = home.json(&["session", "browsers", "alice", "--all"]);
    assert_eq!(members(&all, &["state"]), [["live"], ["ended"]]);
    for (id, reason) in
        [("x", "is not the id of a browser"), (&BrowserSessionId([1; 16]).sid(), "no such browser")]
    {
        let error = home.run(&["session", "revoke", "--browser", id]).failed();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn clients_that_wait_for_a_logout_or_were_given_up_are_listed() {
    let home = Home::furnished();
    let update =
        ["client", "update", "shop", "--backchannel-logout-uri", "https://shop.example/out"];
    home.run(&update).ok();
    let pages = Pages::of(&home);
    pages.sign_in(HERE, "Firefox");
    pages.authorize("shop", 1, HERE, "a");
    assert_eq!(home.json(&["logout", "list"]), json!([]));
    let end = pages.store.end_browser_session((pages.alice, HERE), pages.now);
    pages.runtime.block_on(end).unwrap();
    let listed = home.json(&["logout", "list"]);
    let names = ["client", "state", "user", "browser", "attempts"];
    let of = |state: &str, attempts: u32| {
        json!([{"client": "shop", "state": state, "user": pages.alice.to_string(),
            "browser": HERE.sid(), "attempts": attempts}])
    };
    let shown = |listed: &Value| {
        let mut one = listed[0].as_object().unwrap().clone();
        one.retain(|name, _| names.contains(&name.as_str()));
        json!([one])
    };
    assert_eq!(shown(&listed), of("waiting", 0));
    assert!(listed[0]["next"].is_string() && listed[0]["given_up"].is_null(), "{listed}");
    pages.runtime.block_on(async {
        let all = pages.store.list_logout_notices(None, 10).await.unwrap();
        pages.store.give_up_logout_notice(&all[0].given_up(pages.now)).await.unwrap();
    });
    let listed = home.json(&["logout", "list"]);
    assert_eq!(shown(&listed), of("given up", 0));
    assert!(listed[0]["next"].is_null() && listed[0]["given_up"].is_string(), "{listed}");
    let text = home.run(&["logout", "list"]).ok().stdout;
    assert!(text.starts_with("CLIENT  STATE") && text.contains("given up"), "{text}");
}

#[test]
fn a_browser_that_is_over_says_why() {
    let home = Home::furnished();
    let pages = Pages::of(&home);
    pages.sign_in_before(HERE, "", Duration::from_hours(9));
    pages.sign_in(THERE, "");
    let states = || {
        let all = home.json(&["session", "browsers", "alice", "--all"]);
        members(&all, &["state"]).concat()
    };
    assert_eq!(states(), ["live", "idle"], "for longer than sessions.idle_lifetime");
    home.run(&["user", "disable", "alice"]).ok();
    assert_eq!(states(), ["ended (user)", "idle"]);
    assert_eq!(home.json(&["session", "browsers", "alice"]), json!([]));
}

#[test]
fn consents_are_listed_and_taken_back_by_user_and_by_client() {
    let home = Home::furnished();
    let other = ["client", "create", "--id", "other", "--redirect-uri", "https://other.example/"];
    home.run(&other).ok();
    let pages = Pages::of(&home);
    pages.sign_in(HERE, "");
    pages.consent("shop", "a b");
    pages.consent("other", "openid");
    pages.authorize("shop", 1, HERE, "a");
    pages.authorize("other", 2, HERE, "openid");

    let list = |which: &[&str]| {
        let listed = home.json(&[["consent", "list"].as_slice(), which].concat());
        members(&listed, &["user", "client", "scope"])
    };
    let (shop, other) = (["alice", "shop", "a b"], ["alice", "other", "openid"]);
    assert_eq!(list(&["--user", "alice"]), [other, shop]);
    assert_eq!(list(&["--client", "shop"]), [shop]);
    assert_eq!(list(&["--client", "shop", "--user", "alice"]), [shop]);

    let states = || members(&home.json(&["session", "list", "--all"]), &["client", "state"]);
    home.run(&["consent", "revoke", "--client", "shop"]).ok();
    assert_eq!(list(&["--user", "alice"]), [other]);
    assert_eq!(states(), [["shop", "revoked (operator)"], ["other", "live"]]);
    let done = home.json(&["consent", "revoke", "--user", "alice"]);
    assert!(done["done"].as_str().unwrap().starts_with("1 consent is taken back"), "{done}");
    assert_eq!(states(), [["shop", "revoked (operator)"], ["other", "revoked (operator)"]]);
    assert_eq!(home.json(&["consent", "list", "--client", "other"]), json!([]));
}

#[test]
fn a_client_that_nobody_was_asked_about_loses_what_it_has_of_a_user() {
    let home = Home::furnished();
    let pages = Pages::of(&home);
    pages.sign_in(HERE, "");
    pages.authorize("shop", 1, HERE, "a");
    home.run(&["consent", "revoke", "--user", "alice", "--client", "shop"]).ok();
    let listed = home.json(&["session", "list", "--all"]);
    assert_eq!(members(&listed, &["state"]), [["revoked (operator)"]]);
}

#[test]
fn whose_consents_must_be_said() {
    let home = Home::furnished();
    for command in ["list", "revoke"] {
        assert_eq!(home.run(&["consent", command]).status.code(), Some(2));
        let error = home.run(&["consent", command, "--client", "x"]).failed();
        assert!(error.contains("there is no client x"), "{error}");
        let error = home.run(&["consent", command, "--user", "bob"]).failed();
        assert!(error.contains("there is no user bob"), "{error}");
    }
}
