//! Copying again after either side moved on.

use std::time::Duration;

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::client::Client;
use remint_protocol::consent::Consent;
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::signing_key::SigningAlg;
use remint_protocol::token::Jti;
use remint_protocol::user::UserId;
use remint_store::{Copied, Outcome, SUBJECT_SALT, SealedSecret, StoredSigningKey};

use super::ends::{End, between_all_engines};
use crate::samples::{
    USER, at, browser, bytes, client, consent, create_user, family, load, name, open_browsers,
    proven, register, rotation, scope, sign_in, signing_key,
};

const BOB: UserId = UserId([8; 16]);

/// The client, sessions of alice and a user bob, on both sides.
async fn copied(source: &End, target: &End) -> (Client, Vec<Family>) {
    source.add_keys(&[1, 2]).await;
    let shop = register(&source.store).await;
    create_user(&source.store, BOB, "bob").await;
    add_signing_key(source, 1).await;
    let families = sign_in(&source.store, &shop, 6).await;
    open_browsers(&source.store, 3).await;
    save(source, &consent(USER, &shop)).await;
    source.copy_to(target).await;
    assert_eq!(target.contents(), source.contents());
    (shop, families)
}

async fn add_signing_key(end: &End, generation: u32) -> StoredSigningKey {
    let key = signing_key(SigningAlg::Rs256, generation);
    assert_eq!(end.store.add_signing_key(&key, at(1_000)).await.unwrap(), Outcome::Done);
    key
}

async fn add_signing_key_under_2(end: &End, generation: u32) {
    let key = StoredSigningKey { root_kid: 2, ..signing_key(SigningAlg::Rs256, generation) };
    assert_eq!(end.store.add_signing_key(&key, at(1_000)).await.unwrap(), Outcome::Done);
}

/// Puts a signing key under the root key 2.
async fn move_signing_key(end: &End, generation: u32, secs: i64) {
    let key = signing_key(SigningAlg::Rs256, generation);
    let moved = StoredSigningKey {
        root_kid: 2,
        sealed: format!("sealed at {secs}").into(),
        sealed_at: at(secs),
        ..key
    };
    assert_eq!(end.store.reseal_signing_key(&moved, 1).await.unwrap(), Outcome::Done);
}

fn written(copied: &[Copied]) -> Vec<(&str, u64)> {
    copied.iter().map(|of| (of.table, of.written)).collect()
}

async fn save(end: &End, given: &Consent) {
    let seen = end.store.load_consent(given.user_id, &given.client_id).await.unwrap();
    assert_eq!(end.store.save_consent(given, seen.as_ref()).await.unwrap(), Outcome::Done);
}

/// A browser as the sign-in at second `secs` leaves it.
fn renewed(number: u32, secs: i64) -> BrowserSession {
    BrowserSession { auth_time: at(secs), seen_at: at(secs), ..browser(number, USER) }
}

async fn renew(end: &End, to: &BrowserSession) {
    let done = end.store.renew_browser_session(to.secret_hash, to, None).await.unwrap();
    assert_eq!(done, Outcome::Done);
}

async fn rotate(end: &End, family: &Family, generations: std::ops::Range<u32>) {
    for from in generations {
        let rotated = end.store.rotate(&rotation(family.id, from)).await.unwrap();
        assert_eq!(rotated, Outcome::Done);
    }
}

async fn revoke(end: &End, family: &Family, reason: RevokeReason, secs: i64) {
    end.store.revoke_family(family.id, reason, at(secs)).await.unwrap();
}

