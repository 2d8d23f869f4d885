//! Signing out as an application asks for it (OpenID Connect RP-Initiated Logout 1.0).

use remint_protocol::redirect_uri::RedirectUri;
use remint_server::keys::signing::maintain;

use crate::site::{Answer, Site};
use crate::visitor::{Fields, Visitor, encode, head, hidden, is_sign_in};

const HOME: &str = "https://app.example/signed-out";

fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |client| {
        client.relying_party.post_logout_redirect_uris = vec![RedirectUri::register(HOME).unwrap()];
    });
    site
}

/// Signs in, and gives the ID token.
fn sign_in(site: &Site, visitor: &mut Visitor<'_>) -> String {
    site.redeem(&visitor.code(&[])).ok().text("id_token")
}

#[test]
fn the_browser_comes_back_with_the_state_as_the_client_would_write_it_itself() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    let fields =
        [("id_token_hint", &*hint), ("post_logout_redirect_uri", HOME), ("state", "a-b.c_d~e f&g")];
    let answer = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
    assert_eq!(answer.status, 303, "{answer:?}");
    // RFC 3986 §2.3: what need not be encoded is not.
    let expected = format!("{HOME}?state=a-b.c_d~e%20f%26g");
    assert_eq!(answer.header("location"), Some(&*expected));
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
}

#[test]
fn the_browser_is_sent_to_no_place_that_is_not_registered() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    for uri in
        ["https://app.example/cb", "https://app.example/signed-out/", "https://evil.example/"]
    {
        let fields = [("id_token_hint", &*hint), ("post_logout_redirect_uri", uri)];
        let answer = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
        assert_eq!((answer.status, answer.header("location")), (400, None), "{answer:?}");
    }
    assert!(visitor.cookie("__Host-remint-session").is_some());
}

#[test]
fn the_pages_speak_the_language_that_the_application_asked_for() {
    let site = site();
    let mut visitor = site.visitor();
    sign_in(&site, &mut visitor);
    let german = |answer: &Answer| answer.header("content-language") == Some("de");
    let fields = [("client_id", "web"), ("ui_locales", "de")];
    let page = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
    assert!(page.body.contains("logout-confirm") && german(&page), "{page:?}");
    let by_form = visitor.clone().post("/oidc/logout", &fields);
    assert!(by_form.body.contains("logout-confirm") && german(&by_form), "{by_form:?}");
    // What was asked for comes back with the answer to the question.
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    let done = visitor.post("/oidc/logout", &[("csrf", &*csrf), ("flow", &*flow)]);
    assert!(done.status == 200 && german(&done), "{done:?}");
    let elsewhere = [("post_logout_redirect_uri", "https://evil.example/"), ("ui_locales", "de")];
    let refused = visitor.get(&format!("/oidc/logout?{}", encode(&elsewhere)));
    assert!(refused.status == 400 && german(&refused), "{refused:?}");
    assert!(!german(&visitor.get("/oidc/logout")));
}

/// A form of another site: the browser keeps its cookies back, and follows the redirect with them.
fn post_from_elsewhere(visitor: &mut Visitor<'_>, fields: &Fields<'_>) -> Answer {
    let answer = visitor.without_cookies().post("/oidc/logout", fields);
    visitor.follow(answer)
}

#[test]
fn a_form_of_another_site_signs_out_whoever_is_signed_in() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    let before = visitor.clone();
    let fields =
        [("id_token_hint", &*hint), ("post_logout_redirect_uri", HOME), ("state", "a&b=c")];
    let answer = post_from_elsewhere(&mut visitor, &fields);
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(answer.header("location"), Some(&*format!("{HOME}?state=a%26b%3Dc")));
    for mut visitor in [visitor, before] {
        assert!(is_sign_in(&visitor.authorize(&[])), "the session is over");
    }
}

#[test]
fn a_form_of_another_site_that_proves_nothing_has_the_person_asked() {
    let site = site();
    let mut visitor = site.visitor();
    sign_in(&site, &mut visitor);
    let fields = [("client_id", "web"), ("post_logout_redirect_uri", HOME), ("ui_locales", "de")];
    let page = post_from_elsewhere(&mut visitor, &fields);
    assert!(page.body.contains("logout-confirm"), "{page:?}");
    assert_eq!(page.header("content-language"), Some("de"));
    assert!(visitor.cookie("__Host-remint-session").is_some());
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    let done = visitor.post("/oidc/logout", &[("csrf", &*csrf), ("flow", &*flow)]);
    assert_eq!((done.status, done.header("location")), (303, Some(HOME)), "{done:?}");
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
}

#[test]
fn who_is_not_signed_in_comes_back_from_a_form_as_well() {
    let site = site();
    let fields = [("client_id", "web"), ("post_logout_redirect_uri", HOME)];
    let answer = post_from_elsewhere(&mut site.visitor(), &fields);
    assert_eq!((answer.status, answer.header("location")), (303, Some(HOME)), "{answer:?}");
}

