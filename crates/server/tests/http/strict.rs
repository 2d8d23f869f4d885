//! Nothing is taken more leniently here than by the browser or the proxy in front.

use std::net::SocketAddr;

use remint_testbed::http;

use crate::site::{As, SECRET, Site, basic};
use crate::visitor::Visitor;

/// Sends bytes to a listener; gives the status of each response on the connection.
fn statuses(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let text = http::send(address, bytes);
    let heads = text.split("HTTP/1.1 ").skip(1).chain(text.split("HTTP/1.0 ").skip(1));
    heads.map(|head| head.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn http_1_1_without_exactly_one_good_host_is_400_at_every_listener() {
    let site = Site::with("http.header_timeout=1s");
    let ask = |target: &str, version: &str, hosts: &str| {
        let text = format!("GET {target} {version}\r\n{hosts}Connection: close\r\n\r\n");
        let [public, ops] =
            [site.address, site.ops].map(|address| statuses(address, text.as_bytes()));
        assert_eq!(public, ops, "{text:?}");
        assert_eq!(public.len(), 1, "{text:?}");
        public[0]
    };
    let live = "/health/live";
    for (hosts, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: localhost:9443\r\n", 200),
        ("host:\tlocalhost \r\n", 200),
        ("Host: [::1]:1\r\n", 200),
        ("", 400),
        ("Host:\r\n", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: localhost\r\nhost: evil.example\r\n", 400),
        ("Host: user@localhost\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: a, b\r\n", 400),
        ("Host: a/b\r\n", 400),
        ("Host: http://a\r\n", 400),
        ("Host: a:80x\r\n", 400),
        ("Host: \u{a0}a\r\n", 400),
        ("Host : localhost\r\n", 400),
        ("Host: localhost\r\n Host: evil\r\n", 400),
        ("X-Host: localhost\r\n", 400),
    ] {
        assert_eq!(ask(live, "HTTP/1.1", hosts), status, "{hosts:?}");
    }
    // RFC 9112 §3.2: HTTP/1.0 had no Host, but two are too many for any version.
    assert_eq!(ask(live, "HTTP/1.0", ""), 200);
    assert_eq!(ask(live, "HTTP/1.0", "Host: a\r\n"), 200);
    assert_eq!(ask(live, "HTTP/1.0", "Host: a\r\nHost: a\r\n"), 400);
    // §3.2.2: of a whole URL the host counts, and Host is not looked at. RFC 9110 §4.2.4: no user.
    let one = "Host: localhost\r\n";
    assert_eq!(ask("http://localhost/health/live", "HTTP/1.1", one), 200);
    assert_eq!(ask("http://other.example/health/live", "HTTP/1.1", one), 200);
    assert_eq!(ask("http://other.example/health/live", "HTTP/1.1", ""), 400);
    assert_eq!(ask("http://user@localhost/health/live", "HTTP/1.1", one), 400);
    assert_eq!(ask("ftp://localhost/health/live", "HTTP/1.1", one), 400);
}

#[test]
fn a_refused_host_ends_the_connection_and_says_why() {
    let site = Site::new();
    let two = "GET /health/live HTTP/1.1\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let text = site.send_raw(two);
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(text.to_lowercase().contains("connection: close\r\n"), "{text}");
    assert!(site.metric("remint_rejects_total{cause=\"host_malformed\"}") > 0.5);
    assert!(text.ends_with(
        "The request needs exactly one Host header with a host name (RFC 9112 section 3.2).\n"
    ));
}

const HEAD: &str = "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn a_body_whose_length_could_be_read_in_two_ways_leads_no_second_request_in() {
    let site = Site::with("http.header_timeout=1s");
    // What would be a request of somebody else's, if the first one ended before it.
    let body = "0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", body.len()),
        "Content-Length: 5\r\nContent-Length: 6\r\n".to_owned(),
        "Content-Length: 5, 5\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: 5\r\n 0\r\n".to_owned(),
        "Content-Length : 5\r\n".to_owned(),
        "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n".to_owned(),
    ] {
        let seen = statuses(site.address, format!("{HEAD}{framing}\r\n{body}"));
        assert!(!seen.contains(&200) && seen.len() == 1, "{framing:?}: {seen:?}");
        assert!((400..500).contains(&seen[0]), "{framing:?}: {seen:?}");
    }
}

#[test]
fn odd_request_lines_are_no_servers_error() {
    let site = Site::with("http.header_timeout=1s");
    let long = format!("/{}", "a".repeat(20_000));
    for (target, expected) in [
        ("/health/live%00", 404),
        ("/%2e%2e/health/live", 404),
        ("/health/live?%00", 200),
        ("/oauth2/authorize?client_id=%00", 400),
        ("/oauth2/authorize?client_id=demo%0d%0a", 400),
        ("*", 404),
        ("//health/live", 404),
        ("/assets/..%2f..%2fremint.keys", 404),
        ("/assets/%00", 404),
        ("/assets/%ff", 400),
        (&*long, 431),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let seen = statuses(site.address, text);
        assert_eq!(seen, [expected], "{:?}", &target[..target.len().min(40)]);
    }
    for line in [
        "CONNECT a:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET a HTTP/1.1",
        "GET / HTTP/2.0",
        "get / HTTP/1.1",
    ] {
        let text = format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n");
        let seen = statuses(site.address, text);
        assert!(seen.len() == 1 && (400..500).contains(&seen[0]), "{line}: {seen:?}");
    }
    assert!(site.metric("remint_rejects_total{cause=\"internal\"}") < 0.5);
}

