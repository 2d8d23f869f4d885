//! The database and the key file of the same moment.

use remint_protocol::family::RevokeReason;
use remint_protocol::subject::SubjectSalt;

use super::{Scene, is_signed, signs_out};
use crate::site::{As, PASSWORD};

#[test]
fn theft_both_sign_in_a_cookie_takes_a_secret_that_neither_has() {
    let scene = Scene::new();
    scene.alice();
    assert!(!scene.thief_of_both().signs_in());
}

#[test]
fn theft_both_begin_for_whoever_is_signed_in_with_a_client_that_has_no_secret() {
    let scene = Scene::new();
    let (mut visitor, _) = scene.alice();
    let thief = scene.thief_of_both();
    let begun = thief.begins(As::Nobody, "web").ok();
    let form = [("client_id", "web")];
    scene.site.refresh_as(As::Nobody, &begun.text("refresh_token"), &form).ok();
    // With another one it takes its secret as well.
    thief.begins(As::Basic("shop", ""), "shop").expect(401, "invalid_client");
    let page = visitor.get("/account");
    let csrf = crate::visitor::hidden(&page, "csrf");
    visitor.post("/account/sign-out", &[("csrf", &csrf)]);
    thief.begins(As::Nobody, "web").expect(400, "invalid_grant");
}

#[test]
fn theft_both_begin_nothing_that_the_person_has_not_allowed() {
    let scene = Scene::new();
    scene.alice();
    let site = &scene.site;
    site.register_spa("other", |_| {});
    let thief = scene.thief_of_both();
    thief.begins(As::Nobody, "other").expect(400, "invalid_grant");
    let web = super::client("web");
    let whose = (thief.rows.alice, &web);
    let revoked = site.store.revoke_consent(whose, RevokeReason::User, site.now());
    site.block_on(revoked).unwrap();
    thief.begins(As::Nobody, "web").expect(400, "invalid_grant");
}

#[test]
fn theft_both_begin_nothing_after_a_sign_in_anew() {
    let scene = Scene::new();
    let (mut visitor, _) = scene.alice();
    let thief = scene.thief_of_both();
    let page = visitor.authorize(&[("prompt", "login")]);
    visitor.sign_in(&page, "alice", PASSWORD);
    thief.begins(As::Nobody, "web").expect(400, "invalid_grant");
}

#[test]
fn theft_both_go_on_takes_a_secret_that_only_tokens_carry() {
    let scene = Scene::new();
    scene.alice();
    assert!(!scene.thief_of_both().goes_on());
}

#[test]
fn theft_both_access_of_every_client_and_session() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_both();
    assert!(thief.speaks_for_a_client());
    assert_eq!(thief.speaks_for_a_user(), Some(thief.rows.alice.subject()));
}

#[test]
fn theft_both_signature_of_every_kind_and_a_hint_that_signs_a_browser_out_until_withdrawn() {
    let scene = Scene::new();
    let (mut visitor, _) = scene.alice();
    let [id, access, logout] = scene.thief_of_both().signs().unwrap();
    for token in [&id, &access, &logout] {
        assert!(is_signed(&scene.site, token));
    }
    // This server itself looks for what only a root key seals.
    assert!(!scene.site.is_active(&access));
    assert!(signs_out(&mut visitor, &id));
    scene.withdraw_signing_keys();
    for token in [&id, &access, &logout] {
        assert!(!is_signed(&scene.site, token));
    }
}

#[test]
fn theft_both_client_secret_only_one_that_is_guessed() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_both();
    assert!(!thief.uses_a_secret());
    assert!(thief.finds_out_a_secret(), "without asking the server");
}

#[test]
fn theft_both_form_proves_none() {
    let scene = Scene::new();
    let (visitor, _) = scene.alice();
    assert!(!scene.thief_of_both().acts_at(&visitor));
}

#[test]
fn theft_both_read_whom_pairwise_subjects_mean() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_both();
    assert!(SubjectSalt::open(&thief.keys, &scene.salt()).is_ok());
}
