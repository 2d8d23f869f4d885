//! Input that is shown again: nowhere as markup, nowhere in a header.

use super::{BOTH, ask, at_account, at_consent, form, known, site};
use crate::site::{Answer, PASSWORD, Site};
use crate::visitor::{Visitor, hidden, request};

const PAYLOADS: [&str; 10] = [
    "\"><script>alert(1)</script>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)//",
    "x\" onfocus=\"alert(1)\" autofocus=\"",
    "x\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script>",
    "x\nSet-Cookie: evil=1",
    "\u{2028}<img src=x onerror=alert(1)>\u{2029}",
    "\u{202e}\u{ff1c}script\u{ff1e}",
    "{{7*7}}${7*7}<%= 7*7 %>",
];

const PARAMETERS: [&str; 20] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
    "id_token_hint",
    "ui_locales",
    "display",
    "claims",
    "resource",
    "code_challenge",
    "code_challenge_method",
    "request",
    "\"><script>alert(1)</script>",
];

/// Nothing of what was sent is markup, a header, or anything else than text.
#[track_caller]
fn is_harmless(answer: &Answer, what: &str) {
    for (name, value) in &answer.headers {
        let name = name.to_ascii_lowercase();
        assert!(name != "x-evil" && !value.contains("evil=1"), "{what:?}: {answer:?}");
        assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{what:?}: {name}");
        assert!(!value.contains("<script") && !value.contains("onload="), "{what:?}: {name}");
    }
    let scripts = answer.body.matches("<script").count();
    let allowed = usize::from(answer.body.contains("id=\"form-post-continue\""));
    assert_eq!(scripts, allowed, "{what:?}: {answer:?}");
    for markup in [
        "<svg/",
        "<img src=x",
        " onfocus=\"",
        "href=\"j",
        "src=\"j",
        "action=\"j",
        "X-Evil: 1\r\n\r\n<",
        "49${",
    ] {
        assert!(!answer.body.contains(markup), "{what:?}: {answer:?}");
    }
}

fn asks(visitor: &mut Visitor<'_>, what: &str, query: &str) {
    for by in BOTH {
        is_harmless(&ask(visitor, by, query), what);
    }
}

#[test]
fn checklist_31_nothing_that_a_request_says_is_shown_as_anything_but_text() {
    let site = site();
    let (mut stranger, mut alice) = (site.visitor(), known(&site));
    for name in PARAMETERS {
        for payload in PAYLOADS {
            let query = format!("{}&{}", request(&[(name, "")]), form(&[(name, payload)]));
            asks(&mut stranger, payload, &query);
            asks(&mut alice, payload, &query);
        }
    }
}

#[test]
fn checklist_31_nothing_that_a_request_says_is_shown_by_the_page_that_posts_the_answer() {
    let site = site();
    let mut alice = known(&site);
    for payload in PAYLOADS {
        for more in ["", "&prompt=later"] {
            let fields = [("state", payload), ("response_mode", "form_post")];
            let answer = ask(&mut alice, super::By::Get, &format!("{}{more}", request(&fields)));
            is_harmless(&answer, payload);
            let shown = answer.body.split("name=\"state\" value=\"").nth(1).unwrap();
            let shown = shown.split('"').next().unwrap();
            assert!(!shown.contains('<') && !shown.contains('>'), "{shown}");
        }
    }
}

#[test]
fn nothing_that_a_form_says_is_shown_as_anything_but_text() {
    let site = site();
    let mut visitor = site.visitor();
    for payload in PAYLOADS {
        let page = visitor.authorize(&[("login_hint", payload), ("ui_locales", payload)]);
        is_harmless(&page, payload);
        is_harmless(&visitor.sign_in(&page, payload, "x"), payload);
        is_harmless(&visitor.sign_in(&page, "alice", payload), payload);
        for path in ["/login", "/consent", "/oidc/logout", "/account/password", "/account/sign-out"]
        {
            for name in ["csrf", "flow", "username", "decision", "session", "application", payload]
            {
                is_harmless(&visitor.post(path, &[(name, payload)]), payload);
                let query = form(&[(name, payload)]);
                is_harmless(&visitor.get(&format!("{path}?{query}")), payload);
            }
        }
        site.wait(3600);
    }
}

#[test]
fn nothing_that_a_sign_out_says_is_shown_as_anything_but_text() {
    let site = site();
    let (mut alice, _) = at_account(&site, "alice");
    for payload in PAYLOADS {
        for name in [
            "id_token_hint",
            "client_id",
            "post_logout_redirect_uri",
            "state",
            "logout_hint",
            "ui_locales",
        ] {
            let query = form(&[(name, payload)]);
            is_harmless(&alice.get(&format!("/oidc/logout?{query}")), payload);
            is_harmless(&alice.post("/oidc/logout", &[(name, payload)]), payload);
        }
    }
}

#[test]
fn nothing_that_an_account_page_tells_of_is_shown_as_anything_but_text() {
    let site = Site::new();
    let name = PAYLOADS[0];
    site.register_web("web", |client| client.name = name.into());
    site.register_web("\"><script>", |client| client.name = String::new());
    site.create_user(name);
    let (mut visitor, page) = at_consent(&site, &[("client_id", "\"><script>")]);
    is_harmless(&page, name);
    visitor.decide(&page, "allow");
    let page = visitor.authorize(&[]);
    is_harmless(&page, name);
    visitor.decide(&page, "allow");
    is_harmless(&visitor.get("/account"), name);
    is_harmless(&visitor.get("/oidc/logout?client_id=web"), name);
    is_harmless(&visitor.authorize(&[("response_mode", "form_post")]), name);
    // A browser that calls itself something.
    let mut odd = site.visitor();
    let page = odd.get("/login");
    let fields = [("csrf", &*hidden(&page, "csrf")), ("username", name), ("password", PASSWORD)];
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: \"><script>alert(1)</script>\r\n";
    let answer = odd.send("POST", "/login", kind, &form(&fields));
    assert_eq!(answer.header("location"), Some("/account"), "{answer:?}");
    is_harmless(&odd.get("/account"), name);
}

#[test]
fn a_path_that_is_none_shows_nothing_of_itself() {
    let site = site();
    let mut visitor = site.visitor();
    for path in [
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/assets/%22%3E%3Cscript%3E",
        "/login/%0d%0aX-Evil:%201",
        "//evil.example/%2e%2e",
    ] {
        let answer = visitor.get(path);
        assert_eq!((answer.status, answer.header("location")), (404, None), "{path}");
        is_harmless(&answer, path);
    }
}