const SESSION: &str = "__Host-remint-session";

/// Whom the account page shows to a browser that sends these header lines.
fn shown(site: &Site, lines: &[u8]) -> String {
    let mut request = b"GET /account HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".to_vec();
    request.extend_from_slice(lines);
    request.extend_from_slice(b"\r\n");
    let text = site.send_raw(&request);
    let names = ["alice", "mallory"].into_iter().filter(|name| text.contains(name));
    names.collect::<Vec<_>>().join(" ")
}

fn session_of(site: &Site, name: &str) -> String {
    let mut visitor: Visitor<'_> = site.visitor();
    let page = visitor.get("/account");
    let page = visitor.follow(page);
    visitor.sign_in(&page, name, crate::site::PASSWORD);
    visitor.cookie(SESSION).unwrap().to_owned()
}

#[test]
fn a_cookie_that_a_browser_does_not_see_as_ours_signs_nobody_in() {
    let site = Site::new();
    site.create_user("mallory");
    let [own, planted] = ["alice", "mallory"].map(|name| session_of(&site, name));
    let with = |cookies: &str| shown(&site, format!("Cookie: {cookies}\r\n").as_bytes());
    assert_eq!(with(&format!("{SESSION}={own}")), "alice");
    assert_eq!(with(&format!("a=b;{SESSION}={own} ; c")), "alice");
    // What a sibling host can set: no browser takes these for the prefix.
    for prefix in ["\u{2000}", "\u{a0}", "\u{feff}", "\u{3000}", "\u{85}", "\u{200b}", "\u{1680}"] {
        let planted = format!("{prefix}{SESSION}={planted}");
        assert_eq!(with(&planted), "", "{prefix:?}");
        assert_eq!(with(&format!("{planted}; {SESSION}={own}")), "alice", "{prefix:?}");
        let suffixed = format!("{SESSION}{prefix}={planted}");
        assert_eq!(with(&suffixed), "", "{prefix:?} behind it");
    }
    for other in
        ["__host-remint-session", "__HOST-remint-session", "remint-session", "Host-remint-session"]
    {
        assert_eq!(with(&format!("{other}={planted}")), "", "{other}");
    }
    assert_eq!(with(&format!("{SESSION}=\"{own}\"")), "", "the quotes belong to the value");
}

#[test]
fn two_cookies_of_one_of_our_names_count_as_none() {
    let site = Site::new();
    site.create_user("mallory");
    let [own, planted] = ["alice", "mallory"].map(|name| session_of(&site, name));
    let [own, planted] = [own, planted].map(|value| format!("{SESSION}={value}"));
    for lines in [
        format!("Cookie: {own}; {planted}\r\n"),
        format!("Cookie: {planted}; {own}\r\n"),
        format!("Cookie: {own}\r\nCookie: {planted}\r\n"),
        format!("Cookie: {own}\r\ncookie: x=y;{own}\r\n"),
        format!("Cookie: {own}; {SESSION}=\r\n"),
    ] {
        assert_eq!(shown(&site, lines.as_bytes()), "", "{lines:?}");
    }
    let neighbour = [b"Cookie: \xff=\xfe\r\nCookie: ", own.as_bytes(), b"\r\n"].concat();
    assert_eq!(shown(&site, &neighbour), "alice", "other bytes are not ours to refuse");
}

#[test]
fn the_proof_of_a_form_is_found_as_strictly() {
    let site = Site::new();
    let mut visitor = site.visitor();
    let page = visitor.get("/account");
    let page = visitor.follow(page);
    let cookie = visitor.cookie("__Host-remint-form").unwrap().to_owned();
    let send = |cookies: &str| {
        let fields = [
            ("csrf", &*crate::visitor::hidden(&page, "csrf")),
            ("flow", &*crate::visitor::hidden(&page, "flow")),
            ("username", "alice"),
            ("password", crate::site::PASSWORD),
        ];
        let body = crate::visitor::encode(&fields);
        site.exchange(http::form("/login", &format!("Cookie: {cookies}\r\n"), &body)).status
    };
    assert_ne!(send(&format!("\u{2000}__Host-remint-form={cookie}")), 303, "planted by a sibling");
    assert_ne!(send(&format!("__Host-remint-form={cookie}; __Host-remint-form=x")), 303);
    assert_eq!(send(&format!("__Host-remint-form={cookie}")), 303);
}

