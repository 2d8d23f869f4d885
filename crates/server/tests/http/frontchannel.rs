//! Front-channel logout: notifying applications through the browser that its session is over.

use remint_protocol::redirect_uri::RedirectUri;

use crate::site::{As, Site};
use crate::visitor::{Visitor, encode, hidden};

const AFTER: &str = "https://app.example/after";

/// `web` has a URL for the browser; `quiet` has none, and may be returned to as well.
fn site() -> Site {
    let site = Site::new();
    site.register_web("web", |client| {
        let party = &mut client.relying_party;
        party.frontchannel_logout_uri = Some("https://app.example/out?x=1".into());
        party.post_logout_redirect_uris = vec![RedirectUri::register(AFTER).unwrap()];
    });
    site.register_web("quiet", |client| {
        let after = vec![RedirectUri::register(AFTER).unwrap()];
        client.relying_party.post_logout_redirect_uris = after;
    });
    site
}

/// An ID token for a client.
fn id_token(site: &Site, visitor: &mut Visitor<'_>, client: &str) -> String {
    let code = visitor.code(&[("client_id", client)]);
    site.redeem_with(As::Client(client), &code, &[]).ok().text("id_token")
}

fn framed(id_token: &str) -> String {
    let sid = crate::visitor::claims(id_token)["sid"].as_str().unwrap().to_owned();
    let iss = "https%3A%2F%2Flocalhost%3A9443";
    let query = encode(&[("sid", &sid)]);
    format!("src=\"https://app.example/out?x=1&iss={iss}&{query}\"").replace('&', "&#38;")
}

#[test]
fn checklist_77_the_page_after_signing_out_loads_what_the_sessions_clients_want_loaded() {
    let site = site();
    let mut visitor = site.visitor();
    let id_token = id_token(&site, &mut visitor, "web");
    let hint = encode(&[("id_token_hint", &id_token)]);
    let page = visitor.get(&format!("/oidc/logout?{hint}")).ok();
    assert!(page.body.contains(&framed(&id_token)), "{page:?}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-src https://app.example;"), "{policy}");
    let again = visitor.get(&format!("/oidc/logout?{hint}")).ok();
    assert!(!again.body.contains("<iframe"), "it is over");
}

#[test]
fn checklist_77_where_something_is_loaded_the_way_back_is_a_link_and_elsewhere_a_redirect() {
    let site = site();
    for (client, is_framed) in [("web", true), ("quiet", false)] {
        let mut visitor = site.visitor();
        let id_token = id_token(&site, &mut visitor, client);
        let query = encode(&[
            ("id_token_hint", &id_token),
            ("post_logout_redirect_uri", AFTER),
            ("state", "x y"),
        ]);
        let answer = visitor.get(&format!("/oidc/logout?{query}"));
        let back = format!("{AFTER}?state=x%20y");
        if is_framed {
            assert_eq!((answer.status, answer.header("location")), (200, None));
            assert!(answer.body.contains(&format!("id=\"signed-out-continue\" href=\"{back}\"")));
            assert!(answer.body.contains(&framed(&id_token)), "{answer:?}");
            // Who waits comes there as well, without a script.
            assert_eq!(answer.header("refresh"), Some(&*format!("3; url={back}")));
            assert!(answer.body.contains("goes on by itself"), "{answer:?}");
        } else {
            assert_eq!((answer.status, answer.header("location")), (303, Some(&*back)));
            assert_eq!(answer.header("refresh"), None);
        }
    }
}

#[test]
fn signing_out_on_the_account_page_loads_it_too() {
    let site = site();
    let mut visitor = site.visitor();
    let id_token = id_token(&site, &mut visitor, "web");
    let csrf = hidden(&visitor.get("/account"), "csrf");
    let page = visitor.post("/account/sign-out", &[("csrf", &csrf)]).ok();
    assert!(page.body.contains(&framed(&id_token)), "{page:?}");
    assert_eq!(page.header("refresh"), None, "there is nowhere to go");
    assert!(page.body.contains("You can close this page"), "{page:?}");
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
}

#[test]
fn another_browsers_session_is_not_in_the_frames() {
    let site = site();
    let mut other = site.visitor();
    id_token(&site, &mut other, "web");
    let mut visitor = site.visitor();
    let id_token = id_token(&site, &mut visitor, "quiet");
    let hint = encode(&[("id_token_hint", &id_token)]);
    let page = visitor.get(&format!("/oidc/logout?{hint}")).ok();
    assert!(page.body.contains("id=\"signed-out\"") && !page.body.contains("<iframe"), "{page:?}");
}
