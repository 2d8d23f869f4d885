//! The token endpoint: what each grant returns, and what it refuses.

use std::time::Duration;

use remint_protocol::client::GrantType;
use remint_protocol::resource::Resources;
use remint_protocol::response::ResponseType;
use remint_protocol::scope::Scope;

use crate::site::{Answer, As, Site, Tokens};

const DEMO: As<'_> = As::Client("demo");

#[test]
fn the_documented_refresh_works_word_for_word() {
    let site = Site::new();
    let first = site.tokens();
    let body = format!("grant_type=refresh_token&refresh_token={}", first.refresh);
    let text = site.send_raw(format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Basic ZGVtbzpzM2NyZXQ=\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    let json = Answer::parse(&text).json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 3600);
    assert!(json["access_token"].as_str().unwrap().starts_with("rmat_"));
    let second = json["refresh_token"].as_str().unwrap();
    assert!(second.starts_with("rmrt_") && second != first.refresh && second.len() < 128);
}

#[test]
fn checklist_50_no_cache_keeps_an_answer_or_a_refusal() {
    let site = Site::new();
    let tokens = site.tokens();
    let token = [("token", tokens.refresh.as_str())];
    let answers = [
        site.log_in(DEMO, &[]),
        site.token(DEMO, &[("grant_type", "client_credentials")]),
        site.token(DEMO, &[("grant_type", "x")]),
        site.token(As::Basic("demo", "wrong"), &[("grant_type", "x")]),
        site.post("/oauth2/introspect", DEMO, &token),
        site.post("/oauth2/introspect", As::Nobody, &token),
        site.post("/oauth2/revoke", As::Nobody, &token),
        site.refresh(&tokens.refresh),
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("pragma"), Some("no-cache"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16), "{answer:?}");
    }
    let revoked = site.post("/oauth2/revoke", DEMO, &token).ok();
    assert_eq!(revoked.header("cache-control"), Some("no-store"));
}

#[test]
fn checklist_57_a_refresh_token_comes_only_where_a_person_is_and_the_client_is_registered_for_it() {
    let site = Site::new();
    let credentials = site.token(DEMO, &[("grant_type", "client_credentials")]).ok();
    assert_eq!(credentials.json().get("refresh_token"), None, "{credentials:?}");
    assert_eq!(credentials.text("scope"), "a b c");
    assert!(site.is_active(&credentials.text("access_token")));
    assert!(site.families().is_empty(), "client credentials begin no session");

    let (code, password) = (GrantType::AuthorizationCode, GrantType::Password);
    for (id, grants) in [("web", GrantType::ALL.to_vec()), ("once", vec![code, password])] {
        site.register_web(id, |client| client.grants = grants);
        let code = site.visitor().code(&[("client_id", id)]);
        for answer in
            [site.redeem_with(As::Client(id), &code, &[]), site.log_in(As::Client(id), &[])]
        {
            assert_eq!(answer.ok().json().get("refresh_token").is_some(), id == "web");
        }
    }
    site.change("web", |client| client.authorize.response_types = ResponseType::ALL.to_vec());
    let implicit = site.visitor().obtain(&[("client_id", "web"), ("response_type", "token")]);
    assert!(implicit.find("access_token").is_some() && implicit.find("refresh_token").is_none());
}

#[test]
fn checklist_62_grant_types_are_told_apart() {
    let site = Site::new();
    site.register("machine", |client| client.grants = vec![GrantType::ClientCredentials]);
    site.token(DEMO, &[]).expect(400, "invalid_request");
    site.token(DEMO, &[("grant_type", "")]).expect(400, "invalid_request");
    for unknown in ["implicit", "urn:x", "Password", "refresh_token "] {
        site.token(DEMO, &[("grant_type", unknown)]).expect(400, "unsupported_grant_type");
    }
    site.log_in(As::Client("machine"), &[]).expect(400, "unauthorized_client");
    site.refresh_as(As::Client("machine"), "rmrt_x", &[]).expect(400, "invalid_grant");
    site.change("demo", |client| client.grants = vec![GrantType::RefreshToken]);
    let credentials = [("grant_type", "client_credentials")];
    site.token(DEMO, &credentials).expect(400, "unauthorized_client");
}

#[test]
fn checklist_55_client_credentials_are_not_for_public_clients_or_a_persons_scopes() {
    let site = Site::new();
    site.register_public("spa");
    site.register("machine", |client| client.scope = Scope::parse("a openid").unwrap());
    let credentials = ("grant_type", "client_credentials");
    let public = site.token(As::Nobody, &[credentials, ("client_id", "spa")]);
    public.expect(400, "unauthorized_client");
    let openid = site.token(As::Client("machine"), &[credentials, ("scope", "openid")]);
    openid.expect(400, "invalid_scope");
    assert_eq!(site.token(As::Client("machine"), &[credentials]).ok().text("scope"), "a");
}

