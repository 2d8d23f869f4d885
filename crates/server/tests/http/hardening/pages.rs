//! The content of every page, and what a person can end on their own.

use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::resource::Resources;
use remint_testbed::http;

use super::{By, FORM, SESSION, ask_with, at_account, at_consent, known, site};
use crate::site::{Answer, As, PASSWORD, Site};
use crate::visitor::{Callback, Visitor, encode, hidden, is_consent, request};

/// Every page that there is, errors included.
fn all(site: &Site) -> Vec<(&'static str, Answer)> {
    let (mut at_consent, consent) = at_consent(site, &[]);
    let mut stranger = site.visitor();
    let sign_in = stranger.authorize(&[]);
    let wrong = stranger.sign_in(&sign_in, "alice", "wrong");
    let (mut at_account, account) = at_account(site, "alice");
    let sign_out = at_account.get("/oidc/logout");
    vec![
        ("sign-in", sign_in),
        ("wrong password", wrong),
        ("consent", consent),
        ("account", account),
        ("sign-out", sign_out),
        ("signed out", stranger.get("/oidc/logout")),
        ("error", stranger.authorize(&[("client_id", "nobody")])),
        ("no flow", stranger.get("/oauth2/authorize/continue")),
        ("forged flow", stranger.get("/consent?flow=rmir_AAAA")),
        ("no form", stranger.send("POST", "/login", "Content-Type: text/plain\r\n", "x")),
        ("broken form", stranger.post("/oidc/logout", &[("csrf", ""), ("a", "1"), ("a", "2")])),
        ("foreign form", at_account.post("/account/sign-out", &[("csrf", "AAAA")])),
        ("form_post", at_consent.authorize(&[("prompt", "none"), ("response_mode", "form_post")])),
    ]
}

#[test]
fn checklist_21_no_page_can_be_framed_or_kept() {
    let site = site();
    for (name, page) in all(&site) {
        assert!(page.header("content-type").unwrap().starts_with("text/html"), "{name}: {page:?}");
        let csp = page.header("content-security-policy").unwrap();
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(csp.contains(directive), "{name}: {csp}");
        }
        assert!(!csp.contains("unsafe") && !csp.contains('*'), "{name}: {csp}");
        for (header, value) in [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(page.header(header), Some(value), "{name}");
        }
        let names: Vec<_> = page.headers.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
        for header in ["content-security-policy", "x-frame-options", "cache-control"] {
            assert_eq!(names.iter().filter(|name| *name == header).count(), 1, "{name}");
        }
    }
}

#[test]
fn checklist_22_no_page_loads_or_leads_to_anything_of_others() {
    let site = site();
    for (name, page) in all(&site) {
        for attribute in ["src=\"", "href=\"", "action=\""] {
            for rest in page.body.split(attribute).skip(1) {
                let url = rest.split('"').next().unwrap();
                let is_own = url.starts_with('/') && !url.starts_with("//") || url == "#main";
                assert!(is_own || name == "form_post" && attribute == "action=\"", "{name}: {url}");
            }
        }
        assert!(!page.body.contains("style=\"") && !page.body.contains("<style"), "{name}");
        assert!(!page.body.contains(" onclick") && !page.body.contains("javascript:"), "{name}");
        assert_eq!(page.body.contains("<script"), name == "form_post", "{name}");
    }
}

