//! The metadata of this server at the well-known paths, and the place of those.

use std::collections::HashSet;

use remint_testbed::http;
use serde_json::Value;

use crate::site::{Answer, As, Site};
use crate::visitor::CALLBACK;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The methods that an endpoint does not take.
fn refused_methods(site: &Site, path: &str) -> Vec<&'static str> {
    let status = |method: &str| site.exchange(http::request(method, path, "", "")).status;
    assert_ne!(status("GET"), 404, "{path} is there");
    ["GET", "POST"].into_iter().filter(|method| status(method) == 405).collect()
}

fn words(json: &Value) -> Vec<&str> {
    json.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn checklist_76_every_endpoint_is_there_and_everything_is_https_and_the_issuers() {
    let site = Site::with("issuer=https://id.example.com");
    let json = site.get(OPENID).ok().json();
    assert_eq!(json, site.get(OAUTH).ok().json());
    for (member, value) in json.as_object().unwrap() {
        let Some(url) = value.as_str().filter(|_| member != "issuer") else { continue };
        let path = url.strip_prefix("https://id.example.com").unwrap();
        let refused: &[_] = match &**member {
            "token_endpoint" | "revocation_endpoint" | "introspection_endpoint" => &["GET"],
            "jwks_uri" => &["POST"],
            _ => &[],
        };
        assert_eq!(refused_methods(&site, path), refused, "{member}");
    }
}

#[test]
fn checklist_76_nothing_is_advertised_that_is_not_there() {
    let site = Site::new();
    let answer = site.get(OAUTH).ok();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let json = answer.json();
    // RFC 7591 §2.1: `implicit` is what the authorization endpoint does where not only a code is asked for.
    let (implicit, at_token): (Vec<_>, Vec<_>) =
        words(&json["grant_types_supported"]).into_iter().partition(|grant| *grant == "implicit");
    let has_tokens = words(&json["response_types_supported"]).iter().any(|kind| *kind != "code");
    assert_eq!(implicit.len(), usize::from(has_tokens));
    for grant in at_token {
        let answer = site.token(As::Client("demo"), &[("grant_type", grant)]);
        assert_ne!(answer.json()["error"], "unsupported_grant_type", "{grant}");
    }
    assert_eq!(json["subject_types_supported"], serde_json::json!(["public", "pairwise"]));
    for unsupported in ["request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(json[unsupported], false);
    }
    let members: HashSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = HashSet::from([
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
        "frontchannel_logout_supported",
        "frontchannel_logout_session_supported",
        "scopes_supported",
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "code_challenge_methods_supported",
        "prompt_values_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "authorization_response_iss_parameter_supported",
        "claims_parameter_supported",
        "claims_supported",
        "acr_values_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "ui_locales_supported",
        "token_endpoint_auth_methods_supported",
        "revocation_endpoint",
        "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint",
        "introspection_endpoint_auth_methods_supported",
    ]);
    assert_eq!(members, expected, "a new member needs a test that it is true");
}

/// Which of the paths have the metadata, and what these call the token endpoint.
fn found<'a>(site: &Site, paths: &[&'a str]) -> (Vec<&'a str>, String) {
    let issuer = site.app.config().server.issuer.as_str().to_owned();
    let mut endpoint = String::new();
    let is_there = |path: &&&str| {
        let answer: Answer = site.get(path);
        assert!([200, 404].contains(&answer.status), "{answer:?}");
        if answer.status == 200 {
            assert_eq!(answer.text("issuer"), issuer, "{path}");
            endpoint = answer.text("token_endpoint");
        }
        answer.status == 200
    };
    (paths.iter().filter(is_there).copied().collect(), endpoint)
}

const PLACES: [&str; 10] = [
    OPENID,
    OAUTH,
    "/id/one/.well-known/openid-configuration",
    "/.well-known/openid-configuration/id/one",
    "/.well-known/oauth-authorization-server/id/one",
    "/.well-known/oauth-authorization-server/id",
    "/oauth2/token/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/oauth2/token",
    "/.well-known/openid-configuration/oauth2/token",
    "/oauth2/oidcdiscovery/.well-known/openid-configuration",
];

