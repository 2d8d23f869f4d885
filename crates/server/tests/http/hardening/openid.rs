//! OpenID Connect: ID tokens, proofs that must be fresh, hints, discovery, sign-out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::response::ResponseType;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{By, Came, SESSION, ask_with, came, known, site};
use crate::site::{As, PASSWORD, START, Site};
use crate::visitor::{CALLBACK, Callback, Visitor, hidden, is_sign_in};

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub(super) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The left half of the hash (OpenID Connect Core §3.1.3.6).
fn half_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}

fn id_token(site: &Site, visitor: &mut Visitor<'_>) -> String {
    site.redeem(&visitor.code(&[])).ok().text("id_token")
}

#[test]
fn checklist_72_an_id_token_says_what_it_must_and_says_it_right() {
    let site = site();
    let nonce = "ü+%\"<".repeat(12);
    let code = site.visitor().code(&[("nonce", &nonce)]);
    let tokens = site.redeem(&code).ok();
    let claims = claims(&tokens.text("id_token"));
    assert_eq!(claims["iss"], "https://localhost:9443");
    assert_eq!(claims["aud"], "web");
    assert_eq!(claims["nonce"], *nonce);
    let sub = claims["sub"].as_str().unwrap();
    assert!(sub.is_ascii() && sub.len() <= 255);
    assert_eq!((&claims["iat"], &claims["auth_time"]), (&START.into(), &START.into()));
    assert!(claims["exp"].as_i64().unwrap() > START);
    assert_eq!(claims["at_hash"], *half_hash(&tokens.text("access_token")));
}

#[test]
fn checklist_72_the_hashes_of_a_hybrid_answer_are_right() {
    let site = Site::new();
    site.register_web("web", |client| client.authorize.response_types = ResponseType::ALL.to_vec());
    let all = [("response_type", "code id_token token"), ("scope", "openid")];
    let callback = site.visitor().obtain(&all);
    let claims = claims(&callback.value("id_token"));
    assert_eq!(claims["c_hash"], *half_hash(&callback.value("code")));
    assert_eq!(claims["at_hash"], *half_hash(&callback.value("access_token")));
    assert_eq!(claims["nonce"], "n-0S6");
    // Line 57: what comes through the browser never comes with a refresh token.
    assert_eq!(callback.find("refresh_token"), None);
}

#[test]
fn checklist_73_the_algorithm_is_the_clients_and_no_request_changes_it() {
    for (registered, expected) in
        [(None, "RS256"), (Some("ES256"), "ES256"), (Some("EdDSA"), "EdDSA")]
    {
        let site = Site::new();
        site.register_web("web", |client| {
            client.relying_party.id_token_alg = registered.map(str::to_owned);
        });
        let mut visitor = site.visitor();
        for asked in ["none", "HS256", "RS256"] {
            let changes = [("id_token_signed_response_alg", asked), ("alg", asked)];
            let tokens = site.redeem(&visitor.code(&changes)).ok();
            assert_eq!(part(&tokens.text("id_token"), 0)["alg"], expected);
        }
    }
    let metadata = site().get("/.well-known/openid-configuration").ok().json();
    let algs = metadata["id_token_signing_alg_values_supported"].as_array().unwrap().clone();
    assert!(!algs.iter().any(|alg| alg == "none" || alg.as_str().unwrap().starts_with("HS")));
}

#[test]
fn checklist_75_the_published_keys_have_no_private_part_and_names_of_their_own() {
    let site = site();
    let keys = site.get("/oauth2/jwks").ok().json()["keys"].as_array().unwrap().clone();
    let mut kids = Vec::new();
    for key in &keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        kids.push(key["kid"].as_str().unwrap());
    }
    let token = id_token(&site, &mut site.visitor());
    let kid = part(&token, 0)["kid"].as_str().unwrap().to_owned();
    assert!(kids.contains(&kid.as_str()));
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), keys.len());
}

