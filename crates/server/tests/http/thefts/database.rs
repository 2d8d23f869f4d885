//! The database, without the key file.

use remint_protocol::subject::SubjectSalt;
use remint_protocol::token;

use super::{Scene, contains, files_of_the_database};
use crate::site::{As, PASSWORD, Tokens};

#[test]
fn theft_database_sign_in_a_hash_is_no_cookie() {
    let scene = Scene::new();
    scene.alice();
    assert!(!scene.thief_of_the_database().signs_in());
}

#[test]
fn theft_database_begin_a_code_takes_the_key_file() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_the_database();
    thief.begins(As::Nobody, "web").expect(400, "invalid_grant");
    thief.begins(As::Client("shop"), "shop").expect(400, "invalid_grant");
}

#[test]
fn theft_database_go_on_with_no_session() {
    let scene = Scene::new();
    scene.alice();
    assert!(!scene.thief_of_the_database().goes_on());
}

#[test]
fn theft_database_access_for_nobody() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_the_database();
    assert!(!thief.speaks_for_a_client());
    assert_eq!(thief.speaks_for_a_user(), None);
}

#[test]
fn theft_database_signature_keys_are_sealed() {
    let scene = Scene::new();
    scene.alice();
    assert_eq!(scene.thief_of_the_database().signs(), None);
}

#[test]
fn theft_database_client_secret_is_no_hash_and_no_guess_is_found_right() {
    let scene = Scene::new();
    scene.alice();
    let thief = scene.thief_of_the_database();
    assert!(!thief.uses_a_secret() && !thief.finds_out_a_secret());
}

#[test]
fn theft_database_form_proves_none() {
    let scene = Scene::new();
    let (visitor, _) = scene.alice();
    assert!(!scene.thief_of_the_database().acts_at(&visitor));
}

#[test]
fn theft_database_read_names_registrations_and_hashes_but_no_token_and_no_salt() {
    let scene = Scene::new();
    let (visitor, answer) = scene.alice();
    let thief = scene.thief_of_the_database();
    let files = files_of_the_database(&scene.site);
    for there in ["alice", "The Shop", "$argon2id$", "Firefox/130.0"] {
        assert!(contains(&files, there.as_bytes()), "{there}");
    }
    let cookie = visitor.cookie("__Host-remint-session").unwrap().to_owned();
    let tokens = Tokens::from(answer);
    for not_there in [PASSWORD, crate::site::SECRET, &cookie, &tokens.access, &tokens.refresh] {
        assert!(!contains(&files, not_there.as_bytes()), "{not_there}");
    }
    let web = super::client("web");
    let opened = token::open_refresh(&scene.site.keys, &tokens.refresh, &web).unwrap();
    assert!(!contains(&files, opened.secret.expose()));
    assert!(SubjectSalt::open(&thief.keys, &scene.salt()).is_err());
}