#[test]
fn a_second_copy_brings_what_changed_since_the_first_and_touches_nothing_else() {
    between_all_engines(async |source, target| {
        let (shop, families) = copied(&source, &target).await;
        let store = &source.store;
        rotate(&source, &families[0], 0..3).await;
        rotate(&source, &families[1], 0..1).await;
        source.copy_to(&target).await;
        store.confirm(families[1].id, 1).await.unwrap();
        revoke(&source, &families[2], RevokeReason::Reuse, 5).await;
        let late = family(77, &shop, BOB);
        let account = [1; 16];
        store.insert_family(&late, Some(proven((account, at(500))))).await.unwrap();
        renew(&source, &renewed(0, 15)).await;
        store.insert_browser_session(&browser(50, BOB), None).await.unwrap();
        save(&source, &Consent { given_at: at(15), ..consent(USER, &shop) }).await;
        save(&source, &consent(BOB, &shop)).await;
        store.set_password(USER, "another hash", at(20)).await.unwrap();
        store.set_user_enabled(BOB, false, at(20)).await.unwrap();
        let renamed = Client { name: "Renamed".into(), updated_at: at(20), ..shop.clone() };
        store.update_client(&renamed, shop.updated_at).await.unwrap();
        store.end_client_sessions(&shop.id, at(30)).await.unwrap();
        store.create_client(&client("second")).await.unwrap();
        store.count_wrong_guess(&[account, [2; 16]], at(40)).await.unwrap();
        store.revoke_access_token(Jti(bytes(5)), at(50)).await.unwrap();
        store.activate_key(2, at(60)).await.unwrap();
        move_signing_key(&source, 1, 65).await;
        add_signing_key_under_2(&source, 2).await;
        store.retire_key(1, at(70)).await.unwrap();
        // Nodes that run on the target know of more changes than the source does.
        target.execute("UPDATE meta SET value = 1000 WHERE name = 'revision'");

        let again = source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
        let expected = [
            ("keys", 2),
            ("signing_keys", 2),
            ("clients", 2),
            ("users", 2),
            ("families", 3),
            ("browser_sessions", 2),
            ("consents", 2),
            ("revoked_access_tokens", 1),
            ("guesses", 2),
            ("secrets", 0),
        ];
        assert_eq!(written(&again), expected);
        let now = target.store.revision().await.unwrap();
        assert_eq!(now, 1003, "nodes keep clients and keys until the revision changes");

        store.replace_password_hash(USER, "another hash", "a stronger hash").await.unwrap();
        store.end_user_sessions(BOB, at(80)).await.unwrap();
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
    });
}

#[test]
fn what_is_further_on_at_the_target_is_not_set_back() {
    between_all_engines(async |source, target| {
        let (shop, families) = copied(&source, &target).await;
        rotate(&source, &families[0], 0..2).await;
        rotate(&target, &families[0], 0..3).await;
        rotate(&source, &families[1], 0..1).await;
        rotate(&target, &families[1], 0..1).await;
        target.store.confirm(families[1].id, 1).await.unwrap();
        for (end, secs) in [(&source, 20), (&target, 30)] {
            let text = format!("hash {secs}");
            end.store.set_password(USER, &text, at(secs)).await.unwrap();
            let renamed = Client { name: text.clone(), updated_at: at(secs), ..shop.clone() };
            end.store.update_client(&renamed, shop.updated_at).await.unwrap();
            end.store.count_wrong_guess(&[[1; 16]], at(secs)).await.unwrap();
        }
        target.store.count_wrong_guess(&[[1; 16]], at(31)).await.unwrap();
        target.store.activate_key(2, at(40)).await.unwrap();
        move_signing_key(&target, 1, 40).await;
        target.store.retire_key(1, at(41)).await.unwrap();
        source.store.activate_key(1, at(20)).await.unwrap();
        let before = target.contents();

        source.copy_to(&target).await;
        let keys = target.store.list_keys().await.unwrap();
        assert_eq!(keys[0].retired_at, Some(at(41)));
        assert_eq!(keys[1].activated_at, Some(at(40)));
        let but_keys = |mut all: Vec<(String, _)>| {
            all.retain(|(table, _)| table != "keys");
            all
        };
        assert_eq!(but_keys(target.contents()), but_keys(before));
    });
}

#[test]
fn browsers_and_consents_are_taken_from_where_something_happened_last() {
    between_all_engines(async |source, target| {
        let (shop, _) = copied(&source, &target).await;
        renew(&source, &renewed(0, 20)).await;
        renew(&target, &renewed(0, 30)).await;
        renew(&source, &renewed(1, 30)).await;
        renew(&target, &renewed(1, 20)).await;
        for (end, browser, secs) in [(&source, 0, 50), (&target, 1, 50), (&target, 2, 60)] {
            let id = BrowserSessionId(bytes(browser));
            end.store.see_browser_session(id, at(secs)).await.unwrap();
        }
        let ended = BrowserSessionId(bytes(2));
        source.store.end_browser_session((USER, ended), at(70)).await.unwrap();
        target.store.end_browser_session((USER, ended), at(65)).await.unwrap();
        let allowed =
            |secs, text| Consent { given_at: at(secs), scope: scope(text), ..consent(USER, &shop) };
        save(&source, &allowed(20, "write")).await;
        save(&target, &allowed(30, "read write")).await;

        source.copy_to(&target).await;
        let listed = target.store.list_browser_sessions(USER, None, 10).await.unwrap();
        let expected = [
            BrowserSession { seen_at: at(50), ..renewed(0, 30) },
            BrowserSession { seen_at: at(50), ..renewed(1, 30) },
            BrowserSession { seen_at: at(60), ended_at: Some(at(65)), ..browser(2, USER) },
        ];
        assert_eq!(listed, expected);
        let kept = target.store.load_consent(USER, &shop.id).await.unwrap();
        assert_eq!(kept, Some(allowed(30, "read write")));
    });
}

