//! Applications on a device (RFC 8252).

use remint_protocol::redirect_uri::RedirectUri;

use super::{By, ask_with};
use crate::site::{As, PASSWORD, Site};
use crate::visitor::{Callback, is_consent};

fn native(uris: &[&str]) -> Site {
    let site = Site::new();
    site.register_spa("web", |client| {
        client.authorize.redirect_uris =
            uris.iter().map(|uri| RedirectUri::register(uri).unwrap()).collect();
    });
    site
}

#[test]
fn checklist_80_any_loopback_port_of_either_family_gets_the_code_and_must_be_named_again() {
    let site = native(&["http://127.0.0.1/cb", "http://[::1]/cb"]);
    let mut visitor = site.visitor();
    let page = visitor.authorize(&[("redirect_uri", "http://127.0.0.1/cb")]);
    visitor.sign_in(&page, "alice", PASSWORD);
    for uri in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://[::1]:65535/cb"] {
        let page = visitor.authorize(&[("redirect_uri", uri)]);
        assert!(is_consent(&page), "asked every time: {page:?}");
        assert!(page.body.contains("id=\"consent-unproven\""), "with a warning");
        let answer = visitor.decide(&page, "allow");
        let location = answer.header("location").unwrap();
        let code = location.strip_prefix(&format!("{uri}?code=")).unwrap();
        let code = code.split('&').next().unwrap();
        let id = ("client_id", "web");
        let redeem = |uri| site.redeem_with(As::Nobody, code, &[id, ("redirect_uri", uri)]);
        redeem("http://127.0.0.1:2/cb").expect(400, "invalid_grant");
        redeem(uri).ok();
    }
    for bad in ["http://localhost/cb", "http://127.0.0.1:1/cbx", "http://127.0.0.2/cb"] {
        assert_eq!(ask_with(&mut visitor, By::Get, &[("redirect_uri", bad)]).status, 400, "{bad}");
    }
}

#[test]
fn checklist_24_a_private_scheme_is_asked_for_every_time_and_prompt_none_gets_an_error() {
    let site = native(&["com.example.app:/cb"]);
    let mut visitor = site.visitor();
    let own = ("redirect_uri", "com.example.app:/cb");
    let page = visitor.authorize(&[own]);
    let page = visitor.sign_in(&page, "alice", PASSWORD);
    let answer = visitor.decide(&page, "allow");
    assert!(answer.header("location").unwrap().starts_with("com.example.app:/cb?code=rmac_"));
    assert!(is_consent(&visitor.authorize(&[own])));
    let quiet = visitor.authorize(&[own, ("prompt", "none")]);
    let location = quiet.header("location").unwrap();
    assert!(location.starts_with("com.example.app:/cb?error=consent_required&"), "{location}");
}

#[test]
fn checklist_24_a_claimed_https_uri_is_remembered_like_any_other() {
    let site = native(&["https://app.example/cb"]);
    let mut visitor = site.visitor();
    visitor.obtain(&[]);
    Callback::of(&visitor.authorize(&[])).value("code");
}
