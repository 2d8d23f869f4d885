//! The authorization code flow, from the first redirect to the last token.

use std::time::Duration;

use remint_protocol::family::RevokeReason;
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::scope::Scope;

use crate::site::{As, PASSWORD, Site};
use crate::visitor::{CALLBACK, Callback, claims, hidden, is_consent, is_sign_in, request};

fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |_| {});
    site
}

#[test]
fn a_person_signs_in_and_consents_and_the_client_gets_tokens() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.authorize(&[]);
    assert!(is_sign_in(&page) && page.body.contains("The Shop"), "{page:?}");
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    assert!(is_consent(&page) && page.body.contains("app.example"), "{page:?}");
    let callback = Callback::of(&visitor.decide(&page, "allow"));
    assert_eq!(callback.value("state"), "xyz");
    assert_eq!(callback.value("iss"), "https://localhost:9443");

    let answer = site.redeem(&callback.value("code")).ok();
    let tokens = answer.json();
    assert_eq!(tokens["scope"], "a openid");
    let refreshed =
        site.refresh_as(As::Client("web"), tokens["refresh_token"].as_str().unwrap(), &[]);
    let refreshed = refreshed.ok().json();
    assert_ne!(tokens["refresh_token"], refreshed["refresh_token"]);
    let [first, second] =
        [&tokens, &refreshed].map(|json| claims(json["id_token"].as_str().unwrap()));
    assert_eq!(first["nonce"], "n-0S6");
    assert_eq!(second.get("nonce"), None, "no request of the browser asked for this one");
    for claim in ["iss", "sub", "aud", "auth_time", "amr", "sid"] {
        assert_eq!(first[claim], second[claim], "{claim}");
    }
    assert_eq!(first["aud"], "web");
    // Signed in, and asked before: straight to the client.
    let again = Callback::of(&visitor.authorize(&[]));
    site.redeem(&again.value("code")).ok();
}

#[test]
fn nothing_is_written_until_a_code_is_redeemed() {
    let site = site();
    let code = site.visitor().code(&[]);
    assert!(site.families().is_empty());
    site.redeem(&code).ok();
    assert_eq!(site.families().len(), 1);
}

#[test]
fn checklist_48_a_second_redemption_ends_what_the_first_one_gave() {
    let site = site();
    let code = site.visitor().code(&[]);
    let tokens = site.redeem(&code).ok();
    site.redeem(&code).expect(400, "invalid_grant");
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[])
        .expect(400, "invalid_grant");
    let family = &site.families()[0].family;
    assert_eq!(family.revoked.map(|(_, why)| why), Some(RevokeReason::CodeReuse));
}

#[test]
fn checklist_48_a_second_redemption_with_anything_wrong_changes_nothing() {
    let site = site();
    site.register_web("other", |_| {});
    let code = site.visitor().code(&[]);
    let tokens = site.redeem(&code).ok();
    let wrong = "x".repeat(43);
    site.redeem_with(As::Client("web"), &code, &[("code_verifier", &wrong)])
        .expect(400, "invalid_grant");
    site.redeem_with(As::Client("web"), &code, &[("code_verifier", "")])
        .expect(400, "invalid_grant");
    site.redeem_with(As::Client("web"), &code, &[("redirect_uri", "https://x")])
        .expect(400, "invalid_grant");
    site.redeem_with(As::Client("other"), &code, &[]).expect(400, "invalid_grant");
    site.redeem_with(As::Basic("web", "wrong"), &code, &[]).expect(401, "invalid_client");
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[]).ok();
}

#[test]
fn a_client_whose_answer_was_lost_gets_the_same_tokens_within_its_grace() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.overrides.grace_period = Some(Duration::from_secs(30));
    });
    let code = site.visitor().code(&[]);
    let [first, second] = [site.redeem(&code).ok(), site.redeem(&code).ok()];
    assert_eq!(first.text("refresh_token"), second.text("refresh_token"));
    assert_eq!(site.families().len(), 1);
    site.refresh_as(As::Client("web"), &first.text("refresh_token"), &[]).ok();
    // Used: whoever comes with the code now did not lose an answer.
    site.redeem(&code).expect(400, "invalid_grant");
    assert!(site.families()[0].family.revoked.is_some());
}

#[test]
fn checklist_46_a_code_ends_with_the_session_it_was_given_in() {
    let site = site();
    let mut visitor = site.visitor();
    let code = visitor.code(&[]);
    let page = visitor.get("/oidc/logout");
    assert!(page.body.contains("id=\"logout-confirm\""), "{page:?}");
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    visitor.post("/oidc/logout", &[("csrf", &csrf), ("flow", &flow)]).ok();
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
    site.redeem(&code).expect(400, "invalid_grant");
    assert!(site.families().is_empty());
}