#[test]
fn what_ended_on_either_side_stays_over_and_the_first_reason_counts() {
    between_all_engines(async |source, target| {
        let (shop, families) = copied(&source, &target).await;
        let [here, there, both, ahead, ..] = &families[..] else { panic!("{families:?}") };
        revoke(&source, here, RevokeReason::Client, 5).await;
        revoke(&target, there, RevokeReason::Reuse, 6).await;
        revoke(&target, both, RevokeReason::Operator, 7).await;
        revoke(&source, both, RevokeReason::Client, 8).await;
        revoke(&target, ahead, RevokeReason::Forgery, 9).await;
        rotate(&source, ahead, 0..2).await;
        // A registration that is newer at the target, and ends of sessions that are newer here.
        target.store.set_user_enabled(USER, true, at(50)).await.unwrap();
        source.store.end_user_sessions(USER, at(40)).await.unwrap();
        let renamed = Client { name: "Renamed".into(), updated_at: at(50), ..shop.clone() };
        target.store.update_client(&renamed, shop.updated_at).await.unwrap();
        source.store.end_client_sessions(&shop.id, at(40)).await.unwrap();

        source.copy_to(&target).await;
        let mut revoked = Vec::new();
        for family in [here, there, both, ahead] {
            revoked.push(load(&target.store, family.id).await.revoked);
        }
        let expected = [
            (5, RevokeReason::Client),
            (6, RevokeReason::Reuse),
            (7, RevokeReason::Operator),
            (9, RevokeReason::Forgery),
        ];
        assert_eq!(revoked, expected.map(|(secs, reason)| Some((at(secs), reason))));
        assert_eq!(load(&target.store, ahead.id).await.generation, 2);
        let alice = target.store.load_user(USER).await.unwrap().unwrap();
        assert_eq!((alice.ended.at, alice.updated_at), (at(40), at(50)));
        let shop = target.store.find_client("shop").await.unwrap().unwrap();
        assert_eq!((shop.ended.at, shop.name.as_str()), (at(40), "Renamed"));
    });
}

/// A deleted user's sessions must not live again at the target.
#[test]
fn who_was_deleted_at_the_source_is_deleted_at_the_target_and_their_sessions_with_them() {
    between_all_engines(async |source, target| {
        let (shop, _) = copied(&source, &target).await;
        let store = &source.store;
        let again = UserId([9; 16]);
        // The same names, given to others, whose sessions are none of before.
        store.delete_user(USER).await.unwrap();
        store.create_user(again, &name("alice"), "hash", at(100)).await.unwrap();
        store.delete_client(&shop.id).await.unwrap();
        let new_shop = Client { created_at: at(100), updated_at: at(100), ..shop.clone() };
        store.create_client(&new_shop).await.unwrap();
        store.delete_user(BOB).await.unwrap();
        let began = at(101);
        let family = Family { created_at: began, user_id: again, ..family(50, &new_shop, again) };
        assert_eq!(store.insert_family(&family, None).await.unwrap(), Outcome::Done);

        let copied = source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
        let removed = copied.iter().filter(|of| of.removed > 0).map(|of| (of.table, of.removed));
        assert_eq!(removed.collect::<Vec<_>>(), [("clients", 1), ("users", 2)]);
        assert_eq!(target.rows("families").len(), 1);
        assert!(target.rows("browser_sessions").is_empty() && target.rows("consents").is_empty());
    });
}

#[test]
fn who_was_registered_at_the_target_since_stays_there() {
    between_all_engines(async |source, target| {
        copied(&source, &target).await;
        let carol = UserId([3; 16]);
        target.store.create_user(carol, &name("carol"), "hash", at(0)).await.unwrap();
        let new = Client { created_at: at(0), ..client("new") };
        target.store.create_client(&new).await.unwrap();
        let copied = source.copy_to(&target).await;
        assert!(copied.iter().all(|of| of.removed == 0), "{copied:?}");
        assert!(target.store.load_user(carol).await.unwrap().is_some());
        assert!(target.store.find_client("new").await.unwrap().is_some());
    });
}

