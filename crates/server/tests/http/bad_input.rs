//! Arbitrary input of strangers: a fixed response, no 5xx, nothing written.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::site::{Answer, As, SECRET, Site, basic};

const ENDPOINTS: [&str; 3] = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];
const FORM: &str = "application/x-www-form-urlencoded";

/// Sends a request as it is; the server closes after its answer.
fn send(site: &Site, line: &str, headers: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {}\r\n\
         {headers}Content-Length: {length}\r\n\r\n",
        basic("demo", SECRET)
    );
    site.exchange([head.as_bytes(), body].concat())
}

fn post(site: &Site, path: &str, body: &[u8]) -> Answer {
    send(site, &format!("POST {path}"), &format!("Content-Type: {FORM}\r\n"), body)
}

#[test]
fn checklist_38_other_methods_are_405() {
    let site = Site::new();
    for path in ENDPOINTS {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
            let refused = send(&site, &format!("{method} {path}"), "", b"");
            assert_eq!(refused.status, 405, "{method} {path}: {refused:?}");
            assert_eq!(refused.header("allow"), Some("POST"), "{refused:?}");
        }
    }
    assert_eq!(send(&site, "POST /.well-known/oauth-authorization-server", "", b"").status, 405);
    assert_eq!(send(&site, "POST /nothing/here", "", b"").status, 404);
}

#[test]
fn people_who_take_a_wrong_turn_get_a_page_and_programs_get_none() {
    let site = Site::new();
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for path in ["/nothing", "/nothing/here?%3Cscript%3E"] {
        let page = send(&site, &format!("GET {path}"), browser, b"");
        assert_eq!(page.status, 404, "{page:?}");
        assert!(page.body.contains("There is no such page"), "{page:?}");
        assert!(!page.body.contains("<script"), "{page:?}");
    }
    let nothing = send(&site, "GET /nothing/here", "Accept: application/json\r\n", b"");
    assert_eq!((nothing.status, &*nothing.body), (404, ""));
}

#[test]
fn checklist_38_other_content_types_are_415() {
    let site = Site::new();
    let body = b"grant_type=client_credentials";
    for path in ENDPOINTS {
        for kind in [
            "",
            "Content-Type: application/json\r\n",
            "Content-Type: text/plain\r\n",
            "Content-Type: multipart/form-data; boundary=x\r\n",
            "Content-Type: application/x-www-form-urlencodedx\r\n",
        ] {
            let refused = send(&site, &format!("POST {path}"), kind, body);
            refused.expect(415, "invalid_request");
        }
    }
    let charset = "Content-Type: Application/X-WWW-Form-URLencoded; charset=UTF-8\r\n";
    assert_eq!(send(&site, "POST /oauth2/token", charset, body).status, 200);
}

#[test]
fn a_body_over_64_kib_is_413_and_one_of_64_kib_is_read() {
    let site = Site::new();
    let body = |len: usize| {
        let mut body = b"grant_type=client_credentials&x=".to_vec();
        body.resize(len, b'x');
        body
    };
    assert_eq!(post(&site, "/oauth2/token", &body(64 * 1024)).status, 200);
    for path in ENDPOINTS {
        post(&site, path, &body(64 * 1024 + 1)).expect(413, "invalid_request");
    }
}

#[test]
fn checklist_39_parameters_in_the_url_are_refused_and_count_for_nothing() {
    let site = Site::new();
    let refresh = site.tokens().refresh;
    let credentials = b"grant_type=client_credentials";
    for query in [
        format!("grant_type=refresh_token&refresh_token={refresh}"),
        format!("client_id=demo&client_secret={SECRET}"),
        "scope=a".into(),
        "p%61ssword=x".into(),
        "token=x".into(),
    ] {
        let refused = post(&site, &format!("/oauth2/token?{query}"), credentials);
        refused.expect(400, "invalid_request");
    }
    assert_eq!(post(&site, "/oauth2/token?trace=1", credentials).status, 200);
    site.refresh(&refresh).ok();
}

