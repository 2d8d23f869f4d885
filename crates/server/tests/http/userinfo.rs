//! The claims about a person, at the userinfo endpoint and in ID tokens.

use remint_protocol::scope::Scope;
use serde_json::{Value, json};

use crate::site::{Answer, As, Site};
use crate::visitor::claims;

const FORM: &str = "application/x-www-form-urlencoded";
const PROFILE: &str = r#"{"name":"Alice Liddell","email":"alice@example.com","email_verified":true,
    "phone_number":"+44 20 7946 0000"}"#;

fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |client| {
        client.scope = Scope::parse("openid profile email a").unwrap();
    });
    site.describe_alice(PROFILE);
    site
}

/// Tokens of `alice` for a request with these changes.
fn tokens(site: &Site, changes: &[(&str, &str)]) -> Value {
    let code = site.visitor().code(changes);
    site.redeem(&code).ok().json()
}

fn userinfo(site: &Site, tokens: &Value) -> Answer {
    site.get_as("/oauth2/userinfo", &format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
}

#[test]
fn a_scope_releases_its_claims_and_no_others() {
    let site = site();
    let tokens = tokens(&site, &[("scope", "openid email")]);
    let answer = userinfo(&site, &tokens).ok();
    let sub = site.user("alice").id.subject();
    assert_eq!(
        answer.json(),
        json!({"sub": sub, "email": "alice@example.com", "email_verified": true})
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((&id_token["sub"], id_token.get("email")), (&json!(sub), None));
    assert_eq!(id_token["acr"], "urn:remint:acr:password");
}

#[test]
fn claims_asked_for_one_by_one_are_told_where_they_were_asked_for() {
    let site = site();
    let wanted =
        r#"{"id_token":{"name":null},"userinfo":{"email":{"essential":true},"phone_number":null}}"#;
    let tokens = tokens(&site, &[("scope", "openid"), ("claims", wanted)]);
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["name"], "Alice Liddell");
    let told = userinfo(&site, &tokens).ok().json();
    assert_eq!(told["email"], "alice@example.com");
    assert_eq!(told.get("phone_number"), None, "not registered for the scope phone");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let again = site.refresh_as(As::Client("web"), refresh, &[]).ok().json();
    assert_eq!(claims(again["id_token"].as_str().unwrap())["name"], "Alice Liddell");
    assert_eq!(userinfo(&site, &again).ok().json()["email"], "alice@example.com");
}

#[test]
fn checklist_89_what_is_told_ends_with_the_scope_that_a_client_has_lost() {
    let site = site();
    let wanted = r#"{"id_token":{"email":null},"userinfo":{"email":null}}"#;
    let by_claims = tokens(&site, &[("scope", "openid profile"), ("claims", wanted)]);
    let by_scope = tokens(&site, &[("scope", "openid email")]);
    let code = site.visitor().code(&[("scope", "openid profile"), ("claims", wanted)]);
    site.change("web", |client| client.scope = Scope::parse("openid profile").unwrap());
    for old in [&by_claims, &by_scope] {
        assert_eq!(userinfo(&site, old).ok().json().get("email"), None);
    }
    let refresh = by_claims["refresh_token"].as_str().unwrap();
    let refreshed = site.refresh_as(As::Client("web"), refresh, &[]).ok().json();
    for later in [refreshed, site.redeem(&code).ok().json()] {
        assert_eq!(claims(later["id_token"].as_str().unwrap()).get("email"), None);
        let told = userinfo(&site, &later).ok().json();
        assert_eq!((told.get("email"), &told["name"]), (None, &json!("Alice Liddell")));
    }
}

#[test]
fn checklist_30_a_hint_does_not_stand_in_for_the_subject_that_the_claims_ask_for() {
    let site = site();
    site.create_user("bob");
    let mut visitor = site.visitor();
    let code = visitor.code(&[]);
    let hint = site.redeem(&code).ok().text("id_token");
    let sub = |name: &str| {
        format!(r#"{{"id_token":{{"sub":{{"value":"{}"}}}}}}"#, site.user(name).id.subject())
    };
    let both = |name: &str| error_for(&site, &hint, &sub(name));
    assert_eq!(both("bob"), Some("login_required".into()), "the hint is alice's");
    assert_eq!(both("alice"), None);
}

/// The error, if any, that a browser of `alice` brings to the client.
fn error_for(site: &Site, hint: &str, claims: &str) -> Option<String> {
    let changes = [("id_token_hint", hint), ("claims", claims)];
    site.visitor().obtain(&changes).find("error").map(ToOwned::to_owned)
}

#[test]
fn checklist_32_an_essential_acr_that_can_not_be_had_is_an_error_and_a_voluntary_one_is_not() {
    let site = site();
    let mut visitor = site.visitor();
    let essential = r#"{"id_token":{"acr":{"essential":true,"values":["gold"]}}}"#;
    let callback = visitor.obtain(&[("claims", essential)]);
    assert_eq!(callback.value("error"), "unmet_authentication_requirements");
    let voluntary = r#"{"id_token":{"acr":{"values":["gold"]}}}"#;
    visitor.code(&[("claims", voluntary), ("acr_values", "gold")]);
}

#[test]
fn checklist_67_a_token_in_the_url_does_not_count_and_two_are_an_error() {
    let site = site();
    let tokens = tokens(&site, &[]);
    let token = tokens["access_token"].as_str().unwrap();
    let in_url = site.get(&format!("/oauth2/userinfo?access_token={token}"));
    assert_eq!(in_url.status, 401);
    assert_eq!(in_url.header("www-authenticate"), Some("Bearer realm=\"remint\""));
    site.post("/oauth2/userinfo", As::Nobody, &[("access_token", token)]).ok();
    let header = format!("Bearer {token}");
    site.post("/oauth2/userinfo", As::Header(&header), &[("access_token", token)])
        .expect(400, "invalid_request");
    for header in [&format!("Basic {token}"), "Bearer", token] {
        site.get_as("/oauth2/userinfo", header).expect(400, "invalid_request");
    }
    site.get_as("/oauth2/userinfo", "Bearer rmat_x").expect(401, "invalid_token");
}

#[test]
fn a_body_that_is_no_form_is_refused_whatever_the_header_says() {
    let site = site();
    let token = tokens(&site, &[])["access_token"].as_str().unwrap().to_owned();
    let mut sender = site.visitor();
    for (kind, body) in
        [("text/plain", "x"), ("application/json", "{}"), (FORM, "a=1&a=2"), (FORM, "a=%")]
    {
        let head = format!("Content-Type: {kind}\r\nAuthorization: Bearer {token}\r\n");
        let refused = sender.send("POST", "/oauth2/userinfo", &head, body);
        refused.expect(400, "invalid_request");
    }
    let large = format!("a={}", "x".repeat(64 * 1024));
    let head = format!("Content-Type: {FORM}\r\nAuthorization: Bearer {token}\r\n");
    sender.send("POST", "/oauth2/userinfo", &head, &large).expect(413, "invalid_request");
    // A POST may have none.
    let head = format!("Authorization: Bearer {token}\r\n");
    sender.send("POST", "/oauth2/userinfo", &head, "").ok();
}

#[test]
fn a_token_that_is_over_or_speaks_for_no_person_tells_nothing() {
    let site = site();
    let tokens = tokens(&site, &[]);
    let plain = site.tokens();
    let header = format!("Bearer {}", plain.access);
    site.get_as("/oauth2/userinfo", &header).expect(403, "insufficient_scope");
    let machine = site.token(As::Client("demo"), &[("grant_type", "client_credentials")]).ok();
    let header = format!("Bearer {}", machine.text("access_token"));
    site.get_as("/oauth2/userinfo", &header).expect(403, "insufficient_scope");
    site.post(
        "/oauth2/revoke",
        As::Client("web"),
        &[("token", tokens["refresh_token"].as_str().unwrap())],
    );
    userinfo(&site, &tokens).expect(401, "invalid_token");
}

#[test]
fn userinfo_judges_by_what_the_client_is_registered_for_today() {
    let site = Site::new();
    site.register_web("web", |_| {});
    let code = site.visitor().code(&[("scope", "openid profile a")]);
    let access = site.redeem(&code).ok().text("access_token");
    let status = || site.get_as("/oauth2/userinfo", &format!("Bearer {access}")).status;
    let set = |scope: &str| {
        let scope = remint_protocol::scope::Scope::parse(scope).unwrap();
        site.change("web", |client| client.scope = scope);
    };
    assert_eq!(status(), 200);
    set("profile a");
    assert_eq!(status(), 403, "it lost openid");
    set("b");
    assert_eq!(status(), 401, "nothing is left of the token");
    set("openid");
    assert_eq!(status(), 200);
    site.change("web", |client| client.enabled = false);
    assert_eq!(status(), 401);
}