#[test]
fn checklist_7_a_request_may_come_by_post() {
    let site = site();
    let mut visitor = site.visitor();
    let all = request(&[]);
    let fields: Vec<(String, String)> = all
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(n, v)| {
            (
                n.to_owned(),
                percent_encoding::percent_decode_str(v).decode_utf8().unwrap().into_owned(),
            )
        })
        .collect();
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let answer = visitor.post("/oauth2/authorize", &fields);
    let page = visitor.follow(answer);
    assert!(is_sign_in(&page), "{page:?}");
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    Callback::of(&visitor.decide(&page, "allow")).value("code");
    let answer = visitor.post("/oauth2/authorize", &fields);
    Callback::of(&answer).value("code");
}

#[test]
fn checklist_3_an_unproven_redirect_is_a_page_and_never_a_redirect() {
    let site = site();
    let mut visitor = site.visitor();
    let wrong: [&[(&str, &str)]; 4] = [
        &[("client_id", "nobody")],
        &[("client_id", "")],
        &[("redirect_uri", "https://evil.example/cb")],
        &[("redirect_uri", "")],
    ];
    for changes in wrong {
        let page = visitor.authorize(changes);
        assert_eq!((page.status, page.header("location")), (400, None), "{changes:?}");
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        assert!(!page.body.contains("evil"), "nothing that was sent is shown");
    }
}