#[test]
fn a_parameter_sent_twice_is_refused() {
    let site = Site::new();
    for body in [
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=client_credentials&scope=a&scope=a",
        "grant_type=client_credentials&x=1&x=2",
        "grant_type=client_credentials&%67rant_type=",
    ] {
        post(&site, "/oauth2/token", body.as_bytes()).expect(400, "invalid_request");
    }
}

#[test]
fn broken_encodings_nul_and_ten_thousand_parameters_are_refused() {
    let site = Site::new();
    let many: String = (0..10_000).map(|i| format!("{i}=&")).collect();
    let bodies: [&[u8]; 9] = [
        b"grant_type=\xff",
        b"grant_type=%ff",
        b"grant_type=%",
        b"grant_type=%0",
        b"grant_type=%zz",
        b"grant_type=a%00b",
        b"grant_type=a\0b",
        b"\xc3=x",
        many.as_bytes(),
    ];
    for path in ENDPOINTS {
        for body in bodies {
            post(&site, path, body).expect(400, "invalid_request");
        }
    }
}

#[test]
fn a_refusal_never_repeats_what_was_sent() {
    let site = Site::new();
    let canary = "canary<script>";
    for form in [
        vec![("grant_type", canary)],
        vec![("grant_type", "refresh_token"), ("refresh_token", canary)],
        vec![("grant_type", "client_credentials"), ("scope", canary)],
        vec![("grant_type", "client_credentials"), ("resource", canary)],
        vec![("grant_type", "password"), ("username", canary), ("password", canary)],
    ] {
        let refused = site.token(As::Client("demo"), &form);
        assert_eq!(refused.status, 400);
        assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
    }
    let refused = site.token(As::Basic(canary, canary), &[("grant_type", "x")]);
    assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
    assert!(!site.get("/canary").body.contains("canary"));
}

#[test]
fn nothing_refused_writes_anything() {
    let site = Site::new();
    let tokens = site.tokens();
    let before = (site.families(), site.metric("remint_store_writes_total"));
    post(&site, "/oauth2/token", b"grant_type=refresh_token&refresh_token=%");
    for form in [
        vec![("grant_type", "refresh_token"), ("refresh_token", "rmrt_nonsense")],
        vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh.as_str()),
            ("scope", "x"),
        ],
        vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", &tokens.refresh),
            ("resource", "https://x"),
        ],
        vec![("grant_type", "password"), ("username", "alice")],
        vec![("grant_type", "client_credentials"), ("scope", "x")],
    ] {
        assert_eq!(site.token(As::Client("demo"), &form).status, 400, "{form:?}");
    }
    assert_eq!(site.post("/oauth2/revoke", As::Client("demo"), &[("token", "x")]).status, 200);
    assert_eq!(site.families(), before.0);
    assert!((site.metric("remint_store_writes_total") - before.1).abs() < 0.5);
}

#[test]
fn no_body_panics_or_is_a_servers_error() {
    let site = Site::new();
    let word = prop_oneof![
        Just("grant_type".to_owned()),
        Just("refresh_token".to_owned()),
        Just("password".to_owned()),
        Just("client_credentials".to_owned()),
        Just("scope".to_owned()),
        Just("token".to_owned()),
        "[a-z%+&=;\\x00-\\x20\u{80}-\u{ff}]{0,20}",
    ];
    let body = prop::collection::vec((word.clone(), word), 0..6);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let ran = runner.run(&(body, 0..3usize), |(pairs, at)| {
        let body: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = post(&site, ENDPOINTS[at], body.join("&").as_bytes());
        prop_assert!(matches!(answer.status, 200 | 400 | 401 | 429), "{:?}", answer);
        Ok(())
    });
    ran.unwrap();
    assert!(site.metric("remint_rejects_total{cause=\"internal\"}") < 0.5);
}
