//! A backup of database and key file: like both, as far as its content is still valid.

use remint_protocol::subject::SubjectSalt;

use super::{Scene, Thief, is_signed, signs_out};
use crate::site::{As, PASSWORD};

#[test]
fn theft_backup_sign_in_makes_no_cookie() {
    let scene = Scene::new();
    scene.alice();
    assert!(!scene.thief_of_both().signs_in());
}

#[test]
fn theft_backup_begin_for_a_browser_that_is_signed_in_since_then_and_for_no_later_one() {
    let scene = Scene::new();
    let (mut visitor, _) = scene.alice();
    let mut backup = scene.thief_of_both();
    scene.site.wait(60);
    backup.begins(As::Nobody, "web").ok();
    let page = visitor.authorize(&[("prompt", "login")]);
    visitor.sign_in(&page, "alice", PASSWORD);
    backup.begins(As::Nobody, "web").expect(400, "invalid_grant");
    // Whoever signed in at another browser since then is not in it.
    let (other, _) = scene.alice();
    let (old, rows) = (backup.rows.browsers.clone(), scene.rows());
    let later = rows.browsers.into_iter().find(|b| old.iter().all(|o| o.id != b.id)).unwrap();
    backup.rows.browsers = vec![super::BrowserSession { secret_hash: old[0].secret_hash, ..later }];
    backup.begins(As::Nobody, "web").expect(400, "invalid_grant");
    drop(other);
}

#[test]
fn theft_backup_begin_nothing_once_the_key_is_retired() {
    let scene = Scene::new();
    scene.alice();
    let Thief { keys, rows, .. } = scene.thief_of_both();
    let scene = scene.with_the_key_retired();
    let backup = Thief { site: &scene.site, keys, rows };
    backup.begins(As::Nobody, "web").expect(400, "invalid_grant");
}

#[test]
fn theft_backup_go_on_with_no_session() {
    let scene = Scene::new();
    let (_, tokens) = scene.alice();
    let backup = scene.thief_of_both();
    assert!(!backup.goes_on());
    let form = [("client_id", "web")];
    scene.site.refresh_as(As::Nobody, &tokens.text("refresh_token"), &form).ok();
    assert!(!backup.goes_on());
}

#[test]
fn theft_backup_access_of_clients_and_of_sessions_that_live_still() {
    let scene = Scene::new();
    let (_, tokens) = scene.alice();
    let backup = scene.thief_of_both();
    scene.site.wait(60);
    assert!(backup.speaks_for_a_client());
    assert!(backup.speaks_for_a_user().is_some());
    let form = [("client_id", "web"), ("token", &*tokens.text("refresh_token"))];
    scene.site.post("/oauth2/revoke", As::Nobody, &form);
    assert_eq!(backup.speaks_for_a_user(), None, "the session ended since");
    let Thief { keys, rows, .. } = backup;
    let scene = scene.with_the_key_retired();
    assert!(!Thief { site: &scene.site, keys, rows }.speaks_for_a_client());
}

#[test]
fn theft_backup_signature_with_the_keys_in_it_until_they_are_withdrawn_or_gone() {
    let scene = Scene::new();
    let (mut visitor, _) = scene.alice();
    let backup = scene.thief_of_both();
    let before = backup.signs().unwrap();
    assert!(before.iter().all(|token| is_signed(&scene.site, token)));
    scene.withdraw_signing_keys();
    let tokens = backup.signs().unwrap();
    assert!(!tokens.iter().any(|token| is_signed(&scene.site, token)));
    assert!(!signs_out(&mut visitor, &tokens[0]));
}

#[test]
fn theft_backup_client_secret_only_one_that_is_guessed_and_was_not_changed_since() {
    let scene = Scene::new();
    scene.alice();
    let backup = scene.thief_of_both();
    assert!(!backup.uses_a_secret());
    assert!(backup.finds_out_a_secret() && backup.has_secret(crate::site::SECRET));
    let anew = scene.site.keys.hash_client_secret("another secret");
    scene.site.change("machine", |client| client.secret = anew);
    assert!(backup.finds_out_a_secret() && !backup.has_secret(crate::site::SECRET));
}

#[test]
fn theft_backup_form_proves_none() {
    let scene = Scene::new();
    let (visitor, _) = scene.alice();
    assert!(!scene.thief_of_both().acts_at(&visitor));
}

/// The salt is drawn once and forever.
#[test]
fn theft_backup_read_whom_pairwise_subjects_mean_today_and_nothing_younger() {
    let scene = Scene::new();
    scene.alice();
    let (backup, salt) = (scene.thief_of_both(), scene.salt());
    let sessions = backup.rows.families.len();
    scene.alice();
    assert!(scene.rows().families.len() > sessions);
    let Thief { keys, .. } = backup;
    let scene = scene.with_the_key_retired();
    let then = SubjectSalt::open(&keys, &salt).unwrap();
    assert_eq!(SubjectSalt::open(&scene.site.keys, &scene.salt()), Ok(then));
}
