//! The introspection endpoint (RFC 7662).

use remint_protocol::client::GrantType;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use serde_json::json;

use crate::site::{As, START, Site, Tokens};

const DEMO: As<'_> = As::Client("demo");
const DAY: i64 = 86_400;

fn see(site: &Site, sender: As<'_>, token: &str) -> serde_json::Value {
    site.post("/oauth2/introspect", sender, &[("token", token)]).ok().json()
}

#[test]
fn a_client_sees_its_own_tokens() {
    let site = Site::new();
    let tokens = site.tokens();
    let sub = site.user("alice").id.subject();
    let mut access = see(&site, DEMO, &tokens.access);
    assert_eq!(access["jti"].as_str().unwrap().len(), 22);
    access.as_object_mut().unwrap().remove("jti");
    assert_eq!(
        access,
        json!({
            "active": true, "client_id": "demo", "sub": sub, "iss": "https://localhost:9443",
            "iat": START, "exp": START + 3600, "token_type": "Bearer", "scope": "a b c",
        })
    );
    let refresh = see(&site, DEMO, &tokens.refresh);
    assert_eq!(
        refresh,
        json!({
            "active": true, "client_id": "demo", "sub": sub, "iss": "https://localhost:9443",
            "iat": START, "exp": START + 86_400, "scope": "a b c",
        })
    );
    let own = site.token(DEMO, &[("grant_type", "client_credentials")]).ok();
    assert_eq!(see(&site, DEMO, &own.text("access_token"))["sub"], "demo");
}

#[test]
fn checklist_68_anything_else_is_inactive_and_nothing_more() {
    let site = Site::new();
    site.register("other", |_| {});
    let inactive = json!({ "active": false });
    let expired = site.tokens();
    site.wait(DAY);
    let live: Tokens = site.log_in(DEMO, &[]).ok().into();
    for (sender, token) in [
        (As::Client("other"), live.access.as_str()),
        (As::Client("other"), &live.refresh),
        (DEMO, &expired.access),
        (DEMO, &expired.refresh),
        (DEMO, "rmat_nonsense"),
        (DEMO, "rmrt_nonsense"),
        (DEMO, "nonsense"),
        (DEMO, &live.access[..live.access.len() - 1]),
    ] {
        assert_eq!(see(&site, sender, token), inactive, "{token}");
    }
    assert_eq!(see(&site, DEMO, &live.access)["active"], true);
}

#[test]
fn checklist_68_only_a_client_that_authenticates_may_ask() {
    let site = Site::new();
    site.register_public("spa");
    let spa: Tokens = site.log_in(As::Nobody, &[("client_id", "spa")]).ok().into();
    let form = [("token", spa.access.as_str()), ("client_id", "spa")];
    site.post("/oauth2/introspect", As::Nobody, &form).expect(401, "invalid_client");
    site.post("/oauth2/introspect", As::Nobody, &form[..1]).expect(401, "invalid_client");
    site.post("/oauth2/introspect", DEMO, &[]).expect(400, "invalid_request");
}

#[test]
fn checklist_68_a_resource_server_sees_access_tokens_for_what_it_serves() {
    let site = Site::new();
    let uris = |uris: &[&str]| Resources::parse(uris.iter().copied()).unwrap();
    site.register("shop", |client| client.resources = uris(&["https://a", "https://b"]));
    site.register("api", |client| {
        client.grants = Vec::<GrantType>::new();
        client.serves = uris(&["https://a"]);
    });
    let shop = As::Client("shop");
    let for_a: Tokens = site.log_in(shop, &[("resource", "https://a")]).ok().into();
    let for_b: Tokens = site.log_in(shop, &[("resource", "https://b")]).ok().into();
    let api = As::Client("api");
    assert_eq!(see(&site, api, &for_a.access)["aud"], json!(["https://a"]));
    assert_eq!(see(&site, api, &for_b.access), json!({ "active": false }));
    assert_eq!(see(&site, api, &for_a.refresh), json!({ "active": false }), "none of its business");
}

