//! Access tokens that are JWTs (RFC 9068): they say the same as opaque ones and end like them.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use remint_protocol::resource::Resources;
use remint_protocol::response::ResponseType;
use serde_json::{Value, json};

use crate::site::{As, START, Site};
use crate::visitor::claims;

const API: &str = "https://api.example";

fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |client| {
        client.relying_party.jwt_access_tokens = true;
        client.relying_party.id_token_alg = Some("ES256".into());
        client.resources = Resources::parse([API, "https://b.example"]).unwrap();
    });
    site.register("api", |client| client.serves = Resources::parse([API]).unwrap());
    site
}

/// What the token says, after its signature was checked with the published keys.
fn checked(site: &Site, token: &str) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), Algorithm::ES256));
    let keys: JwkSet = serde_json::from_str(&site.get("/oauth2/jwks").ok().body).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<Value>(token, &key, &validation).unwrap().claims
}

fn introspected(site: &Site, sender: &str, token: &str) -> Value {
    site.post("/oauth2/introspect", As::Client(sender), &[("token", token)]).ok().json()
}

fn without(mut said: Value, names: &[&str]) -> Value {
    for name in names {
        assert!(said.as_object_mut().unwrap().remove(*name).is_some(), "{name} in {said}");
    }
    said
}

#[test]
fn checklist_53_each_grant_gives_one_that_says_what_rfc_9068_wants() {
    let site = site();
    let sub = site.user("alice").id.subject();
    let of_user = json!({
        "iss": "https://localhost:9443", "sub": sub, "client_id": "web", "iat": START,
        "exp": START + 3600, "auth_time": START, "amr": ["pwd"],
        "aud": [API, "https://b.example"], "acr": "urn:remint:acr:password", "scope": "a openid",
    });
    let redeemed = site.redeem(&site.visitor().code(&[])).ok();
    let refreshed = site.refresh_as(As::Client("web"), &redeemed.text("refresh_token"), &[]).ok();
    for answer in [&redeemed, &refreshed] {
        let said = checked(&site, &answer.text("access_token"));
        assert_eq!(without(said, &["jti", "rmt"]), of_user);
        let hash = claims(&answer.text("id_token"))["at_hash"].clone();
        assert!(hash.is_string(), "the ID token is tied to it: {hash}");
    }
    let logged_in = site.log_in(As::Client("web"), &[("scope", "a"), ("resource", API)]).ok();
    let said = checked(&site, &logged_in.text("access_token"));
    let expected = [&said["sub"], &said["aud"], &said["scope"], &said["auth_time"]];
    assert_eq!(expected, [&json!(sub), &json!(API), &json!("a"), &json!(START)]);

    let machine = [("grant_type", "client_credentials"), ("resource", API)];
    let machine = site.token(As::Client("web"), &machine).ok();
    let said = without(checked(&site, &machine.text("access_token")), &["jti", "rmt"]);
    let expected = json!({
        "iss": "https://localhost:9443", "sub": "web", "client_id": "web", "iat": START,
        "exp": START + 3600, "aud": API, "scope": "a b",
    });
    assert_eq!(said, expected);
}

#[test]
fn without_a_resource_the_audience_is_the_issuer() {
    let site = Site::new();
    site.register("machine", |client| client.relying_party.jwt_access_tokens = true);
    let grant = [("grant_type", "client_credentials")];
    let token = site.token(As::Client("machine"), &grant).ok().text("access_token");
    assert_eq!(claims(&token)["aud"], "https://localhost:9443");
    assert_eq!(decode_header(&token).unwrap().alg, Algorithm::RS256, "the default");
    assert_eq!(introspected(&site, "machine", &token).get("aud"), None, "as of an opaque one");
}

#[test]
fn the_implicit_flow_gives_one_too() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.relying_party.jwt_access_tokens = true;
        client.authorize.response_types = vec![ResponseType::parse("id_token token").unwrap()];
    });
    let callback = site.visitor().obtain(&[("response_type", "id_token token")]);
    let token = callback.value("access_token");
    assert_eq!(claims(&token)["sub"], claims(&callback.value("id_token"))["sub"]);
    assert_eq!(introspected(&site, "web", &token)["active"], true);
}