#[test]
fn checklist_22_redirects_to_clients_say_nothing_of_where_they_come_from() {
    let site = site();
    let mut visitor = known(&site);
    for changes in [("state", "1"), ("prompt", "later")] {
        let answer = ask_with(&mut visitor, By::Get, &[changes]);
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

/// What every form that does something is answered with, in the order that a person meets them.
fn deeds(site: &Site, visitor: &mut Visitor<'_>) -> Vec<(&'static str, Answer)> {
    let asked = visitor.send("POST", "/oauth2/authorize", http::FORM, &request(&[]));
    let page = visitor.follow(asked.clone());
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    let login = [("csrf", &*csrf), ("flow", &*flow), ("username", "alice"), ("password", PASSWORD)];
    let signed_in = visitor.post("/login", &login);
    let page = visitor.follow(signed_in.clone());
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    let allow = [("csrf", &*csrf), ("flow", &*flow), ("decision", "allow")];
    let allowed = visitor.post("/consent", &allow);
    let csrf = hidden(&visitor.get("/account"), "csrf");
    let application = [("csrf", &*csrf), ("application", "web")];
    let application = visitor.post("/account/applications/end", &application);
    let (_, elsewhere) = at_account(site, "alice");
    let session = [("csrf", &*csrf), ("session", &hidden(&elsewhere, "session"))];
    let session = visitor.post("/account/sessions/end", &session);
    let new = [("new_password", NEW), ("repeated_password", NEW)];
    let new = [&[("csrf", &*csrf), ("current_password", PASSWORD)], &new[..]].concat();
    let changed = visitor.post("/account/password", &new);
    let csrf = hidden(&visitor.get("/account"), "csrf");
    let signed_out = visitor.post("/account/sign-out", &[("csrf", &csrf)]);
    vec![
        ("/oauth2/authorize", asked),
        ("/login", signed_in),
        ("/consent", allowed),
        ("/account/applications/end", application),
        ("/account/sessions/end", session),
        ("/account/password", changed),
        ("/account/sign-out", signed_out),
    ]
}

const NEW: &str = "through the looking glass";
const AFTER: &str = "https://app.example/after";

/// The client `web`, to which a browser may return when it has signed out.
fn register_way_back(site: &Site) {
    site.change("web", |client| {
        client.relying_party.post_logout_redirect_uris =
            vec![RedirectUri::register(AFTER).unwrap()];
    });
}

/// Asks to sign out, and confirms that.
fn confirm_sign_out(visitor: &mut Visitor<'_>) -> Answer {
    let way_back = encode(&[("client_id", "web"), ("post_logout_redirect_uri", AFTER)]);
    let page = visitor.get(&format!("/oidc/logout?{way_back}"));
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    visitor.post("/oidc/logout", &[("csrf", &csrf), ("flow", &flow)])
}

#[test]
fn checklist_19_what_a_form_has_done_is_followed_by_a_get() {
    let site = site();
    register_way_back(&site);
    let mut all = deeds(&site, &mut site.visitor());
    site.wait(1);
    let mut own = site.visitor();
    let page = own.get("/login");
    let page = own.sign_in(&page, "alice", NEW);
    let (csrf, session) = (hidden(&page, "csrf"), hidden(&page, "session"));
    let ended = own.post("/account/sessions/end", &[("csrf", &csrf), ("session", &session)]);
    all.push(("the session at hand", ended));
    let page = own.get("/login");
    own.sign_in(&page, "alice", NEW);
    all.push(("/oidc/logout", confirm_sign_out(&mut own)));
    for (what, answer) in all {
        assert_eq!(answer.status, 303, "{what}: {answer:?}");
        let location = answer.header("location").unwrap();
        for secret in [PASSWORD, NEW, "csrf", "looking"] {
            assert!(!location.contains(secret), "{what}: {location}");
        }
    }
}

#[test]
fn checklist_19_where_a_form_is_answered_with_a_page_nothing_of_it_is_sent_on() {
    let site = site();
    register_way_back(&site);
    let mut stranger = site.visitor();
    let page = stranger.authorize(&[]);
    let wrong = stranger.sign_in(&page, "alice", "wrong");
    let (mut visitor, page) = at_consent(&site, &[("response_mode", "form_post")]);
    let form_post = visitor.decide(&page, "allow");
    site.redeem(&hidden(&form_post, "code")).ok();
    let csrf = hidden(&visitor.get("/account"), "csrf");
    let short = visitor.post("/account/password", &[("csrf", &csrf), ("new_password", "x")]);
    site.change("web", |client| {
        client.relying_party.frontchannel_logout_uri = Some("https://app.example/out".into());
    });
    let frames = confirm_sign_out(&mut visitor);
    assert!(frames.body.contains("<iframe"), "{frames:?}");
    // A browser follows it by GET.
    let way_back = format!("3; url={AFTER}");
    for (what, answer, status, refresh) in [
        ("wrong password", wrong, 400, None),
        ("form_post", form_post, 200, None),
        ("no new password", short, 400, None),
        ("frames", frames, 200, Some(&*way_back)),
    ] {
        assert_eq!((answer.status, answer.header("location")), (status, None), "{what}");
        assert_eq!(answer.header("refresh"), refresh, "{what}");
    }
}

#[test]
fn checklist_25_the_consent_page_says_who_gets_what_where_and_for_how_long() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.resources = Resources::parse(["https://api.example/orders"]).unwrap();
        client.relying_party.links.policy = Some("https://app.example/privacy".into());
    });
    let (_, page) = at_consent(&site, &[("resource", "https://api.example/orders")]);
    for part in [
        "The Shop",
        "id=\"consent-client-id\" translate=\"no\"><bdi>web<",
        "id=\"consent-redirect-host\"><bdi>app.example<",
        "https://api.example/orders",
        "id=\"consent-scopes\"",
        "id=\"consent-lasts\"",
        "href=\"https://app.example/privacy\"",
        "alice",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
}

