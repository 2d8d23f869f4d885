//! The surroundings of the server: proxies that keep the issuer's path or strip it, headers that they and
//! others write, other servers on the same host.

use std::collections::BTreeSet;

use remint_testbed::http;

use crate::hardening::{FORM, SESSION};
use crate::site::{Answer, As, PASSWORD, Site};
use crate::visitor::{Visitor, hidden, is_consent, is_sign_in, request};

const ISSUER: &str = "https://id.example.com/auth";

/// A proxy at `https://id.example.com`, which leads `/auth` to the server.
#[derive(Clone, Copy, Debug)]
enum Proxy {
    Keeps,
    TakesAway,
}

impl Proxy {
    /// The path at the server of one at the proxy.
    fn path(self, path: &str) -> String {
        if path.starts_with("/.well-known/") {
            return path.to_owned();
        }
        let rest = path.strip_prefix("/auth").unwrap_or_else(|| panic!("{path} is another site's"));
        match self {
            Self::Keeps => path.to_owned(),
            Self::TakesAway if rest.starts_with('/') => rest.to_owned(),
            Self::TakesAway => format!("/{rest}"),
        }
    }
}

/// Everything that a text leads to on the host of the issuer.
fn named(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for mark in ["href=\"", "action=\"", "src=\"", "url(\"", "\"https://id.example.com"] {
        for (at, _) in text.match_indices(mark) {
            let rest = &text[at + mark.len()..];
            let url = rest.split(['"', '#']).next().unwrap().replace("&amp;", "&");
            let url = url.strip_prefix("https://id.example.com").unwrap_or(&url);
            if url.starts_with('/') {
                all.insert(url.to_owned());
            }
        }
    }
    all
}

/// A browser behind a proxy, which looks at everything that it is shown.
struct Walker<'s> {
    proxy: Proxy,
    visitor: Visitor<'s>,
    seen: BTreeSet<String>,
}

impl Walker<'_> {
    fn get(&mut self, path: &str) -> Answer {
        let answer = self.visitor.get(&self.proxy.path(path));
        self.follow(answer)
    }

    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.visitor.post(&self.proxy.path(path), fields);
        self.follow(answer)
    }

    fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..8 {
            match answer.header("location") {
                Some(path) if path.starts_with('/') => {
                    answer = self.visitor.get(&self.proxy.path(path));
                }
                _ => {
                    self.look_at(&answer);
                    return answer;
                }
            }
        }
        panic!("redirects without an end: {answer:?}")
    }

    /// Asks for everything that is named.
    fn look_at(&mut self, page: &Answer) {
        for path in named(&page.body) {
            if self.seen.insert(path.clone()) {
                let answer = self.visitor.clone().get(&self.proxy.path(&path));
                assert_ne!(answer.status, 404, "{:?}: {path}", self.proxy);
                assert!(answer.status < 500, "{:?}: {path}: {answer:?}", self.proxy);
            }
        }
    }
}

#[test]
fn every_url_that_is_named_is_served_behind_a_proxy_that_keeps_the_path_and_one_that_does_not() {
    for proxy in [Proxy::Keeps, Proxy::TakesAway] {
        let site = Site::with(&format!("issuer={ISSUER}"));
        site.register_web("web", |_| {});
        let mut walker = Walker { proxy, visitor: site.visitor(), seen: BTreeSet::new() };
        for place in [
            "/auth/.well-known/openid-configuration",
            "/auth/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/auth",
            "/.well-known/openid-configuration/auth",
        ] {
            let document = walker.get(place);
            assert_eq!(
                (document.status, document.text("issuer").as_str()),
                (200, ISSUER),
                "{place}"
            );
        }
        for home in ["/auth", "/auth/", "/auth/account", "/auth/login"] {
            assert!(is_sign_in(&walker.get(home)), "{proxy:?}: {home}");
        }
        let page = walker.get(&format!("/auth/oauth2/authorize?{}", request(&[])));
        let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
        let fields =
            [("csrf", &*csrf), ("flow", &*flow), ("username", "alice"), ("password", PASSWORD)];
        let page = walker.post("/auth/login", &fields);
        assert!(is_consent(&page), "{page:?}");
        let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
        let fields = [("csrf", &*csrf), ("flow", &*flow), ("decision", "allow")];
        let answer = walker.post("/auth/consent", &fields);
        let code = crate::visitor::Callback::of(&answer).value("code");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", crate::visitor::CALLBACK),
            ("code_verifier", crate::visitor::VERIFIER),
        ];
        site.post(&proxy.path("/auth/oauth2/token"), As::Client("web"), &form).ok();
        let account = walker.get("/auth");
        assert!(account.body.contains("alice"), "{account:?}");
        assert_eq!(walker.get("/auth/oauth2/authorize?client_id=nobody").status, 400);
        assert_eq!(walker.get("/auth/nothing-here").status, 404);
        assert_eq!(walker.get("/auth/oidc/logout").status, 200);
        let csrf = hidden(&account, "csrf");
        assert!(is_sign_in(&walker.post("/auth/account/sign-out", &[("csrf", &csrf)])));
        let styles = walker.seen.iter().filter(|path| path.contains("/assets/"));
        assert!(styles.count() >= 2 && walker.seen.len() >= 15, "{:?}", walker.seen);
    }
}

#[test]
fn the_root_leads_to_the_account_or_where_the_configuration_says() {
    let site = Site::new();
    let root = |site: &Site, method: &str| {
        let answer = site.exchange(http::request(method, "/", "", ""));
        (answer.status, answer.header("location").map(str::to_owned))
    };
    for method in ["GET", "HEAD"] {
        assert_eq!(root(&site, method), (303, Some("/account".into())), "{method}");
    }
    assert_eq!(root(&site, "POST").0, 405);
    let site = Site::with("pages.home=https://www.example.com/welcome?from=id");
    assert_eq!(root(&site, "GET"), (303, Some("https://www.example.com/welcome?from=id".into())));
}

