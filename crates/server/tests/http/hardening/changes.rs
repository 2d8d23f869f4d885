//! Changes between a page and its submission, or between a code and its tokens.

use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::scope::Scope;

use super::{Came, SESSION, at_account, at_consent, came, known, site};
use crate::site::{As, PASSWORD, Site};
use crate::visitor::{Callback, Visitor, hidden, is_sign_in};

fn change_password(visitor: &mut Visitor<'_>, new: &str) {
    let csrf = hidden(&visitor.get("/account"), "csrf");
    let fields = [
        ("csrf", &*csrf),
        ("current_password", PASSWORD),
        ("new_password", new),
        ("repeated_password", new),
    ];
    let answer = visitor.post("/account/password", &fields);
    assert_eq!(answer.header("location"), Some("/account?done=password"), "{answer:?}");
}

#[test]
fn checklist_89_a_redirection_uri_that_was_removed_gets_nothing_from_open_pages() {
    let site = site();
    let (mut visitor, page) = at_consent(&site, &[]);
    let sign_in = site.visitor().authorize(&[]);
    site.change("web", |client| {
        client.authorize.redirect_uris =
            vec![RedirectUri::register("https://app.example/new").unwrap()];
    });
    for decision in ["allow", "deny", "switch"] {
        let answer = visitor.decide(&page, decision);
        assert_eq!((came(&answer), answer.header("location")), (Came::Page(400), None));
    }
    let flow = hidden(&sign_in, "flow");
    assert_eq!(came(&site.visitor().get(&format!("/login?flow={flow}"))), Came::Page(400));
}

#[test]
fn checklist_89_a_client_that_was_disabled_gets_nothing_from_open_pages_and_codes() {
    let site = site();
    let (mut visitor, page) = at_consent(&site, &[]);
    let code = known(&site).code(&[]);
    site.change("web", |client| client.enabled = false);
    assert_eq!(came(&visitor.decide(&page, "allow")), Came::Page(400));
    site.redeem(&code).expect(401, "invalid_client");
    assert!(site.families().is_empty());
}

#[test]
fn checklist_89_a_scope_that_was_taken_from_a_client_is_neither_consented_to_nor_given() {
    let site = site();
    let (mut visitor, page) = at_consent(&site, &[("scope", "openid a b")]);
    let code = known(&site).code(&[("scope", "openid a")]);
    site.change("web", |client| client.scope = Scope::parse("openid b").unwrap());
    let callback = Callback::of(&visitor.decide(&page, "allow"));
    assert_eq!(callback.value("error"), "invalid_scope");
    assert_eq!(site.redeem(&code).ok().text("scope"), "openid");
    assert_eq!(site.families()[0].family.scope.as_str(), "openid");
}

#[test]
fn checklist_89_a_client_whose_tokens_were_ended_does_not_begin_anew_with_an_old_code() {
    let site = site();
    let code = known(&site).code(&[]);
    let now = site.now();
    site.wait(1);
    site.change("web", |client| client.ended.at = now);
    site.redeem(&code).expect(400, "invalid_grant");
    site.redeem(&known(&site).code(&[])).ok();
}

#[test]
fn checklist_26_ending_access_ends_the_codes_of_an_application_for_good() {
    for first_party in [false, true] {
        let site = Site::new();
        site.register_web("web", |client| client.authorize.first_party = first_party);
        let mut visitor = site.visitor();
        let [first, second] = [0, 1].map(|_| visitor.code(&[]));
        site.wait(1);
        let csrf = hidden(&visitor.get("/account"), "csrf");
        visitor.post("/account/applications/end", &[("csrf", &csrf), ("application", "web")]);
        site.redeem(&first).expect(400, "invalid_grant");
        assert!(!visitor.get("/account").body.contains("The Shop"));
        site.wait(1);
        let page = visitor.authorize(&[]);
        assert_eq!(came(&page) == Came::Consent, !first_party, "{page:?}");
        let third = visitor.code(&[]);
        site.redeem(&second).expect(400, "invalid_grant");
        assert!(
            site.families().is_empty(),
            "what is allowed now is not allowed to a code of before"
        );
        site.redeem(&third).ok();
    }
}