/// A session that is refreshed at the source after its row was copied is ahead of it. With the source's
/// epoch at the target that would be a forgery.
#[test]
fn the_epoch_of_the_target_is_greater_than_that_of_the_source_and_never_falls() {
    between_all_engines(async |source, target| {
        source.add_keys(&[1]).await;
        for raises in [0, 1, 3] {
            for _ in 0..raises {
                source.store.raise_epoch().await.unwrap();
            }
            let epoch = source.store.epoch().await.unwrap();
            source.copy_to(&target).await;
            assert_eq!(target.store.epoch().await.unwrap(), epoch + 1);
            source.copy_to(&target).await;
            assert_eq!(target.store.epoch().await.unwrap(), epoch + 1, "once is enough");
        }
        target.store.raise_epoch().await.unwrap();
        source.copy_to(&target).await;
        assert_eq!(target.store.epoch().await.unwrap(), 6);
        source.execute("UPDATE meta SET value = 100 WHERE name = 'revision'");
        // What others write to a file is seen a little later.
        while source.store.revision().await.unwrap() != 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        source.copy_to(&target).await;
        assert_eq!(target.store.revision().await.unwrap(), 100);
    });
}

/// Opening an empty store makes the keys of the file known there, and one of them seals since now.
#[test]
fn an_empty_target_takes_the_times_of_the_keys_from_the_source() {
    between_all_engines(async |source, target| {
        source.add_keys(&[1, 2]).await;
        source.store.activate_key(2, at(5)).await.unwrap();
        target.add_keys(&[1, 2]).await;
        target.store.activate_key(1, at(1_000)).await.unwrap();
        source.copy_to(&target).await;
        let keys = target.store.list_keys().await.unwrap();
        assert_eq!(keys, source.store.list_keys().await.unwrap());
        assert_eq!(keys[1].activated_at, Some(at(5)));
    });
}

/// A server that ran on the target too early made keys there, and tokens may be signed with them.
#[test]
fn signing_keys_that_were_made_at_the_target_since_stay_there() {
    between_all_engines(async |source, target| {
        copied(&source, &target).await;
        add_signing_key(&source, 2).await;
        add_signing_key(&source, 3).await;
        let key = StoredSigningKey { kid: "theirs".into(), ..signing_key(SigningAlg::Rs256, 2) };
        target.store.add_signing_key(&key, at(900)).await.unwrap();
        source.copy_to(&target).await;
        let kids = target.store.list_signing_keys().await.unwrap();
        let kids: Vec<_> = kids.iter().map(|key| (key.generation, key.kid.as_str())).collect();
        assert_eq!(kids, [(1, "RS256 of Zoë 1"), (2, "theirs"), (3, "RS256 of Zoë 3")]);
    });
}

/// As `init` and servers make them on an empty store.
#[test]
fn signing_keys_of_an_empty_target_give_way() {
    between_all_engines(async |source, target| {
        for end in [&source, &target] {
            end.add_keys(&[1]).await;
        }
        add_signing_key(&source, 1).await;
        let key = StoredSigningKey { kid: "theirs".into(), ..signing_key(SigningAlg::Rs256, 1) };
        target.store.add_signing_key(&key, at(0)).await.unwrap();
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
    });
}

/// A server that ran on the target too early made one there; people are known by that of the source.
#[test]
fn of_two_salts_of_subjects_the_older_one_counts_and_the_last_that_was_sealed() {
    between_all_engines(async |source, target| {
        for end in [&source, &target] {
            end.add_keys(&[1]).await;
        }
        let salt = |sealed: &str, made, sealed_at| SealedSecret {
            name: SUBJECT_SALT.into(),
            created_at: at(made),
            root_kid: 1,
            sealed: sealed.into(),
            sealed_at: at(sealed_at),
        };
        source.store.add_secret(&salt("old", 1, 1)).await.unwrap();
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
        target.store.delete_secrets_under(1).await.unwrap();
        target.store.add_secret(&salt("young", 2, 9)).await.unwrap();
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents(), "the older one");
        source.store.reseal_secret(&salt("anew", 1, 5), 1).await.unwrap();
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents(), "sealed anew");
    });
}