#[test]
fn white_space_in_credentials_is_what_http_says() {
    let site = Site::new();
    let send = |authorization: &str| {
        let body = "grant_type=client_credentials";
        let line = format!("Authorization:{authorization}\r\n");
        site.exchange(http::form("/oauth2/token", &line, body)).status
    };
    let good = basic("demo", SECRET);
    let encoded = good.strip_prefix("Basic ").unwrap();
    for right in [format!(" {good}"), format!("\t{good} "), format!(" bASIC   {encoded}")] {
        assert_eq!(send(&right), 200, "{right:?}");
    }
    for wrong in [
        format!(" \u{a0}{good}"),
        format!(" Basic\u{a0}{encoded}"),
        format!(" Basic\t{encoded}"),
        format!(" Basic {encoded}\u{2000}"),
        format!(" Basic {encoded},x"),
    ] {
        assert_eq!(send(&wrong), 401, "{wrong:?}");
    }
    let access = site.tokens().access;
    let bearer = |text: &str| {
        let line = format!("Authorization:{text}\r\n");
        site.exchange(http::request("GET", "/oauth2/userinfo", &line, "")).status
    };
    // Right credentials without `openid` are 403; what is no token at all is another status.
    assert_eq!(bearer(&format!(" Bearer {access}")), 403);
    assert_eq!(bearer(&format!(" bearer   {access} ")), 403);
    for wrong in [
        format!(" Bearer\t{access}"),
        format!(" Bearer \t{access}"),
        format!(" Bearer \u{a0}{access}"),
        format!(" Bearer {access} x"),
        format!(" Bearer {access}\u{2000}"),
        " Bearer".to_owned(),
        " Bearer ==".to_owned(),
    ] {
        assert_eq!(bearer(&wrong), 400, "{wrong:?}");
    }
}

#[test]
fn odd_header_fields_are_no_servers_error() {
    let site = Site::new();
    for line in [
        "Accept-Language: de;q=NaN, en;q=inf, fr;q=-1, x;q=1e999, de;q=\u{a0}1",
        "Accept-Language: de;q=NaN, en;q=NaN, fr;q=0.5, *;q=NaN",
        "Accept-Language: \u{2000}de, ,,;q=, -, *;q=0, de-de-de-de-de-de-de-de",
        "If-None-Match: \u{e9}, W/, \"",
        "Origin: \u{e9}",
        "Origin: null",
        "Sec-Fetch-Site: \u{e9}",
        "User-Agent: \u{e9}\u{2000}",
        "X-Forwarded-For: \u{e9}, , [, ]:, ::ffff:1",
        "Forwarded: for=\u{e9}",
        "Expect: 200-maybe",
        "Range: bytes=+1-",
        "Cookie: ;;;=;=\u{e9};\u{2000}=",
    ] {
        for path in ["/account", "/login", "/oauth2/jwks", "/oauth2/userinfo", "/health/live"] {
            let text =
                format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{line}\r\n\r\n");
            let seen = statuses(site.address, text);
            assert!(seen.len() == 1 && seen[0] < 500, "{path} {line}: {seen:?}");
        }
    }
    assert!(site.metric("remint_rejects_total{cause=\"internal\"}") < 0.5);
}

#[test]
fn a_content_type_is_one_and_has_no_other_white_space() {
    let site = Site::new();
    let send = |types: &str| {
        let body = "grant_type=client_credentials";
        let headers = format!("Authorization: {}\r\n{types}", basic("demo", SECRET));
        site.exchange(http::request("POST", "/oauth2/token", &headers, body)).status
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(send(&format!("Content-Type:\t{form} ;charset=utf-8\r\n")), 200);
    for types in [
        format!("Content-Type: \u{a0}{form}\r\n"),
        format!("Content-Type: {form}\u{2000}; charset=utf-8\r\n"),
        format!("Content-Type: {form}\r\nContent-Type: {form}\r\n"),
        format!("Content-Type: {form}\r\nContent-Type: text/plain\r\n"),
        format!("Content-Type: {form}, text/plain\r\n"),
    ] {
        assert_eq!(send(&types), 415, "{types:?}");
    }
}

#[test]
fn scope_is_separated_by_spaces_alone() {
    let site = Site::new();
    for scope in ["a\tb", "a\nb", "a\u{a0}b", "a\u{2000}b", "a,b"] {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        site.token(As::Client("demo"), &form).expect(400, "invalid_scope");
    }
}

/// The inverse of the constant that once lay between two request ids: it gave the number of requests.
const INVERSE: u64 = 0xf1de_83e1_9937_733d;

#[test]
fn request_ids_do_not_tell_how_many_requests_there_were() {
    let site = Site::new();
    let ids: Vec<u64> = (0..50)
        .map(|_| site.get("/health/live").ok())
        .map(|live| u64::from_str_radix(live.header("x-request-id").unwrap(), 16).unwrap())
        .collect();
    assert_eq!(INVERSE.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1);
    for pair in ids.windows(2) {
        let between = pair[1].wrapping_sub(pair[0]).wrapping_mul(INVERSE);
        assert!(between > 1_000_000, "{between} requests between two ids");
    }
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
}