#[test]
fn checklist_26_what_a_person_ends_on_the_account_page_is_over_at_once() {
    let site = site();
    let mut visitor = known(&site);
    let mut code = || Callback::of(&visitor.authorize(&[])).value("code");
    let tokens = site.redeem(&code()).ok();
    let unspent = code();
    let page = visitor.get("/account");
    assert!(page.body.contains("The Shop"), "{page:?}");
    let csrf = hidden(&page, "csrf");
    visitor.post("/account/applications/end", &[("csrf", &csrf), ("application", "web")]);
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[])
        .expect(400, "invalid_grant");
    let access = tokens.text("access_token");
    let introspected = site.post("/oauth2/introspect", As::Client("web"), &[("token", &access)]);
    assert_eq!(introspected.ok().json()["active"], false);
    // Nor does a code that was given before begin it again.
    site.redeem(&unspent).expect(400, "invalid_grant");
    assert!(is_consent(&visitor.authorize(&[])), "and the person is asked again");
    assert!(!visitor.get("/account").body.contains("The Shop"));
}

#[test]
fn checklist_84_a_cookie_that_somebody_else_knows_is_worth_nothing_after_a_sign_in() {
    let site = site();
    // The thief signs in with an account of his own and plants the cookie.
    site.create_user("mallory");
    let (thief, _) = at_account(&site, "mallory");
    let planted = thief.cookie(SESSION).unwrap().to_owned();
    let mut victim = site.visitor();
    victim.set_cookie(SESSION, &planted);
    site.wait(10);
    let page = victim.authorize(&[("prompt", "login")]);
    victim.sign_in(&page, "alice", PASSWORD);
    assert_ne!(victim.cookie(SESSION), Some(&*planted));
    let mut thief = site.visitor();
    thief.set_cookie(SESSION, &planted);
    let answer = thief.get("/account");
    assert_eq!(answer.header("location"), Some("/login"), "whoever was there before is signed out");
}

#[test]
fn checklist_84_a_session_is_neither_guessed_nor_mended() {
    let site = site();
    let (visitor, _) = at_account(&site, "alice");
    let right = visitor.cookie(SESSION).unwrap().to_owned();
    let flipped = |at: usize| {
        let other = if right.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &right[..at], &right[at + 1..])
    };
    let long = right.repeat(100);
    let quoted = format!("\"{right}\"");
    let wrong = [
        "",
        "x",
        "%00",
        &flipped(0),
        &flipped(21),
        &flipped(40),
        &flipped(63),
        &long,
        &quoted,
        &right[1..],
    ];
    for value in wrong {
        let mut thief = visitor.clone();
        thief.set_cookie(SESSION, value);
        assert_eq!(thief.get("/account").header("location"), Some("/login"), "{value}");
    }
}

#[test]
fn a_neighbours_cookies_do_not_hide_ours() {
    let site = site();
    let (visitor, _) = at_account(&site, "alice");
    let [session, form] = [SESSION, FORM].map(|name| visitor.cookie(name).unwrap().to_owned());
    for others in ["a=ü", "=; ;;", "a", "a=\"b; c=d\"", "__Host-remint-sessio=x", "a=b=c; =d"] {
        let mut visitor = site.visitor();
        visitor.set_cookie("!", others);
        visitor.set_cookie(SESSION, &session);
        visitor.set_cookie(FORM, &form);
        assert_eq!(visitor.get("/account").status, 200, "{others}");
    }
}

/// The page of one who is not there looks as that of one who is, whatever is wrong.
#[test]
fn the_sign_in_page_does_not_tell_who_has_an_account() {
    let site = site();
    let user = site.create_user("bob");
    site.block_on(site.store.set_user_enabled(user.id, false, site.now())).unwrap();
    let shape = |username: &str| {
        let mut visitor: Visitor<'_> = site.visitor();
        let page = visitor.authorize(&[]);
        let answer = visitor.sign_in(&page, username, "wrong");
        let body =
            [hidden(&answer, "csrf"), hidden(&answer, "flow"), format!("value=\"{username}\"")]
                .iter()
                .fold(answer.body.clone(), |body, part| body.replace(part, ""));
        let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        (answer.status, names, body)
    };
    let alice = shape("alice");
    for username in ["nobody", "bob", "\u{202e}ecila"] {
        assert_eq!(shape(username), alice, "{username}");
    }
}

#[test]
fn checklist_21_the_policy_of_a_page_leads_only_to_where_its_answer_goes() {
    for (uri, source) in [
        ("https://app.example/cb", "https://app.example"),
        ("http://127.0.0.1/cb", "http://127.0.0.1"),
        ("com.example.app:/cb", "com.example.app:"),
    ] {
        let site = Site::new();
        site.register_spa("web", |client| {
            client.authorize.redirect_uris = vec![RedirectUri::register(uri).unwrap()];
        });
        let page = site.visitor().authorize(&[("redirect_uri", uri)]);
        let csp = page.header("content-security-policy").unwrap();
        assert!(csp.contains(&format!("form-action 'self' {source};")), "{csp}");
    }
}