#[test]
fn introspection_and_userinfo_take_them_and_they_end_with_their_session() {
    let site = site();
    let tokens = site.redeem(&site.visitor().code(&[])).ok();
    let token = tokens.text("access_token");
    let seen = introspected(&site, "api", &token);
    let said = claims(&token);
    for name in ["iss", "sub", "client_id", "iat", "exp", "jti", "scope", "aud"] {
        assert_eq!(seen[name], said[name], "{name}");
    }
    assert_eq!(introspected(&site, "demo", &token), json!({"active": false}));
    let bearer = format!("Bearer {token}");
    assert_eq!(site.get_as("/oauth2/userinfo", &bearer).ok().json()["sub"], said["sub"]);

    site.wait(3600);
    assert_eq!(introspected(&site, "api", &token), json!({"active": false}), "expired");
    site.wait(-1800);
    assert_eq!(introspected(&site, "api", &token)["active"], true);
    let refresh = tokens.text("refresh_token");
    site.post("/oauth2/revoke", As::Client("web"), &[("token", &refresh)]);
    assert_eq!(introspected(&site, "api", &token), json!({"active": false}), "revoked");
    site.get_as("/oauth2/userinfo", &bearer).expect(401, "invalid_token");
}

#[test]
fn one_is_revoked_alone_by_its_own_client() {
    let site = site();
    let tokens = site.redeem(&site.visitor().code(&[])).ok();
    let token = tokens.text("access_token");
    site.post("/oauth2/revoke", As::Client("demo"), &[("token", &token)]);
    assert_eq!(introspected(&site, "web", &token)["active"], true, "another client's wish");
    site.post("/oauth2/revoke", As::Client("web"), &[("token", &token)]);
    assert_eq!(introspected(&site, "web", &token)["active"], false);
    site.refresh_as(As::Client("web"), &tokens.text("refresh_token"), &[]).ok();
}

#[test]
fn checklist_53_an_id_token_is_no_access_token_and_the_other_way_round() {
    let site = site();
    let mut visitor = site.visitor();
    let code = visitor.code(&[]);
    let tokens = site.redeem(&code).ok();
    let (access, id_token) = (tokens.text("access_token"), tokens.text("id_token"));
    site.get_as("/oauth2/userinfo", &format!("Bearer {id_token}")).expect(401, "invalid_token");
    assert_eq!(introspected(&site, "web", &id_token), json!({"active": false}));

    let hinted = visitor.obtain(&[("id_token_hint", &access), ("prompt", "none")]);
    assert_eq!(hinted.value("error"), "invalid_request");
    visitor.obtain(&[("id_token_hint", &id_token), ("prompt", "none")]).value("code");
    let logout = visitor.get(&format!("/oidc/logout?id_token_hint={access}"));
    assert!(logout.body.contains("logout-confirm"), "it proves nothing: {logout:?}");
}

#[test]
fn one_that_was_tampered_with_is_none() {
    let site = site();
    let machine = [("grant_type", "client_credentials")];
    let token = site.token(As::Client("web"), &machine).ok().text("access_token");
    assert_eq!(introspected(&site, "web", &token)["active"], true);
    let [header, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let other = site.token(As::Client("web"), &machine).ok().text("access_token");
    let foreign = other.split('.').nth(1).unwrap();
    // {"typ":"at+jwt","alg":"none"}
    let none = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0";
    let long = "x".repeat(20_000);
    for forged in [
        format!("{header}.{foreign}.{signature}"),
        format!("{header}.{body}."),
        format!("{header}.{body}"),
        format!("{none}.{body}."),
        format!("{header}.{long}.{signature}"),
        "..".to_owned(),
    ] {
        assert_eq!(introspected(&site, "web", &forged), json!({"active": false}), "{forged}");
        site.get_as("/oauth2/userinfo", &format!("Bearer {}", &forged[..forged.len().min(4000)]))
            .expect(401, "invalid_token");
    }
}