#[test]
fn probes_may_ask_for_the_head_alone() {
    let site = Site::new();
    for path in ["/health/live", "/health/ready", "/.well-known/openid-configuration", "/login"] {
        let answer = site.exchange(http::request("HEAD", path, "", ""));
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

fn hsts(site: &Site, host: &str) -> Option<String> {
    let text = format!("GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    site.exchange(&text).header("strict-transport-security").map(str::to_owned)
}

#[test]
fn checklist_82_browsers_are_bound_to_tls_where_the_issuer_is_public_and_never_for_this_machine() {
    let year = Some("max-age=31536000".to_owned());
    // Behind a proxy that ends TLS, too: it is the issuer that browsers see.
    let public = Site::with("issuer=https://id.example.com");
    for host in ["id.example.com", "id.example.com:443", "10.0.0.1"] {
        assert_eq!(hsts(&public, host), year, "{host}");
    }
    for host in [
        "localhost",
        "localhost:9443",
        "app.localhost",
        "127.0.0.1:9443",
        "[::1]:9443",
        "LocalHost",
    ] {
        assert_eq!(hsts(&public, host), None, "{host}");
    }
    for issuer in [
        "https://localhost:9443",
        "https://127.0.0.1:9443",
        "https://[::1]:9443",
        "https://id.localhost",
        "http://localhost:9080",
    ] {
        let site = Site::with(&format!("issuer={issuer}"));
        for host in ["localhost:9443", "id.example.com"] {
            assert_eq!(hsts(&site, host), None, "{issuer} as {host}");
        }
    }
}

#[test]
fn checklist_76_no_header_of_a_proxy_changes_a_url() {
    let site = Site::with("issuer=https://id.example.com http.trusted_proxies=0.0.0.0/0");
    let lies = "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\n\
        X-Forwarded-Prefix: /evil\r\nX-Forwarded-Port: 666\r\nX-Original-URL: /evil\r\n\
        X-Rewrite-URL: /evil\r\nForwarded: for=6.6.6.6;host=evil.example;proto=http\r\n";
    for path in ["/.well-known/openid-configuration", "/account", "/", "/login", "/nothing"] {
        let text = format!("GET {path} HTTP/1.1\r\n{lies}Connection: close\r\n\r\n");
        let answer = site.exchange(&text);
        let all = format!("{:?}{}", answer.headers, answer.body);
        assert!(!all.contains("evil") && !all.contains("666"), "{path}: {answer:?}");
    }
}

impl<'s> Visitor<'s> {
    fn signed_in(site: &'s Site) -> Self {
        let mut visitor = site.visitor();
        let page = visitor.get("/login");
        let answer = visitor.sign_in(&page, "alice", PASSWORD);
        assert!(answer.body.contains("alice"), "{answer:?}");
        visitor
    }
}

#[test]
fn two_servers_on_one_host_leave_each_others_people_signed_in() {
    let (one, other) =
        (Site::with("issuer=https://localhost:9443"), Site::with("issuer=https://localhost:9543"));
    let (mut here, mut there) = (Visitor::signed_in(&one), Visitor::signed_in(&other));
    // A browser has one set of cookies for the host, whatever the port.
    let cookies_here = here.cookies();
    here.add_cookies(&there.cookies());
    there.add_cookies(&cookies_here);
    for visitor in [&mut here, &mut there] {
        assert_eq!(visitor.get("/account").status, 200);
    }
    let page = there.get("/account");
    there.post("/account/sign-out", &[("csrf", &hidden(&page, "csrf"))]);
    assert_eq!(there.get("/account").status, 303);
    let page = here.get("/account");
    assert_eq!(page.status, 200);
    let answer = here.post("/account/sign-out", &[("csrf", &hidden(&page, "csrf"))]);
    assert_eq!(answer.header("location"), Some("/login"));
}

#[test]
fn an_upgrade_signs_nobody_out_who_has_a_cookie_of_the_old_name() {
    let site = Site::new();
    let visitor = Visitor::signed_in(&site);
    let [session, form] = [SESSION, FORM].map(|name| visitor.cookie(name).unwrap().to_owned());
    let mut old = site.visitor();
    old.plant_cookie(SESSION, &session);
    old.plant_cookie(FORM, &form);
    let page = old.get("/account");
    assert_eq!(page.status, 200);
    assert_eq!(old.cookie(SESSION), Some(&*session), "under its new name from now on");
    // A form that was shown before the upgrade is taken as well.
    let mut before = site.visitor();
    before.plant_cookie(SESSION, &session);
    before.plant_cookie(FORM, &form);
    let answer = before.post("/account/sign-out", &[("csrf", &hidden(&page, "csrf"))]);
    assert_eq!(answer.header("location"), Some("/login"));
    for mut visitor in [old, before] {
        assert_eq!(visitor.get("/account").status, 303, "over, under either name");
    }
}

#[test]
fn a_cookie_of_the_old_name_that_is_another_servers_is_let_be() {
    let site = Site::new();
    let stranger = "A".repeat(64);
    let mut visitor = site.visitor();
    visitor.plant_cookie(SESSION, &stranger);
    assert_eq!(visitor.get("/account").status, 303);
    let page = visitor.get("/login");
    let answer = visitor.sign_in(&page, "alice", PASSWORD);
    assert!(answer.body.contains("alice"));
    assert!(visitor.cookies().contains(&format!("{SESSION}={stranger}")), "{}", visitor.cookies());
}
