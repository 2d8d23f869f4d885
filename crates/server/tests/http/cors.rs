//! The scripts that may call endpoints, those of registered origins, and the pages, which none may.

use remint_testbed::http;

use crate::site::{Answer, Site};

const APP: &str = "https://app.example";
const CALLED: [(&str, &str); 6] = [
    ("POST", "/oauth2/token"),
    ("POST", "/oauth2/revoke"),
    ("GET", "/oauth2/userinfo"),
    ("GET", "/oauth2/jwks"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
];

fn site() -> Site {
    let site = Site::new();
    site.register_spa("spa", |client| {
        client.relying_party.web_origins = vec![APP.into(), "http://localhost:3000".into()];
    });
    site.let_changes_be_seen();
    site
}

fn send(site: &Site, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    site.exchange(http::request(method, path, &headers, ""))
}

fn preflight(site: &Site, method: &str, path: &str, origin: &str) -> Answer {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "authorization"),
    ];
    send(site, "OPTIONS", path, &headers)
}

/// The headers of the CORS protocol.
fn cors(answer: &Answer) -> Vec<(&str, &str)> {
    let all = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    all.filter(|(name, _)| name.to_lowercase().starts_with("access-control")).collect()
}

#[test]
fn checklist_66_scripts_of_registered_origins_may_call_and_nothing_comes_with_credentials() {
    let site = site();
    for origin in [APP, "http://localhost:3000"] {
        for (method, path) in CALLED {
            let answer = send(&site, method, path, &[("Origin", origin)]);
            let exposed = "Retry-After, WWW-Authenticate, X-Request-Id";
            let expected = [
                ("access-control-allow-origin", origin),
                ("access-control-expose-headers", exposed),
            ];
            assert_eq!(cors(&answer), expected, "{path}");
            assert_eq!(answer.header("vary"), Some("Origin"));
            let answer = preflight(&site, method, path, origin);
            assert_eq!(answer.status, 204, "{path}");
            let expected = [
                ("access-control-allow-origin", origin),
                ("access-control-allow-methods", "GET, POST"),
                ("access-control-allow-headers", "Authorization, Content-Type"),
                ("access-control-max-age", "3600"),
            ];
            assert_eq!(cors(&answer), expected, "{path}");
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
}

#[test]
fn checklist_66_no_other_origin_is_named_and_null_is_not_reflected() {
    let site = site();
    let strangers = [
        "null",
        "*",
        "https://evil.example",
        "https://app.example.evil.example",
        "https://app.example:443",
        "https://app.example/",
        "HTTPS://APP.EXAMPLE",
        "http://app.example",
        "http://localhost:3001",
        "http://localhost:3000, https://evil.example",
        "",
    ];
    for (method, path) in CALLED {
        for origin in strangers {
            let answer = send(&site, method, path, &[("Origin", origin)]);
            assert_eq!(cors(&answer), [], "{path} {origin}");
            assert_eq!(answer.header("vary"), Some("Origin"), "{path} {origin}");
            assert_eq!(cors(&preflight(&site, method, path, origin)), [], "{path} {origin}");
        }
        let answer = send(&site, method, path, &[]);
        assert_eq!((cors(&answer), answer.header("vary")), (vec![], Some("Origin")), "{path}");
    }
}

#[test]
fn checklist_20_what_is_for_people_and_servers_has_no_cors_header_whatever_asks() {
    let site = site();
    let paths = [
        "/oauth2/authorize",
        "/oauth2/authorize/continue",
        "/oauth2/introspect",
        "/login",
        "/consent",
        "/account",
        "/oidc/logout",
        "/health/live",
        "/nowhere",
    ];
    for path in paths {
        for method in ["GET", "POST"] {
            let answer = send(&site, method, path, &[("Origin", APP)]);
            assert_eq!(cors(&answer), [], "{method} {path}");
            let answer = preflight(&site, method, path, APP);
            assert_eq!(cors(&answer), [], "{method} {path}");
            assert!(answer.status >= 400, "{path}: {answer:?}");
        }
    }
}

#[test]
fn an_origin_counts_from_its_registration_until_its_client_is_disabled() {
    let site = site();
    let is_allowed = || !cors(&send(&site, "GET", "/oauth2/jwks", &[("Origin", APP)])).is_empty();
    assert!(is_allowed());
    site.change("spa", |client| client.enabled = false);
    assert!(!is_allowed());
    site.change("spa", |client| client.enabled = true);
    assert!(is_allowed());
    site.change("spa", |client| client.relying_party.web_origins.clear());
    assert!(!is_allowed());
}

#[test]
fn an_options_request_that_is_no_preflight_is_the_wrong_method() {
    let site = site();
    assert_eq!(send(&site, "OPTIONS", "/oauth2/token", &[("Origin", APP)]).status, 405);
    assert_eq!(send(&site, "OPTIONS", "/oauth2/token", &[]).status, 405);
}
