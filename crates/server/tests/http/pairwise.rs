//! Pairwise subjects (OpenID Connect Core §8.1): one person is another one in each sector.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::site::{As, PASSWORD, Site, eventually};
use crate::visitor::{Visitor, claims, is_sign_in};
use remint_store::SUBJECT_SALT;

fn site() -> Site {
    let site = Site::new();
    for (id, sector) in [("web", "app.example"), ("sister", "app.example"), ("other", "b.example")]
    {
        site.register_web(id, |client| {
            client.relying_party.pairwise_sector = Some(sector.into());
        });
    }
    site.register_web("public", |_| {});
    site
}

/// Everything that a client learns of the person at a browser, which must be one.
fn subject(site: &Site, visitor: &mut Visitor<'_>, id: &str) -> String {
    let code = visitor.code(&[("client_id", id)]);
    let tokens = site.redeem_with(As::Client(id), &code, &[]).ok();
    let refresh = tokens.text("refresh_token");
    let refreshed = site.refresh_as(As::Client(id), &refresh, &[]).ok();
    let bearer = format!("Bearer {}", refreshed.text("access_token"));
    let introspected = |token: &str| {
        site.post("/oauth2/introspect", As::Client(id), &[("token", token)]).ok().text("sub")
    };
    let all = [
        claims(&tokens.text("id_token"))["sub"].as_str().unwrap().to_owned(),
        claims(&refreshed.text("id_token"))["sub"].as_str().unwrap().to_owned(),
        site.get_as("/oauth2/userinfo", &bearer).ok().text("sub"),
        introspected(&refreshed.text("access_token")),
        introspected(&refreshed.text("refresh_token")),
    ];
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    all[0].clone()
}

#[test]
fn checklist_74_a_sector_knows_one_person_by_one_subject_and_no_other_sector_does() {
    let site = site();
    let mut visitor = site.visitor();
    let [web, sister, other, public] =
        ["web", "sister", "other", "public"].map(|id| subject(&site, &mut visitor, id));
    assert_eq!(web, sister);
    assert_ne!(web, other);
    assert_eq!(public, site.user("alice").id.subject());
    assert!(![&web, &other].contains(&&public));
    site.create_user("bob");
    let mut bob = site.visitor();
    let page = bob.authorize(&[("client_id", "web")]);
    let page = bob.sign_in(&page, "bob", PASSWORD);
    bob.decide(&page, "allow");
    assert_ne!(subject(&site, &mut bob, "web"), web);
}

#[test]
fn checklist_74_it_stays_the_same_over_restarts_and_changes_of_root_keys() {
    let site = site();
    let before = subject(&site, &mut site.visitor(), "web");
    let root_kid = |site: &Site| {
        let salt = site.block_on(site.store.find_secret(SUBJECT_SALT)).unwrap();
        salt.map(|salt| salt.root_kid)
    };
    assert_eq!(root_kid(&site), Some(1));
    let site = site.restarted_with_a_new_key();
    eventually(|| root_kid(&site) == Some(2));
    assert_eq!(subject(&site, &mut site.visitor(), "web"), before);
    let site = site.restarted();
    assert_eq!(subject(&site, &mut site.visitor(), "web"), before);
}

#[test]
fn a_jwt_access_token_says_no_more_of_the_person_than_the_id_token() {
    let site = site();
    site.change("web", |client| client.relying_party.jwt_access_tokens = true);
    let code = site.visitor().code(&[]);
    let tokens = site.redeem(&code).ok();
    let (access, id_token) = (tokens.text("access_token"), tokens.text("id_token"));
    assert_eq!(claims(&access)["sub"], claims(&id_token)["sub"]);
    let said = claims(&access).to_string();
    assert!(!said.contains(&site.user("alice").id.subject()), "{said}");
}