#[test]
fn what_a_form_of_another_site_may_not_ask_for_is_refused_there() {
    let site = site();
    let evil = [("client_id", "web"), ("post_logout_redirect_uri", "https://evil.example/")];
    // The longest request that is carried on has 8 KiB.
    let long = "s".repeat(8 * 1024);
    let too_long = [("client_id", "web"), ("state", &*long)];
    for fields in [evil, too_long] {
        let answer = site.visitor().post("/oidc/logout", &fields);
        assert_eq!((answer.status, answer.header("location")), (400, None), "{answer:?}");
    }
    let most = "s".repeat(8 * 1024 - "client_id=web&state=".len());
    let page = post_from_elsewhere(&mut site.visitor(), &[("client_id", "web"), ("state", &most)]);
    assert!(page.status == 200 && page.body.contains("id=\"signed-out\""), "{page:?}");
}

#[test]
fn a_request_that_is_carried_is_good_for_an_hour_and_can_not_be_made_up() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    let answer = visitor.without_cookies().post("/oidc/logout", &[("id_token_hint", &hint)]);
    let carried = answer.header("location").unwrap().to_owned();
    assert!(carried.starts_with("/oidc/logout?flow="), "{carried}");
    assert!(!carried.contains(&hint), "an ID token stays out of URLs: {carried}");
    site.wait(3600);
    let garbage = format!("/oidc/logout?flow=rmir_AAAA&{}", encode(&[("id_token_hint", &hint)]));
    for path in [&*carried, &*garbage] {
        assert_eq!(visitor.get(path).status, 403);
    }
    assert!(visitor.cookie("__Host-remint-session").is_some());
    assert!(!is_sign_in(&visitor.authorize(&[])));
}

/// Lets time pass until the key that signed a token is not published any more.
fn outlive_the_key(site: &Site, token: &str) {
    let kid = head(token)["kid"].as_str().unwrap().to_owned();
    for _ in 0..100 {
        if !site.get("/oauth2/jwks").ok().body.contains(&kid) {
            return;
        }
        site.wait(10 * 24 * 60 * 60);
        site.block_on(maintain(&site.app)).unwrap();
    }
    panic!("the key never goes");
}

#[test]
fn a_hint_that_is_older_than_the_keys_counts_as_none() {
    let site = site();
    let old = sign_in(&site, &mut site.visitor());
    outlive_the_key(&site, &old);
    let mut visitor = site.visitor();
    sign_in(&site, &mut visitor);
    let garbage = "x.y.z";
    for hint in [&*old, garbage] {
        let page = visitor.get(&format!("/oidc/logout?id_token_hint={hint}")).ok();
        assert!(page.body.contains("logout-confirm"), "{page:?}");
        // Where the browser may go, the hint does not say.
        let fields = [("id_token_hint", hint), ("post_logout_redirect_uri", HOME)];
        let refused = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
        assert_eq!((refused.status, refused.header("location")), (400, None), "{refused:?}");
        assert!(refused.body.contains("id_token_hint"), "what is wrong: {refused:?}");
    }
    let fields =
        [("id_token_hint", &*old), ("client_id", "web"), ("post_logout_redirect_uri", HOME)];
    let page = visitor.get(&format!("/oidc/logout?{}", encode(&fields))).ok();
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    let done = visitor.post("/oidc/logout", &[("csrf", &*csrf), ("flow", &*flow)]);
    assert_eq!((done.status, done.header("location")), (303, Some(HOME)), "{done:?}");
    assert!(is_sign_in(&visitor.authorize(&[])));
}

#[test]
fn a_hint_of_another_client_than_the_one_that_asks_is_an_error() {
    let site = site();
    site.register_web("other", |_| {});
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    let fields = [("id_token_hint", &*hint), ("client_id", "other")];
    let answer = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(visitor.cookie("__Host-remint-session").is_some());
}

#[test]
fn a_logout_that_is_no_single_form_changes_nothing() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    let fields = encode(&[("id_token_hint", &*hint), ("post_logout_redirect_uri", HOME)]);
    let form = "application/x-www-form-urlencoded";
    let twice = format!("{fields}&{fields}");
    let flow_twice = "flow=a&flow=b".to_owned();
    for (kind, body) in [
        ("application/json", &fields),
        ("text/plain", &fields),
        (form, &twice),
        (form, &flow_twice),
    ] {
        let kind = format!("Content-Type: {kind}\r\n");
        let answer = visitor.send("POST", "/oidc/logout", &kind, body);
        let refused = (answer.header("location"), answer.body.contains("<html"));
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert_eq!(refused, (None, true), "{answer:?}");
    }
    for query in [&twice, &flow_twice] {
        assert_eq!(visitor.get(&format!("/oidc/logout?{query}")).status, 400);
    }
    assert_eq!(visitor.get("/account").status, 200, "still signed in");
}