#[test]
fn checklist_76_what_a_request_calls_the_server_changes_nothing() {
    let site = site();
    let mut visitor = site.visitor();
    let lines = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nForwarded: host=evil.example\r\n\
                 X-Original-URL: /evil\r\nX-Forwarded-Prefix: /evil\r\n";
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let metadata = visitor.send("GET", path, lines, "").ok().json();
        let issuer = metadata["issuer"].as_str().unwrap();
        assert_eq!(issuer, "https://localhost:9443");
        for (name, value) in metadata.as_object().unwrap() {
            if name.ends_with("_endpoint") || name.ends_with("_uri") {
                assert!(value.as_str().unwrap().starts_with(issuer), "{name}");
            }
        }
    }
    let page = visitor.send("GET", "/login", lines, "").ok();
    assert!(!page.body.contains("evil"));
    let answer = visitor.send("GET", "/account", lines, "");
    assert_eq!(answer.header("location"), Some("/login"));
}

#[test]
fn checklist_28_prompt_none_shows_a_stranger_nothing() {
    let site = site();
    let mut stranger = site.visitor();
    let quiet = ask_with(&mut stranger, By::Get, &[("prompt", "none")]);
    assert_eq!(came(&quiet), Came::Error("login_required".into()));
    assert_eq!(stranger.cookie(SESSION), None);
    let mut alice = known(&site);
    site.wait(10);
    let old = [("prompt", "none"), ("max_age", "5")];
    assert_eq!(came(&ask_with(&mut alice, By::Get, &old)), Came::Error("login_required".into()));
}

#[test]
fn checklist_29_a_proof_that_must_be_fresh_is_made_anew_and_told_truly() {
    let site = site();
    let mut visitor = known(&site);
    for changes in [("prompt", "login"), ("max_age", "0"), ("max_age", "1")] {
        site.wait(10);
        let page = visitor.authorize(&[changes]);
        assert!(is_sign_in(&page), "{changes:?}");
        let callback = Callback::of(&visitor.sign_in(&page, "alice", PASSWORD));
        let tokens = site.redeem(&callback.value("code")).ok();
        let auth_time = claims(&tokens.text("id_token"))["auth_time"].as_i64().unwrap();
        assert_eq!(auth_time * 1000, site.now().as_millis());
    }
}

#[test]
fn checklist_29_whoever_leaves_the_page_does_not_fall_back_to_the_old_session() {
    let site = site();
    let mut visitor = known(&site);
    site.wait(10);
    let page = visitor.authorize(&[("prompt", "login")]);
    let flow = hidden(&page, "flow");
    for path in ["/oauth2/authorize/continue", "/consent", "/login"] {
        let answer = visitor.get(&format!("{path}?flow={flow}"));
        assert!(is_sign_in(&visitor.follow(answer)), "{path}");
    }
    let wrong = visitor.sign_in(&page, "alice", "not it");
    assert!(is_sign_in(&wrong), "{wrong:?}");
    // The old one goes on for requests that do not ask for more.
    Callback::of(&visitor.authorize(&[])).value("code");
}

#[test]
fn checklist_29_somebody_else_who_signs_in_is_who_the_answer_speaks_of() {
    let site = site();
    site.create_user("bob");
    let mut visitor = known(&site);
    site.wait(10);
    let page = visitor.authorize(&[("prompt", "login")]);
    let page = visitor.sign_in(&page, "bob", PASSWORD);
    let callback = Callback::of(&visitor.decide(&page, "allow"));
    let tokens = site.redeem(&callback.value("code")).ok();
    let sub = claims(&tokens.text("id_token"))["sub"].clone();
    assert_eq!(sub, *site.user("bob").id.subject());
}

#[test]
fn checklist_30_a_hint_names_who_is_expected_and_is_ours() {
    let site = site();
    site.register_web("other", |_| {});
    site.create_user("bob");
    let mut alice = known(&site);
    let hint = id_token(&site, &mut alice);
    let with = |visitor: &mut Visitor<'_>, hint: &str, more: &[(&str, &str)]| {
        came(&ask_with(visitor, By::Get, &[&[("id_token_hint", hint)], more].concat()))
    };
    assert_eq!(with(&mut alice, &hint, &[]), Came::Code);
    // One that expired is still a hint.
    site.wait(30 * 60);
    assert_eq!(with(&mut alice, &hint, &[("prompt", "none")]), Came::Code);
    let mut bob = site.visitor();
    let page = bob.authorize(&[]);
    let page = bob.sign_in(&page, "bob", PASSWORD);
    bob.decide(&page, "allow");
    assert_eq!(with(&mut bob, &hint, &[]), Came::Error("login_required".into()));
    // Forged, or of another client.
    let invalid = Came::Error("invalid_request".into());
    let (head, rest) = hint.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let payload = rest.split('.').next().unwrap();
    for forged in
        [format!("{none}.{rest}"), format!("{none}.{payload}."), format!("{head}.{payload}.AAAA")]
    {
        assert_eq!(with(&mut alice, &forged, &[]), invalid, "{forged}");
    }
    assert_eq!(with(&mut alice, &hint, &[("client_id", "other")]), invalid);
}

