//! Codes: what they are bound to, and what becomes of them.

use std::time::Duration;

use remint_protocol::client_id::ClientId;
use remint_testbed::http;

use super::{By, ask_with, known, site};
use crate::site::{As, SECRET, Site, basic};
use crate::visitor::{CALLBACK, Callback};

#[test]
fn checklist_46_a_code_lives_for_a_minute_and_not_longer() {
    let site = site();
    let mut visitor = known(&site);
    let [young, old] = [0, 1].map(|_| Callback::of(&visitor.authorize(&[])).value("code"));
    site.set_clock(site.now().as_millis() + 59_999);
    site.redeem(&young).ok();
    site.set_clock(site.now().as_millis() + 1);
    site.redeem(&old).expect(400, "invalid_grant");
    assert_eq!(site.families().len(), 1);
}

#[test]
fn checklist_47_a_code_is_worth_nothing_with_anything_of_another() {
    let site = site();
    site.register_web("other", |_| {});
    site.register_spa("spa", |_| {});
    let mut visitor = known(&site);
    let code = Callback::of(&visitor.authorize(&[])).value("code");
    let wrong = [
        site.redeem_with(As::Client("other"), &code, &[]),
        site.redeem_with(As::Nobody, &code, &[("client_id", "spa")]),
        site.redeem_with(As::Client("web"), &code, &[("redirect_uri", "https://app.example/cb/")]),
        site.redeem_with(As::Client("web"), &code, &[("redirect_uri", "")]),
        site.redeem_with(As::Client("web"), &code, &[("code_verifier", &"x".repeat(43))]),
        site.redeem_with(As::Client("web"), &code.to_uppercase(), &[]),
        site.redeem_with(As::Client("web"), &code[..code.len() - 1], &[]),
        site.redeem_with(As::Client("web"), &format!("{code} "), &[]),
        site.refresh_as(As::Client("web"), &code, &[]),
    ];
    for answer in wrong {
        answer.expect(400, "invalid_grant");
    }
    site.redeem_with(As::Basic("web", "x"), &code, &[]).expect(401, "invalid_client");
    assert!(site.families().is_empty());
    let tokens = site.redeem(&code).ok();
    for token in ["access_token", "refresh_token", "id_token"] {
        site.redeem(&tokens.text(token)).expect(400, "invalid_grant");
    }
}

#[test]
fn checklist_47_no_other_installation_takes_a_code() {
    let [site, other] = [site(), site()];
    let code = known(&site).code(&[]);
    other.redeem(&code).expect(400, "invalid_grant");
    site.redeem(&code).ok();
}

#[test]
fn checklist_48_the_tokens_of_a_code_that_comes_twice_are_dead_to_introspection_too() {
    let site = site();
    let mut visitor = known(&site);
    let [code, bystander] = [0, 1].map(|_| Callback::of(&visitor.authorize(&[])).value("code"));
    let bystander = site.redeem(&bystander).ok();
    let tokens = site.redeem(&code).ok();
    let is_active = |token: &str| {
        let answer = site.post("/oauth2/introspect", As::Client("web"), &[("token", token)]);
        answer.ok().json()["active"] == true
    };
    assert!(is_active(&tokens.text("access_token")));
    site.redeem(&code).expect(400, "invalid_grant");
    assert!(!is_active(&tokens.text("access_token")) && !is_active(&tokens.text("refresh_token")));
    assert!(is_active(&bystander.text("access_token")), "the user's other sessions go on");
}

