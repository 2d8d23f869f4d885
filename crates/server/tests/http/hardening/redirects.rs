//! The targets of responses: the corpus of redirection URIs through registration and authorization.

use remint_protocol::redirect_uri::RedirectUri;

use super::corpus::{OTHERS, UNREGISTRABLE};
use super::{BOTH, Came, ask, ask_with, came, known, site};
use crate::site::{Answer, Site};
use crate::visitor::{CALLBACK, encode, request};

/// An error for the person at the browser alone.
#[track_caller]
fn is_page(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.header("location")), (400, None), "{what:?}: {answer:?}");
    assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{what:?}");
    assert!(!answer.body.contains("evil") && !answer.body.contains("rmac_"), "{what:?}");
}

/// The query with the URI in it, even an empty one.
fn with(uri: &str) -> String {
    format!("{}&{}", request(&[("redirect_uri", "")]), encode(&[("redirect_uri", uri)]))
}

#[test]
fn the_corpus_is_as_large_as_it_is_meant_to_be() {
    let mut all: Vec<_> = UNREGISTRABLE.iter().chain(OTHERS).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), UNREGISTRABLE.len() + OTHERS.len());
    assert!(all.len() >= 60, "{}", all.len());
}

#[test]
fn checklist_2_what_is_unsafe_in_the_corpus_is_not_registered() {
    for uri in UNREGISTRABLE {
        assert!(RedirectUri::register(uri).is_err(), "{uri:?}");
    }
    for uri in OTHERS {
        assert_eq!(RedirectUri::register(uri).map(|own| own.matches(CALLBACK)), Ok(false), "{uri}");
    }
}

#[test]
fn checklist_1_no_mutation_of_a_registered_uri_is_ever_redirected_to() {
    let site = site();
    let (mut stranger, mut alice) = (site.visitor(), known(&site));
    for uri in UNREGISTRABLE.iter().chain(OTHERS) {
        for by in BOTH {
            for visitor in [&mut stranger, &mut alice] {
                is_page(&ask(visitor, by, &with(uri)), uri);
            }
        }
    }
    assert_eq!(came(&ask_with(&mut alice, super::By::Get, &[])), Came::Code);
}

#[test]
fn checklist_1_what_is_registered_is_redirected_to_as_it_stands_and_nothing_like_it() {
    let site = Site::new();
    site.register_web("web", |client| {
        client.authorize.redirect_uris =
            OTHERS.iter().map(|uri| RedirectUri::register(uri).unwrap()).collect();
        client.authorize.first_party = true;
    });
    let mut visitor = site.visitor();
    is_page(&ask(&mut visitor, super::By::Get, &with(CALLBACK)), CALLBACK);
    for uri in OTHERS {
        // An error, which is enough to be redirected.
        let query = format!("{}&prompt=none", with(uri));
        let answer = visitor.get(&format!("/oauth2/authorize?{query}"));
        let location = answer.header("location").unwrap();
        let rest = location.strip_prefix(uri).unwrap_or_else(|| panic!("{location} for {uri}"));
        let joint = if uri.contains('?') { "&error=" } else { "?error=" };
        assert!(rest.starts_with(joint), "{location}");
    }
}

#[test]
fn checklist_3_an_unknown_client_or_uri_is_a_page_by_either_method_whatever_else_is_wrong() {
    let site = site();
    site.register_web("gone", |client| client.enabled = false);
    site.register_web("bare", |client| client.authorize.redirect_uris.clear());
    let mut visitor = known(&site);
    for by in BOTH {
        for id in ["", "nobody", "gone", "bare", "WEB", "web ", "demo", "we\u{0}b"] {
            for more in ["", "&prompt=none", "&response_mode=form_post", "&request=x"] {
                let query = format!(
                    "{}&{}{more}",
                    request(&[("client_id", "")]),
                    encode(&[("client_id", id)])
                );
                is_page(&ask(&mut visitor, by, &query), &query);
            }
        }
    }
}

#[test]
fn checklist_4_of_several_uris_the_request_says_which() {
    let site = Site::new();
    let uris = |all: &[&str]| all.iter().map(|uri| RedirectUri::register(uri).unwrap()).collect();
    site.register_web("web", |client| {
        client.authorize.redirect_uris = uris(&[CALLBACK, "https://app.example/other"]);
    });
    site.register_web("one", |client| client.authorize.redirect_uris = uris(&[CALLBACK]));
    let mut visitor = site.visitor();
    for by in BOTH {
        let none = [("redirect_uri", ""), ("scope", "a")];
        is_page(&ask_with(&mut visitor, by, &none), "two are registered");
        let openid = [("client_id", "one"), ("redirect_uri", "")];
        is_page(&ask_with(&mut visitor, by, &openid), "OpenID Connect always sends one");
        let oauth = [("client_id", "one"), ("redirect_uri", ""), ("scope", "a")];
        assert_eq!(came(&ask_with(&mut visitor, by, &oauth)), Came::SignIn);
    }
}

#[test]
fn checklist_6_no_fragment_is_inherited_by_answers_or_errors() {
    let site = site();
    let mut visitor = known(&site);
    for changes in [("state", "1"), ("prompt", "later"), ("response_type", "x")] {
        let answer = ask_with(&mut visitor, super::By::Get, &[changes]);
        assert!(answer.header("location").unwrap().ends_with("#_"), "{answer:?}");
    }
    let hybrid = [("response_type", "code id_token"), ("scope", "openid")];
    let answer = ask_with(&mut visitor, super::By::Get, &hybrid);
    assert_eq!(answer.header("location").unwrap().matches('#').count(), 1, "{answer:?}");
    let metadata = site.get("/.well-known/openid-configuration").ok().json();
    for (name, value) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(!value.as_str().unwrap().contains('#'), "{name}");
        }
    }
}