#[test]
fn checklist_56_no_client_gains_the_password_grant_from_another() {
    let site = Site::new();
    site.register("code", |client| client.grants = vec![GrantType::RefreshToken]);
    site.log_in(As::Client("code"), &[]).expect(400, "unauthorized_client");
    site.log_in(DEMO, &[]).ok();
}

#[test]
fn scope_is_what_was_asked_for_or_all_that_is_registered() {
    let site = Site::new();
    assert_eq!(site.log_in(DEMO, &[]).ok().text("scope"), "a b c");
    assert_eq!(site.log_in(DEMO, &[("scope", "b a")]).ok().text("scope"), "a b");
    site.log_in(DEMO, &[("scope", "a d")]).expect(400, "invalid_scope");
    site.log_in(DEMO, &[("scope", "a\"b")]).expect(400, "invalid_scope");
    site.log_in(DEMO, &[("scope", " ")]).expect(400, "invalid_scope");
}

#[test]
fn resources_are_those_that_are_registered() {
    let site = Site::new();
    site.register("shop", |client| {
        client.resources = Resources::parse(["https://a", "https://b"]).unwrap();
    });
    let shop = As::Client("shop");
    let aud = |tokens: Tokens| {
        let seen = site.post("/oauth2/introspect", shop, &[("token", &tokens.access)]).ok();
        seen.json()["aud"].clone()
    };
    let both = [("resource", "https://a"), ("resource", "https://b")];
    assert_eq!(aud(site.log_in(shop, &both).ok().into()).as_array().unwrap().len(), 2);
    let one = site.log_in(shop, &[("resource", "https://b")]).ok();
    assert_eq!(aud(one.into()), serde_json::json!(["https://b"]));
    site.log_in(shop, &[("resource", "https://c")]).expect(400, "invalid_target");
    site.log_in(shop, &[("resource", "no uri")]).expect(400, "invalid_target");
}

#[test]
fn a_client_has_its_own_lifetimes() {
    let site = Site::with("tokens.access_token_lifetime=10m");
    assert_eq!(site.log_in(DEMO, &[]).ok().json()["expires_in"], 600);
    site.change("demo", |client| {
        client.overrides.access_token_lifetime = Some(Duration::from_secs(7));
    });
    let tokens = site.log_in(DEMO, &[]).ok();
    assert_eq!(tokens.json()["expires_in"], 7);
    let access = tokens.text("access_token");
    site.wait(6);
    assert!(site.is_active(&access));
    site.wait(1);
    assert!(!site.is_active(&access));
}

#[test]
fn checklist_52_an_access_token_lives_an_hour_at_most_unless_told_otherwise() {
    let site = Site::new();
    let access = site.tokens().access;
    site.wait(3599);
    assert!(site.is_active(&access));
    site.wait(1);
    assert!(!site.is_active(&access));
}

#[test]
fn checklist_53_no_kind_of_token_passes_for_another() {
    let site = Site::new();
    let tokens = site.tokens();
    site.refresh(&tokens.access).expect(400, "invalid_grant");
    let disguised = tokens.access.replacen("rmat_", "rmrt_", 1);
    site.refresh(&disguised).expect(400, "invalid_grant");
    assert!(!site.is_active(&tokens.refresh.replacen("rmrt_", "rmat_", 1)));
    site.refresh(&tokens.refresh).ok();
}

#[test]
fn checklist_51_no_two_tokens_are_alike_and_none_can_be_guessed() {
    let site = Site::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let tokens = site.tokens();
        // 256 random bits and the seal's 128 take more than 80 characters of base64.
        assert!(tokens.refresh.len() > 80 && tokens.access.len() > 80);
        assert!(seen.insert(tokens.refresh) && seen.insert(tokens.access));
    }
}

#[test]
fn checklist_84_no_answer_sets_a_cookie() {
    let site = Site::new();
    for answer in [
        site.log_in(DEMO, &[]),
        site.token(As::Nobody, &[]),
        // Not followed: where it leads, there is a form.
        site.exchange("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        site.get("/.well-known/oauth-authorization-server"),
    ] {
        assert_eq!(answer.header("set-cookie"), None, "{answer:?}");
    }
}

#[test]
fn the_password_grant_refuses_a_wrong_password_and_an_unknown_user_alike() {
    let site = Site::new();
    let log_in = |username: &str, password: &str| {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        site.token(DEMO, &form)
    };
    let wrong = log_in("alice", "Wonderland");
    wrong.expect(400, "invalid_grant");
    assert_eq!(log_in("nobody", "wonderland").body, wrong.body);
    assert_eq!(log_in(" alice", "wonderland").body, wrong.body);
    assert_eq!(log_in(&"x".repeat(300), "wonderland").body, wrong.body);
    site.token(DEMO, &[("grant_type", "password")]).expect(400, "invalid_request");
    let id = site.user("alice").id;
    site.block_on(site.store.set_user_enabled(id, false, site.now())).unwrap();
    assert_eq!(log_in("alice", "wonderland").body, wrong.body, "disabled");
    assert!(site.families().is_empty());
}
