//! The key file, and everything that tokens, logs and pages show.

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::ends::Ends;
use remint_protocol::family_id::FamilyId;
use remint_protocol::secret::{FamilySecret, SecretHash};
use remint_protocol::token;

use super::{Scene, client};
use crate::site::{As, Tokens};

fn everything(scene: &Scene) -> String {
    let rows = scene.rows();
    format!("{:?} {:?}", rows.families, rows.browsers)
}

#[test]
fn theft_key_file_sign_in_makes_no_cookie() {
    let scene = Scene::new();
    scene.alice();
    assert!(!scene.thief_of_the_key_file().signs_in());
}

#[test]
fn theft_key_file_begin_a_code_that_it_makes_begins_nothing() {
    let scene = Scene::new();
    let (_, tokens) = scene.alice();
    let mut thief = scene.thief_of_the_key_file();
    assert_eq!(thief.rows.browsers[0].id, super::sid(&tokens), "it is in every ID token");
    let before = everything(&scene);
    for guess in [SecretHash([0; 32]), FamilySecret::new([0; 16]).hash(), SecretHash([78; 32])] {
        thief.rows.browsers[0].secret_hash = guess;
        thief.begins(As::Nobody, "web").expect(400, "invalid_grant");
        thief.begins(As::Client("shop"), "shop").expect(400, "invalid_grant");
    }
    thief.rows.browsers[0].id = BrowserSessionId([0; 16]);
    thief.begins(As::Nobody, "web").expect(400, "invalid_grant");
    assert_eq!(everything(&scene), before);
}

/// A session's number is in the log, and the key file opens that.
#[test]
fn theft_key_file_go_on_with_a_session_whose_number_is_known_changes_nothing() {
    let scene = Scene::new();
    let (_, tokens) = scene.alice();
    let thief = scene.thief_of_the_key_file();
    let family = thief.rows.families[0].id;
    let logged = token::seal_family_id(&scene.site.keys, family).unwrap();
    assert_eq!(token::open_family_id(&thief.keys, &logged), Ok(family));
    let before = everything(&scene);
    assert!(!thief.goes_on());
    thief.begins_as(As::Nobody, "web", family).expect(400, "invalid_grant");
    assert_eq!(everything(&scene), before);
    let form = [("client_id", "web")];
    scene.site.refresh_as(As::Nobody, &tokens.text("refresh_token"), &form).ok();
}

#[test]
fn theft_key_file_access_of_a_client_and_of_a_session_in_the_log_until_they_end_or_the_key_does() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_the_key_file();
    assert!(thief.speaks_for_a_client());
    assert_eq!(thief.speaks_for_a_user(), Some(thief.rows.alice.subject()));
    let (keys, rows) = (thief.keys, thief.rows);
    scene.site.change("machine", |client| client.enabled = false);
    let web = client("web");
    let ended = scene.site.store.end_client_sessions(&web, scene.site.now());
    scene.site.block_on(ended).unwrap();
    let thief = super::Thief { site: &scene.site, keys, rows };
    assert!(!thief.speaks_for_a_client());
    assert_eq!(thief.speaks_for_a_user(), None);
    scene.site.change("machine", |client| client.enabled = true);
    let machine = client("machine");
    let ended = scene.site.store.end_client_sessions(&machine, scene.site.now());
    scene.site.block_on(ended).unwrap();
    scene.site.let_changes_be_seen();
    assert!(!thief.speaks_for_a_client());
    // But there is no session that would say when it began, and a later number is soon made up.
    let (keys, rows) = (thief.keys, thief.rows);
    let rows = super::Rows { ends: Ends::new(i64::MAX), ..rows };
    let thief = super::Thief { site: &scene.site, keys, rows };
    assert!(thief.speaks_for_a_client());
    let (keys, rows) = (thief.keys, thief.rows);
    let scene = scene.with_the_key_retired();
    let thief = super::Thief { site: &scene.site, keys, rows };
    assert!(!thief.speaks_for_a_client());
}

#[test]
fn theft_key_file_access_reaches_no_session_whose_number_it_does_not_know() {
    let scene = Scene::new();
    scene.alice();
    let mut thief = scene.thief_of_the_key_file();
    thief.rows.families.iter_mut().for_each(|family| family.id = FamilyId([9; 16]));
    assert_eq!(thief.speaks_for_a_user(), None);
}

#[test]
fn theft_key_file_signature_opens_none_without_the_database() {
    let scene = Scene::new();
    scene.alice();
    assert_eq!(scene.thief_of_the_key_file().signs(), None);
}

#[test]
fn theft_key_file_client_secret_nothing_passes_for_one_and_no_guess_is_found_right() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_the_key_file();
    assert!(!thief.uses_a_secret() && !thief.finds_out_a_secret());
}

#[test]
fn theft_key_file_form_proves_none_without_the_cookie_of_the_browser() {
    let scene = Scene::new();
    let (visitor, _) = scene.alice();
    assert!(!scene.thief_of_the_key_file().acts_at(&visitor));
}

#[test]
fn theft_key_file_read_what_a_token_says_that_it_gets_hold_of() {
    let scene = Scene::new();
    let (_, answer) = scene.alice();
    let thief = scene.thief_of_the_key_file();
    let tokens = Tokens::from(answer);
    let seen = token::open_access(&thief.keys, &tokens.access).unwrap();
    assert_eq!(seen.client_id, client("web"));
    // With it come that session's own tokens, and no other's.
    let opened = token::open_refresh(&thief.keys, &tokens.refresh, &client("web")).unwrap();
    let again = token::seal_refresh(&thief.keys, &opened, &client("web")).unwrap();
    assert_eq!(again, tokens.refresh);
}