#[test]
fn checklist_76_metadata_are_where_the_issuer_is_that_url_and_nowhere_else() {
    let plain = Site::with("issuer=https://id.example.com");
    let endpoint = "https://id.example.com/oauth2/token".to_owned();
    assert_eq!(found(&plain, &PLACES), (PLACES[..2].to_vec(), endpoint));
    // A proxy may take the path away.
    let with_path = Site::with("issuer=https://id.example.com/id/one");
    let endpoint = "https://id.example.com/id/one/oauth2/token".to_owned();
    assert_eq!(found(&with_path, &PLACES), (PLACES[..5].to_vec(), endpoint));
    let of_wso2 = Site::with("issuer=https://id.example.com:9443/oauth2/token");
    let endpoint = "https://id.example.com:9443/oauth2/token".to_owned();
    assert_eq!(found(&of_wso2, &PLACES), (PLACES[6..9].to_vec(), endpoint.clone()));
    let later = Site::with("issuer=https://id.example.com:9443/oauth2/oidcdiscovery");
    assert_eq!(found(&later, &PLACES), (PLACES[9..].to_vec(), endpoint));
}

#[test]
fn the_issuer_of_wso2_is_in_all_tokens_and_names_no_page() {
    let issuer = "https://localhost:9443/oauth2/token";
    let site = Site::with(&format!("issuer={issuer}"));
    site.register_web("web", |client| client.relying_party.jwt_access_tokens = true);
    let mut visitor = site.visitor();
    let first = visitor.get(&format!("/oauth2/authorize?{}", crate::visitor::request(&[])));
    assert!(first.header("location").unwrap().starts_with("/login?"), "{first:?}");
    let callback = visitor.obtain(&[]);
    assert!(callback.location.starts_with(CALLBACK));
    assert_eq!(callback.value("iss"), issuer);
    let tokens = site.redeem(&callback.value("code")).ok();
    for token in ["access_token", "id_token"] {
        assert_eq!(crate::visitor::claims(&tokens.text(token))["iss"], issuer);
    }
}

#[test]
fn the_paths_and_parameters_of_wso2_are_understood() {
    let site = Site::new();
    site.register_web("web", |_| {});
    let document = site.get(&format!("{OPENID}?tenantDomain=carbon.super")).ok();
    assert_eq!(document.json(), site.get(OPENID).json());
    let machine = [("grant_type", "client_credentials")];
    for path in ["/oauth2/token?tenantDomain=carbon.super", "/oauth2endpoints/token"] {
        let token = site.post(path, As::Client("demo"), &machine).ok().text("access_token");
        assert!(site.is_active(&token));
        site.post("/oauth2endpoints/revoke", As::Client("demo"), &[("token", &token)]);
        assert!(!site.is_active(&token));
    }
    let mut visitor = site.visitor();
    let request = crate::visitor::request(&[("tenantDomain", "carbon.super")]);
    let page = visitor.get(&format!("/oauth2endpoints/authorize?{request}"));
    assert!(page.header("location").is_some_and(|to| to.starts_with("/login?")), "{page:?}");
    assert_eq!(site.get("/oauth2endpoints/userinfo").status, 401);
}

#[test]
fn an_issuer_whose_path_looks_like_a_route_hurts_nobody() {
    for path in ["/:x", "/*x", "/assets", "/health/live", "/%7Bx%7D"] {
        let site = Site::with(&format!("issuer=https://id.example.com{path}"));
        let place = format!("{path}{OPENID}");
        assert_eq!(found(&site, &[&place]).0, [place.as_str()]);
    }
    let site = Site::with("issuer=https://id.example.com/{x}");
    assert_eq!(site.get("/other/.well-known/openid-configuration").status, 404);
}