#[test]
fn the_person_who_is_expected_is_named_as_the_client_knows_them() {
    let site = site();
    let mut visitor = site.visitor();
    let tokens = site.redeem(&visitor.code(&[])).ok();
    let hint = tokens.text("id_token");
    let own = claims(&hint)["sub"].as_str().unwrap().to_owned();
    visitor.obtain(&[("prompt", "none"), ("id_token_hint", &hint)]).value("code");
    let expecting = |sub: &str| format!(r#"{{"id_token":{{"sub":{{"value":"{sub}"}}}}}}"#);
    visitor.obtain(&[("prompt", "none"), ("claims", &expecting(&own))]).value("code");
    // What the person is called elsewhere is nobody here: it would tell that both are one.
    let public = site.user("alice").id.subject();
    let answer = visitor.obtain(&[("prompt", "none"), ("claims", &expecting(&public))]);
    assert_eq!(answer.value("error"), "login_required");
    let mut stranger = site.visitor();
    assert!(is_sign_in(&stranger.authorize(&[("id_token_hint", &hint)])));
}

/// The `sid` of every ID token that a client gets, which must be one.
fn sid(site: &Site, visitor: &mut Visitor<'_>, id: &str) -> (String, String) {
    let code = visitor.code(&[("client_id", id)]);
    let tokens = site.redeem_with(As::Client(id), &code, &[]).ok();
    let refreshed = site.refresh_as(As::Client(id), &tokens.text("refresh_token"), &[]).ok();
    let id_token = refreshed.text("id_token");
    let [first, second] = [tokens.text("id_token"), id_token.clone()]
        .map(|token| claims(&token)["sid"].as_str().unwrap().to_owned());
    assert_eq!(first, second);
    (first, id_token)
}

#[test]
fn checklist_74_a_session_has_another_sid_in_every_sector() {
    let site = site();
    let mut visitor = site.visitor();
    let [web, sister, other, public] =
        ["web", "sister", "other", "public"].map(|id| sid(&site, &mut visitor, id).0);
    assert_eq!(web, sister);
    assert_ne!(web, other);
    let session = visitor.cookie("__Host-remint-session").unwrap();
    let id = URL_SAFE_NO_PAD.decode(session).unwrap()[..16].to_vec();
    assert_eq!(public, URL_SAFE_NO_PAD.encode(id), "public clients know it as before");
    assert!(![&web, &other].contains(&&public));
    // Another session of the same person is another one in the sector as well.
    assert_ne!(sid(&site, &mut site.visitor(), "web").0, web);
}

#[test]
fn a_hint_with_the_sid_of_its_sector_ends_the_session_without_a_question() {
    let site = site();
    for id in ["web", "other", "public"] {
        let mut visitor = site.visitor();
        let (_, hint) = sid(&site, &mut visitor, id);
        let query = crate::visitor::encode(&[("id_token_hint", &hint)]);
        // The hint of another session of the same person is not enough.
        let (_, elsewhere) = sid(&site, &mut site.visitor(), id);
        let other = crate::visitor::encode(&[("id_token_hint", &elsewhere)]);
        assert!(visitor.get(&format!("/oidc/logout?{other}")).body.contains("logout-confirm"));
        let done = visitor.get(&format!("/oidc/logout?{query}"));
        assert!(!done.body.contains("logout-confirm"), "{id}: {done:?}");
        assert_eq!(visitor.cookie("__Host-remint-session"), None, "{id}");
    }
}

#[test]
fn a_hint_from_before_the_client_had_a_sector_still_ends_the_session() {
    let site = site();
    let mut visitor = site.visitor();
    let (_, hint) = sid(&site, &mut visitor, "public");
    site.change("public", |client| {
        client.relying_party.pairwise_sector = Some("c.example".into());
    });
    let query = crate::visitor::encode(&[("id_token_hint", &hint)]);
    visitor.get(&format!("/oidc/logout?{query}"));
    assert_eq!(visitor.cookie("__Host-remint-session"), None);
}

#[test]
fn the_browser_tells_each_client_of_the_sid_of_its_own_sector() {
    let site = site();
    for id in ["web", "other", "public"] {
        site.change(id, |client| {
            client.relying_party.frontchannel_logout_uri =
                Some(format!("https://{id}.example/out"));
        });
    }
    let mut visitor = site.visitor();
    let known = ["web", "other", "public"].map(|id| (id, sid(&site, &mut visitor, id)));
    let query = crate::visitor::encode(&[("id_token_hint", &known[2].1.1)]);
    let page = visitor.get(&format!("/oidc/logout?{query}")).ok();
    for (id, (sid, _)) in &known {
        let sid = crate::visitor::encode(&[("sid", sid)]);
        let frame = page
            .body
            .split("<iframe")
            .find(|frame| frame.contains(&format!("https://{id}.example/out")));
        let frame = frame.unwrap_or_else(|| panic!("{id}: {page:?}"));
        let frame = frame.split('>').next().unwrap();
        assert!(frame.contains(&sid), "{id}: {frame}");
    }
}