#[test]
fn looking_at_a_used_up_refresh_token_ends_nothing() {
    let site = Site::new();
    let first = site.tokens();
    let next: Tokens = site.refresh(&first.refresh).ok().into();
    assert!(!site.is_active(&first.refresh));
    site.refresh(&next.refresh).ok();
}

#[test]
fn checklist_68_what_ends_the_session_ends_its_tokens() {
    let site = Site::new();
    let id = site.user("alice").id;
    let tokens = site.tokens();
    site.block_on(site.store.set_user_enabled(id, false, site.now())).unwrap();
    assert!(!site.is_active(&tokens.access) && !site.is_active(&tokens.refresh));
    site.block_on(site.store.set_user_enabled(id, true, site.now())).unwrap();
    assert!(site.is_active(&tokens.access));
    site.block_on(site.store.end_all_sessions(site.now())).unwrap();
    site.let_changes_be_seen();
    assert!(!site.is_active(&tokens.access) && !site.is_active(&tokens.refresh));
}

#[test]
fn introspection_says_what_is_left_of_a_token_today_as_a_refresh_does() {
    let site = Site::new();
    let uris = |uris: &[&str]| Resources::parse(uris.iter().copied()).unwrap();
    site.register("api", |client| client.serves = uris(&["https://b"]));
    for jwt in [false, true] {
        site.change("demo", |client| {
            client.scope = Scope::parse("a b c").unwrap();
            client.resources = uris(&["https://a", "https://b"]);
            client.relying_party.jwt_access_tokens = jwt;
        });
        let tokens = site.tokens();
        let own = site.token(DEMO, &[("grant_type", "client_credentials")]).ok();
        let own = own.text("access_token");
        let api = As::Client("api");
        assert_eq!(see(&site, api, &tokens.access)["aud"], json!(["https://a", "https://b"]));
        site.change("demo", |client| {
            client.scope = Scope::parse("a c z").unwrap();
            client.resources = uris(&["https://a", "https://z"]);
        });
        for token in [&tokens.access, &tokens.refresh, &own] {
            let seen = see(&site, DEMO, token);
            assert_eq!((&seen["scope"], &seen["aud"]), (&json!("a c"), &json!(["https://a"])));
        }
        let inactive = json!({ "active": false });
        assert_eq!(see(&site, api, &tokens.access), inactive, "no longer meant for it");
        assert_eq!(see(&site, api, &own), inactive);
        // Nothing is left of the scope: a refresh is refused, and no token of it is active.
        site.change("demo", |client| client.scope = Scope::parse("z").unwrap());
        site.refresh(&tokens.refresh).expect(400, "invalid_scope");
        for token in [&tokens.access, &tokens.refresh, &own] {
            assert_eq!(see(&site, DEMO, token), inactive);
        }
    }
}

#[test]
fn a_client_that_lost_a_grant_has_no_active_tokens_of_it() {
    let site = Site::new();
    let inactive = json!({ "active": false });
    let own = site.token(DEMO, &[("grant_type", "client_credentials")]).ok().text("access_token");
    let tokens = site.tokens();
    let lose = |grants: &[GrantType]| {
        site.change("demo", |client| client.grants.retain(|grant| !grants.contains(grant)));
    };
    lose(&[GrantType::ClientCredentials]);
    assert_eq!(see(&site, DEMO, &own), inactive);
    assert_eq!(see(&site, DEMO, &tokens.access)["active"], true);
    lose(&[GrantType::RefreshToken]);
    assert_eq!(see(&site, DEMO, &tokens.refresh), inactive);
    site.refresh(&tokens.refresh).expect(400, "unauthorized_client");
    assert_eq!(see(&site, DEMO, &tokens.access)["active"], true, "of the password grant");
    lose(&[GrantType::Password]);
    assert_eq!(see(&site, DEMO, &tokens.access), inactive);
    let bearer = format!("Bearer {}", tokens.access);
    assert_eq!(site.get_as("/oauth2/userinfo", &bearer).status, 401);
    // What is over can be revoked all the same.
    assert_eq!(site.post("/oauth2/revoke", DEMO, &[("token", &tokens.access)]).status, 200);
}