#[test]
fn checklist_16_every_answer_says_who_gives_it() {
    let site = site();
    let mut visitor = site.visitor();
    for (changes, error) in [
        (("response_type", "x"), "unsupported_response_type"),
        (("response_type", "token"), "unauthorized_client"),
        (("scope", "openid z"), "invalid_scope"),
        (("code_challenge", ""), "invalid_request"),
        (("prompt", "none"), "login_required"),
        (("request", "x.y.z"), "request_not_supported"),
    ] {
        let callback = Callback::of(&visitor.authorize(&[changes]));
        assert_eq!(callback.value("error"), error);
        assert_eq!(callback.value("iss"), "https://localhost:9443");
        assert_eq!(callback.value("state"), "xyz");
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_page() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.authorize(&[]);
    let wrong = visitor.sign_in(&page, "alice", "x");
    let unknown = visitor.sign_in(&page, "nobody", "x");
    assert_eq!((wrong.status, unknown.status), (400, 400));
    assert!(is_sign_in(&wrong) && visitor.cookie("__Host-remint-session").is_none());
    let right = visitor.sign_in(&wrong, "alice", PASSWORD);
    assert!(is_consent(&right), "{right:?}");
}

#[test]
fn checklist_85_a_form_that_this_browser_was_not_given_signs_nobody_in() {
    let site = site();
    let mut attacker = site.visitor();
    let page = attacker.authorize(&[]);
    let mut victim = site.visitor();
    victim.authorize(&[]);
    let answer = victim.sign_in(&page, "alice", PASSWORD);
    assert!(is_sign_in(&answer) && answer.status == 400, "{answer:?}");
    assert_eq!(victim.cookie("__Host-remint-session"), None);
}

#[test]
fn what_one_person_was_asked_another_one_at_the_same_browser_does_not_answer() {
    let site = site();
    site.create_user("bob");
    let mut visitor = site.visitor();
    let page = visitor.authorize(&[]);
    let asked = visitor.sign_in(&page, "alice", PASSWORD);
    site.wait(1);
    let other_window = visitor.authorize(&[("prompt", "login")]);
    assert!(is_consent(&asked) && is_sign_in(&other_window));
    visitor.sign_in(&other_window, "bob", PASSWORD);
    let answer = visitor.decide(&asked, "allow");
    assert!(is_consent(&answer) && answer.body.contains("bob"), "he is asked himself: {answer:?}");
}

#[test]
fn checklist_29_a_sign_in_for_another_request_is_no_fresh_proof_for_this_one() {
    let site = site();
    let mut visitor = site.visitor();
    let waiting = visitor.authorize(&[("prompt", "login")]);
    let flow = hidden(&waiting, "flow");
    site.wait(5);
    visitor.code(&[]);
    let page = visitor.get(&format!("/login?flow={flow}"));
    assert!(is_sign_in(&page), "signed in since it arrived, but not for it: {page:?}");
    Callback::of(&visitor.sign_in(&page, "alice", PASSWORD)).value("code");
}

#[test]
fn whoever_says_no_is_sent_back_with_that() {
    let site = site();
    let mut visitor = site.visitor();
    let page = visitor.authorize(&[]);
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    let callback = Callback::of(&visitor.decide(&page, "deny"));
    assert_eq!(callback.value("error"), "access_denied");
    assert!(is_consent(&visitor.authorize(&[])), "a no is not remembered");
}

#[test]
fn checklist_5_a_registered_query_is_kept() {
    let site = Site::new();
    site.register_web("web", |client| {
        let with_query = format!("{CALLBACK}?tenant=1");
        client.authorize.redirect_uris = vec![RedirectUri::register(&with_query).unwrap()];
    });
    let with_query = format!("{CALLBACK}?tenant=1");
    let callback = site.visitor().obtain(&[("redirect_uri", &with_query)]);
    assert!(callback.location.starts_with(&format!("{with_query}&code=rmac_")), "{callback:?}");
    assert!(callback.location.ends_with("#_"), "checklist 6: no fragment is inherited");
}

#[test]
fn checklist_84_a_new_sign_in_makes_the_old_cookie_worthless() {
    let site = site();
    let mut visitor = site.visitor();
    visitor.code(&[]);
    let before = visitor.cookie("__Host-remint-session").unwrap().to_owned();
    site.wait(10);
    let page = visitor.authorize(&[("prompt", "login")]);
    assert!(is_sign_in(&page), "{page:?}");
    Callback::of(&visitor.sign_in(&page, "alice", PASSWORD)).value("code");
    assert_ne!(visitor.cookie("__Host-remint-session"), Some(&*before));
}

#[test]
fn checklist_24_a_public_client_on_a_loopback_port_is_asked_for_every_time() {
    let site = Site::new();
    site.register_spa("web", |client| {
        client.authorize.redirect_uris =
            vec![RedirectUri::register("http://127.0.0.1/cb").unwrap()];
        client.authorize.first_party = true;
    });
    let mut visitor = site.visitor();
    let native = [("redirect_uri", "http://127.0.0.1:4711/cb")];
    let page = visitor.authorize(&native);
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    for _ in 0..2 {
        assert!(is_consent(&page), "{page:?}");
        let answer = visitor.decide(&page, "allow");
        let location = answer.header("location").unwrap();
        assert!(location.starts_with("http://127.0.0.1:4711/cb?code="), "{location}");
        assert!(is_consent(&visitor.authorize(&native)));
    }
}

#[test]
fn a_client_without_a_name_is_called_by_its_id_on_every_page() {
    let site = Site::new();
    site.register_web("nameless", |client| client.name = String::new());
    let mut visitor = site.visitor();
    let sign_in = visitor.authorize(&[("client_id", "nameless")]);
    let consent = visitor.sign_in(&sign_in, "alice", PASSWORD);
    visitor.decide(&consent, "allow");
    let sign_out = visitor.get("/oidc/logout?client_id=nameless");
    for page in [sign_in, consent, visitor.get("/account"), sign_out] {
        assert!(page.body.contains("<bdi>nameless</bdi>"), "{page:?}");
    }
}

#[test]
fn a_used_up_code_raises_the_alarm_whatever_it_asks_for() {
    let site = Site::new();
    site.register_web("web", |_| {});
    let code = site.visitor().code(&[]);
    let tokens = site.redeem(&code).ok();
    let refused = site.redeem_with(As::Client("web"), &code, &[("resource", "https://z")]);
    refused.expect(400, "invalid_grant");
    let refresh = tokens.text("refresh_token");
    site.refresh_as(As::Client("web"), &refresh, &[]).expect(400, "invalid_grant");
}

#[test]
fn a_code_that_asks_for_too_much_is_refused_and_can_still_be_redeemed() {
    let site = Site::new();
    site.register_web("web", |_| {});
    let code = site.visitor().code(&[]);
    let wide = [("resource", "https://z")];
    site.redeem_with(As::Client("web"), &code, &wide).expect(400, "invalid_target");
    site.change("web", |client| client.scope = Scope::parse("b").unwrap());
    site.redeem(&code).expect(400, "invalid_scope");
    site.change("web", |client| client.scope = Scope::parse("openid b").unwrap());
    assert_eq!(site.redeem(&code).ok().text("scope"), "openid");
}

#[test]
fn a_retried_redemption_gives_no_more_than_the_client_is_registered_for_today() {
    let site = Site::with("tokens.grace_period=60s");
    site.register_web("web", |_| {});
    let code = site.visitor().code(&[("scope", "openid a b")]);
    let first = site.redeem(&code).ok();
    site.change("web", |client| client.scope = Scope::parse("openid b").unwrap());
    let again = site.redeem(&code).ok();
    assert_eq!(again.text("refresh_token"), first.text("refresh_token"));
    assert_eq!(again.text("scope"), "b openid");
}
