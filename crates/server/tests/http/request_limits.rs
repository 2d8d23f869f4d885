//! The number of requests that a source may send, if an operator sets a limit.

use remint_testbed::http;

use crate::site::{Answer, As, PASSWORD, SECRET, Site, Tokens, basic};
use crate::visitor::{encode, hidden, request};

const HERE: &str = "192.0.2.1";
const DEMO: As<'_> = As::Client("demo");

fn limited(settings: &str) -> Site {
    Site::with(&format!("http.trusted_proxies=127.0.0.1 {settings}"))
}

/// A request to the token endpoint from somewhere.
fn send(site: &Site, source: &str, form: &[(&str, &str)]) -> Answer {
    let headers =
        format!("X-Forwarded-For: {source}\r\nAuthorization: {}\r\n", basic("demo", SECRET));
    site.exchange(http::form("/oauth2/token", &headers, &encode(form)))
}

/// The same: its status, and after how long to try again.
fn ask(site: &Site, source: &str, form: &[(&str, &str)]) -> (u16, Option<String>) {
    let answer = send(site, source, form);
    if answer.status == 429 {
        answer.expect(429, "temporarily_unavailable");
    }
    (answer.status, answer.header("retry-after").map(ToOwned::to_owned))
}

const CREDENTIALS: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[test]
fn nothing_is_limited_unless_it_is_asked_for() {
    let site = Site::new();
    for limit in ["token_requests", "authorize_requests", "sign_in_requests"] {
        let shown = site.app.config().show();
        let found = shown.iter().find(|(name, _)| *name == format!("limits.{limit}"));
        assert_eq!(found.map(|(_, value)| value.as_str()), Some("\"off\""), "{limit}");
    }
    for _ in 0..300 {
        site.token(DEMO, &CREDENTIALS).ok();
    }
}

#[test]
fn the_token_endpoint_lets_a_burst_through_and_then_a_pace() {
    let site = limited("limits.token_requests=10/1m");
    for _ in 0..10 {
        assert_eq!(ask(&site, HERE, &CREDENTIALS).0, 200);
    }
    assert_eq!(ask(&site, HERE, &CREDENTIALS), (429, Some("6".into())));
    assert_eq!(ask(&site, "192.0.2.2", &CREDENTIALS).0, 200, "others have their own");
    site.wait(6);
    assert_eq!(ask(&site, HERE, &CREDENTIALS).0, 200);
    assert_eq!(ask(&site, HERE, &CREDENTIALS).0, 429);
    let metrics = site.get_ops("/metrics").body;
    assert!(metrics.contains("remint_rejects_total{cause=\"too_many_requests\"} 2"), "{metrics}");
    // Also what is no request at all.
    let raw = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
               X-Forwarded-For: 192.0.2.1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(site.exchange(raw).status, 429);
}

#[test]
fn a_refresh_of_a_current_token_is_never_limited_by_itself_nor_by_strangers() {
    let site = limited("limits.token_requests=10/1m");
    let mut tokens: Tokens = site.log_in(DEMO, &[]).ok().into();
    let refresh = |tokens: &Tokens| {
        send(&site, HERE, &[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)])
    };
    for _ in 0..50 {
        tokens = refresh(&tokens).ok().into();
    }
    while ask(&site, HERE, &CREDENTIALS).0 != 429 {}
    let used_up = tokens.clone();
    for _ in 0..50 {
        tokens = refresh(&tokens).ok().into();
    }
    // A made-up one is not let through, and a used-up one has a limit of its own.
    let made_up = [("grant_type", "refresh_token"), ("refresh_token", "rmrt_AAAA")];
    assert_eq!(ask(&site, HERE, &made_up).0, 429);
    let statuses: Vec<_> = (0..20).map(|_| refresh(&used_up).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 10, "{statuses:?}");
}

#[test]
fn the_authorization_endpoint_shows_a_page_and_goes_on_for_who_has_signed_in() {
    let site = Site::with("limits.authorize_requests=10/1m");
    site.register_web("web", |_| {});
    let mut signed_in = site.visitor();
    signed_in.obtain(&[]);
    let path = format!("/oauth2/authorize?{}", request(&[]));
    let mut stranger = site.visitor();
    let mut page = stranger.get(&path);
    for _ in 0..12 {
        page = stranger.get(&path);
    }
    assert_eq!((page.status, page.header("retry-after")), (429, Some("6")));
    assert!(page.body.contains("Too many requests"), "{page:?}");
    for _ in 0..10 {
        assert_eq!(signed_in.get(&path).status, 303, "by their own limit");
    }
    assert_eq!(signed_in.get(&path).status, 429);
    site.wait(6);
    assert_eq!(stranger.get(&path).status, 303);
}

#[test]
fn the_sign_in_page_is_limited_and_a_right_password_does_not_count() {
    let site = Site::with("limits.sign_in_requests=10/1m");
    let send = |visitor: &mut crate::visitor::Visitor<'_>, name: &str, password: &str| {
        let csrf = hidden(&visitor.get("/login"), "csrf");
        visitor.post("/login", &[("csrf", &csrf), ("username", name), ("password", password)])
    };
    let mut own = site.visitor();
    for _ in 0..15 {
        assert_eq!(send(&mut site.visitor(), "alice", PASSWORD).status, 303);
    }
    assert_eq!(send(&mut own, "alice", PASSWORD).status, 303);
    let csrf = hidden(&own.get("/account"), "csrf");
    own.post("/account/sign-out", &[("csrf", &csrf)]);
    let mut stranger = site.visitor();
    for i in 0..10 {
        assert_eq!(send(&mut stranger, &format!("name{i}"), "wrong").status, 400);
    }
    let limited = send(&mut stranger, "name", "wrong");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("6")));
    assert_eq!(send(&mut own, "alice", PASSWORD).status, 303, "who is known by their own limit");
}
