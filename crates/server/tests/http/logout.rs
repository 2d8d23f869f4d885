//! Signing out as an application asks for it (OpenID Connect RP-Initiated Logout 1.0).

use remint_protocol::redirect_uri::RedirectUri;

use crate::site::{Answer, Site};
use crate::visitor::{Visitor, encode, hidden};

const HOME: &str = "https://app.example/signed-out";

fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |client| {
        client.relying_party.post_logout_redirect_uris = vec![RedirectUri::register(HOME).unwrap()];
    });
    site
}

/// Signs in, and gives the ID token.
fn sign_in(site: &Site, visitor: &mut Visitor<'_>) -> String {
    site.redeem(&visitor.code(&[])).ok().text("id_token")
}

#[test]
fn the_browser_comes_back_with_the_state_as_the_client_would_write_it_itself() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    let fields =
        [("id_token_hint", &*hint), ("post_logout_redirect_uri", HOME), ("state", "a-b.c_d~e f&g")];
    let answer = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
    assert_eq!(answer.status, 303, "{answer:?}");
    // RFC 3986 §2.3: what need not be encoded is not.
    let expected = format!("{HOME}?state=a-b.c_d~e%20f%26g");
    assert_eq!(answer.header("location"), Some(&*expected));
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
}

#[test]
fn the_browser_is_sent_to_no_place_that_is_not_registered() {
    let site = site();
    let mut visitor = site.visitor();
    let hint = sign_in(&site, &mut visitor);
    for uri in
        ["https://app.example/cb", "https://app.example/signed-out/", "https://evil.example/"]
    {
        let fields = [("id_token_hint", &*hint), ("post_logout_redirect_uri", uri)];
        let answer = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
        assert_eq!((answer.status, answer.header("location")), (400, None), "{answer:?}");
    }
    assert!(visitor.cookie("__Host-remint-session").is_some());
}

#[test]
fn the_pages_speak_the_language_that_the_application_asked_for() {
    let site = site();
    let mut visitor = site.visitor();
    sign_in(&site, &mut visitor);
    let german = |answer: &Answer| answer.header("content-language") == Some("de");
    let fields = [("client_id", "web"), ("ui_locales", "de")];
    let page = visitor.get(&format!("/oidc/logout?{}", encode(&fields)));
    assert!(page.body.contains("logout-confirm") && german(&page), "{page:?}");
    let by_form = visitor.clone().post("/oidc/logout", &fields);
    assert!(by_form.body.contains("logout-confirm") && german(&by_form), "{by_form:?}");
    // What was asked for comes back with the answer to the question.
    let (csrf, flow) = (hidden(&page, "csrf"), hidden(&page, "flow"));
    let done = visitor.post("/oidc/logout", &[("csrf", &*csrf), ("flow", &*flow)]);
    assert!(done.status == 200 && german(&done), "{done:?}");
    let elsewhere = [("post_logout_redirect_uri", "https://evil.example/"), ("ui_locales", "de")];
    let refused = visitor.get(&format!("/oidc/logout?{}", encode(&elsewhere)));
    assert!(refused.status == 400 && german(&refused), "{refused:?}");
    assert!(!german(&visitor.get("/oidc/logout")));
}