#[test]
fn checklist_49_whether_the_uri_is_sent_again_is_up_to_the_client() {
    let site = Site::new();
    site.register_web("web", |client| client.authorize.repeat_redirect_uri = false);
    site.register_web("strict", |_| {});
    let mut visitor = site.visitor();
    let without = [("redirect_uri", "")];
    let code = visitor.code(&[]);
    site.redeem_with(As::Client("web"), &code, &[("redirect_uri", "https://x.example/")])
        .expect(400, "invalid_grant");
    site.redeem_with(As::Client("web"), &code, &without).ok();
    let code = visitor.code(&[("client_id", "strict")]);
    site.redeem_with(As::Client("strict"), &code, &without).expect(400, "invalid_grant");
    // Decision K5: where the request had none, none need be sent, and the right one may.
    for more in [&without[..], &[("redirect_uri", CALLBACK)]] {
        let code = visitor.code(&[("client_id", "strict"), ("scope", "a"), ("redirect_uri", "")]);
        site.redeem_with(As::Client("strict"), &code, more).ok();
    }
}

#[test]
fn checklist_27_the_answer_names_the_scope() {
    let site = site();
    let mut visitor = site.visitor();
    for (asked, given) in
        [("a openid", "a openid"), ("openid", "openid"), ("a a openid", "a openid")]
    {
        let tokens = site.redeem(&visitor.code(&[("scope", asked)])).ok();
        assert_eq!(tokens.text("scope"), given);
    }
}

#[test]
fn checklist_54_no_client_can_have_the_id_of_a_user() {
    let site = site();
    let tokens = site.redeem(&known(&site).code(&[])).ok();
    let sub = super::openid::claims(&tokens.text("id_token"))["sub"].as_str().unwrap().to_owned();
    assert_eq!(ClientId::parse(&sub), None, "{sub}");
    assert_eq!(ClientId::parse(&format!("{sub}x")), None, "nor anything that begins so");
}

/// Reads nothing of the answer, as a client does whose connection breaks.
fn send_and_hang_up(site: &Site, code: &str) {
    use std::io::Write as _;
    let form = super::form(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::visitor::VERIFIER),
    ]);
    let families = site.families().len();
    let authorization = format!("Authorization: {}\r\n", basic("web", SECRET));
    let mut stream = site.connect();
    stream.write_all(http::form("/oauth2/token", &authorization, &form).as_bytes()).unwrap();
    // Written, and nobody was told.
    crate::site::eventually(|| site.families().len() > families);
    drop(stream);
}

#[test]
fn checklist_48_a_client_whose_answer_was_lost_ends_its_own_session_alone_without_grace() {
    let site = site();
    let mut visitor = known(&site);
    let mut code = || Callback::of(&visitor.authorize(&[])).value("code");
    let other = site.redeem(&code()).ok();
    let lost = code();
    send_and_hang_up(&site, &lost);
    site.redeem(&lost).expect(400, "invalid_grant");
    site.refresh_as(As::Client("web"), &other.text("refresh_token"), &[]).ok();
    let revoked: Vec<_> = site.families().iter().map(|l| l.family.revoked.is_some()).collect();
    assert_eq!(revoked.iter().filter(|is| **is).count(), 1, "{revoked:?}");
    // A new code, and it goes on.
    site.redeem(&code()).ok();
}

#[test]
fn a_client_whose_answer_was_lost_goes_on_with_the_same_session_within_grace() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.overrides.grace_period = Some(Duration::from_secs(30));
    });
    let code = site.visitor().code(&[]);
    send_and_hang_up(&site, &code);
    site.wait(29);
    let tokens = site.redeem(&code).ok();
    assert_eq!(site.families().len(), 1);
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[]).ok();
}

#[test]
fn checklist_16_a_code_is_only_sent_to_a_browser_that_asked() {
    let site = site();
    let mut visitor = known(&site);
    // A HEAD gets the same redirect as a GET, and writes as little.
    let path = format!("/oauth2/authorize?{}", crate::visitor::request(&[]));
    let head = visitor.send("HEAD", &path, "", "");
    assert_eq!(head.status, 303);
    for method in ["PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = visitor.send(method, &path, "", "");
        assert_eq!((answer.status, answer.header("location")), (405, None), "{method}");
    }
    assert!(site.families().is_empty());
    assert_eq!(ask_with(&mut visitor, By::Get, &[]).status, 303);
}