const AFTER: &str = "https://app.example/bye";

fn with_logout() -> Site {
    let site = Site::new();
    site.register_web("web", |client| {
        client.relying_party.post_logout_redirect_uris =
            vec![RedirectUri::register(AFTER).unwrap()];
    });
    site
}

fn log_out(visitor: &mut Visitor<'_>, fields: &[(&str, &str)]) -> crate::site::Answer {
    visitor.get(&format!("/oidc/logout?{}", super::form(fields)))
}

#[test]
fn checklist_77_without_a_hint_of_this_session_the_person_is_asked() {
    let site = with_logout();
    let mut visitor = known(&site);
    let mut elsewhere = known(&site);
    let hint_of_another = id_token(&site, &mut elsewhere);
    let hint = id_token(&site, &mut visitor);
    let forged = format!("{}AAAA", &hint[..hint.len() - 4]);
    for fields in [
        &[][..],
        &[("client_id", "web")],
        &[("id_token_hint", &*hint_of_another)],
        &[("id_token_hint", "x.y.z")],
        &[("id_token_hint", &*forged), ("client_id", "web"), ("post_logout_redirect_uri", AFTER)],
    ] {
        let page = log_out(&mut visitor, fields);
        assert!(page.body.contains("id=\"logout-confirm\""), "{fields:?}: {page:?}");
        Callback::of(&visitor.authorize(&[])).value("code");
    }
}

#[test]
fn checklist_77_a_hint_of_this_session_ends_it_and_leads_on() {
    let site = with_logout();
    let mut visitor = known(&site);
    let code = Callback::of(&visitor.authorize(&[])).value("code");
    let tokens = site.redeem(&code).ok();
    let before = visitor.clone();
    let state = "ü &\"<\r\nX: y";
    let hint = tokens.text("id_token");
    let fields = [("id_token_hint", &*hint), ("post_logout_redirect_uri", AFTER), ("state", state)];
    let answer = log_out(&mut visitor, &fields);
    let location = answer.header("location").unwrap();
    let encoded = location.strip_prefix(&format!("{AFTER}?state=")).unwrap();
    let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap();
    assert_eq!((answer.status, &*decoded), (303, state));
    // Dead on the server, whoever kept the cookie.
    for mut visitor in [visitor, before] {
        assert!(is_sign_in(&visitor.authorize(&[])));
    }
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[])
        .expect(400, "invalid_grant");
}

#[test]
fn checklist_77_nobody_is_led_where_no_client_said() {
    let site = with_logout();
    site.register_web("gone", |client| {
        client.enabled = false;
        client.relying_party.post_logout_redirect_uris =
            vec![RedirectUri::register(AFTER).unwrap()];
    });
    for signed_in in [false, true] {
        let mut visitor = if signed_in { known(&site) } else { site.visitor() };
        let wrong: [&[(&str, &str)]; 7] = [
            &[("post_logout_redirect_uri", AFTER)],
            &[("post_logout_redirect_uri", AFTER), ("id_token_hint", "x.y.z")],
            &[("post_logout_redirect_uri", AFTER), ("client_id", "nobody")],
            &[("post_logout_redirect_uri", AFTER), ("client_id", "gone")],
            &[("post_logout_redirect_uri", CALLBACK), ("client_id", "web")],
            &[("post_logout_redirect_uri", "https://app.example/bye/"), ("client_id", "web")],
            &[("post_logout_redirect_uri", "javascript:alert(1)"), ("client_id", "web")],
        ];
        for fields in wrong {
            let answer = log_out(&mut visitor, fields);
            assert_eq!(
                (came(&answer), answer.header("location")),
                (Came::Page(400), None),
                "{fields:?}"
            );
        }
    }
}