#[test]
fn checklist_46_a_password_change_ends_codes_and_open_pages_of_all_browsers_but_its_own() {
    let site = site();
    let mut own = known(&site);
    let (mut elsewhere, page) = at_consent(&site, &[("scope", "openid b")]);
    let mut thief = known(&site);
    let stolen = Callback::of(&thief.authorize(&[])).value("code");
    site.wait(5);
    change_password(&mut own, "through the looking glass");
    site.wait(1);
    site.redeem(&stolen).expect(400, "invalid_grant");
    assert!(site.families().is_empty());
    assert!(is_sign_in(&elsewhere.decide(&page, "allow")));
    assert!(is_sign_in(&thief.authorize(&[])));
    site.redeem(&Callback::of(&own.authorize(&[])).value("code")).ok();
}

#[test]
fn checklist_46_a_user_who_was_disabled_or_deleted_gets_nothing_from_open_pages_and_codes() {
    let ends: [fn(&Site); 2] = [
        |site| {
            site.block_on(site.store.set_user_enabled(site.user("alice").id, false, site.now()))
                .unwrap();
        },
        |site| {
            site.block_on(site.store.delete_user(site.user("alice").id)).unwrap();
        },
    ];
    for end in ends {
        let site = site();
        let code = known(&site).code(&[]);
        let (mut visitor, page) = at_consent(&site, &[("scope", "openid b")]);
        let (mut at_account, account) = at_account(&site, "alice");
        site.wait(1);
        end(&site);
        site.redeem(&code).expect(400, "invalid_grant");
        assert!(is_sign_in(&visitor.decide(&page, "allow")));
        let csrf = hidden(&account, "csrf");
        let answer = at_account.post("/account/sign-out", &[("csrf", &csrf)]);
        assert_eq!(answer.header("location"), Some("/login"));
        assert!(site.families().is_empty());
    }
}

#[test]
fn checklist_84_a_session_that_was_ended_elsewhere_is_over_on_its_open_pages() {
    let site = site();
    let (mut visitor, page) = at_consent(&site, &[]);
    let (mut elsewhere, _) = at_account(&site, "alice");
    site.wait(1);
    let account = elsewhere.get("/account");
    let csrf = hidden(&account, "csrf");
    let own = visitor.get("/account");
    let id = own.body.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    elsewhere.post("/account/sessions/end", &[("csrf", &csrf), ("session", id)]);
    assert!(is_sign_in(&visitor.decide(&page, "allow")));
    let answer = visitor.get("/account");
    assert_eq!(answer.header("location"), Some("/login"));
    assert!(elsewhere.get("/account").status == 200 && visitor.cookie(SESSION).is_some());
}

#[test]
fn nobody_ends_the_session_of_somebody_else() {
    let site = site();
    site.create_user("bob");
    let (mut alice, page) = at_account(&site, "alice");
    let id =
        page.body.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let (mut bob, of_bob) = at_account(&site, "bob");
    let csrf = hidden(&of_bob, "csrf");
    bob.post("/account/sessions/end", &[("csrf", &csrf), ("session", id)]);
    assert_eq!(alice.get("/account").status, 200);
}

#[test]
fn checklist_84_a_session_ends_by_idling_and_by_age() {
    let site = Site::with("sessions.idle_lifetime=10m sessions.absolute_lifetime=1h");
    site.register_web("web", |_| {});
    let mut visitor = known(&site);
    for _ in 0..6 {
        site.wait(9 * 60);
        Callback::of(&visitor.authorize(&[])).value("code");
    }
    site.wait(7 * 60);
    assert!(is_sign_in(&visitor.authorize(&[])), "an hour is over");
    let mut idle = known(&site);
    site.wait(10 * 60);
    assert!(is_sign_in(&idle.authorize(&[])));
}

#[test]
fn a_code_of_another_client_of_the_same_name_is_worth_nothing() {
    let site = site();
    let code = known(&site).code(&[]);
    site.wait(1);
    site.block_on(
        site.store.delete_client(&remint_protocol::client_id::ClientId::parse("web").unwrap()),
    )
    .unwrap();
    site.register_web("web", |_| {});
    site.let_changes_be_seen();
    site.redeem_with(As::Client("web"), &code, &[]).expect(400, "invalid_grant");
}
