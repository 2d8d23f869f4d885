//! What people allowed to clients.

use remint_protocol::client::Client;
use remint_protocol::consent::Consent;
use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::user::UserId;
use remint_store::{Outcome, Store};

use crate::backend::on_every_backend;
use crate::samples::{
    USER, at, begin, bytes, client, consent, create_user, family, load, register, resources, scope,
};

const BOB: UserId = UserId([8; 16]);

async fn save(store: &Store, given: &Consent) {
    let seen = store.load_consent(given.user_id, &given.client_id).await.unwrap();
    assert_eq!(store.save_consent(given, seen.as_ref()).await.unwrap(), Outcome::Done);
}

async fn find(store: &Store, of: &Consent) -> Option<Consent> {
    store.load_consent(of.user_id, &of.client_id).await.unwrap()
}

/// Two clients, and two people.
async fn furnish(store: &Store) -> [Client; 2] {
    let shop = register(store).await;
    create_user(store, BOB, "bob").await;
    let other = client("other");
    assert_eq!(store.create_client(&other).await.unwrap(), Outcome::Done);
    [shop, other]
}

#[test]
fn a_consent_reads_back_and_the_last_one_counts() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, other] = furnish(&store).await;
        let first = consent(USER, &shop);
        assert_eq!(find(&store, &first).await, None);
        save(&store, &first).await;
        assert_eq!(find(&store, &first).await.as_ref(), Some(&first));
        let wider = Consent {
            scope: scope("read write"),
            resources: resources("https://a.example https://b.example"),
            given_at: at(5),
            ..first.clone()
        };
        save(&store, &wider).await;
        assert_eq!(find(&store, &first).await.as_ref(), Some(&wider));
        let (scope, resources) = (Scope::default(), Resources::default());
        let narrower = Consent { scope, resources, given_at: at(6), ..first.clone() };
        save(&store, &narrower).await;
        assert_eq!(find(&store, &first).await, Some(narrower));
        assert_eq!(place.dump("consents").len(), 1, "one row for each pair");
        for pair in [consent(USER, &other), consent(BOB, &shop)] {
            assert_eq!(find(&store, &pair).await, None, "nobody else allowed anything");
        }
    });
}

/// What is loaded answers the question that it is loaded for.
#[test]
fn what_was_allowed_before_covers_as_much_and_no_more() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, _] = furnish(&store).await;
        save(&store, &consent(USER, &shop)).await;
        let before = find(&store, &consent(USER, &shop)).await.unwrap();
        let (a, b) = (resources("https://a.example"), resources("https://b.example"));
        assert!(before.covers(&scope("read"), &a) && before.covers(&Scope::default(), &a));
        assert!(!before.covers(&scope("read write"), &a) && !before.covers(&scope("read"), &b));
    });
}

#[test]
fn nobody_who_was_deleted_allows_anything() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, _] = furnish(&store).await;
        store.delete_user(USER).await.unwrap();
        let late = store.save_consent(&consent(USER, &shop), None).await.unwrap();
        assert_eq!(late, Outcome::Conflict);
        assert_eq!(place.dump("consents").len(), 0);
    });
}

/// Two pages that were answered at once, or one while access was ended.
#[test]
fn a_consent_is_saved_over_the_one_that_was_seen_and_over_no_other() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, _] = furnish(&store).await;
        let first = consent(USER, &shop);
        let wider = Consent { scope: scope("read write"), given_at: at(5), ..first.clone() };
        let also = Consent { resources: resources("https://b.example"), ..first.clone() };
        save(&store, &first).await;
        let refused = async |given, seen| {
            let before = place.dump("consents");
            assert_eq!(store.save_consent(given, seen).await.unwrap(), Outcome::Conflict);
            assert_eq!(place.dump("consents"), before);
        };
        refused(&wider, None).await;
        // Of the same moment, and yet another one.
        refused(&wider, Some(&also)).await;
        refused(&also, Some(&wider)).await;
        save(&store, &wider).await;
        refused(&also, Some(&first)).await;
        let pair = (USER, &shop.id);
        store.revoke_consent(pair, RevokeReason::User, at(20)).await.unwrap();
        refused(&also, Some(&wider)).await;
        assert_eq!(find(&store, &first).await, None);
        let again = Consent { given_at: at(30), ..first.clone() };
        assert_eq!(store.save_consent(&again, None).await.unwrap(), Outcome::Done);
        store.delete_user(USER).await.unwrap();
        refused(&wider, Some(&again)).await;
        refused(&wider, None).await;
    });
}

#[test]
fn checklist_26_taking_a_consent_back_ends_what_that_client_has_of_that_user_and_nothing_else() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, other] = furnish(&store).await;
        let ours = consent(USER, &shop);
        let kept = [consent(USER, &other), consent(BOB, &shop)];
        for given in [&ours, &kept[0], &kept[1]] {
            save(&store, given).await;
        }
        let own = [family(1, &shop, USER), family(2, &shop, USER)];
        let before = family(3, &shop, USER);
        let living = [family(4, &other, USER), family(5, &shop, BOB)];
        for family in own.iter().chain([&before]).chain(&living) {
            begin(&store, family).await;
        }
        store.revoke_family(before.id, RevokeReason::Reuse, at(10)).await.unwrap();
        let pair = (USER, &shop.id);
        let revoked = store.revoke_consent(pair, RevokeReason::User, at(20)).await.unwrap();
        assert_eq!(revoked, Outcome::Done);
        assert_eq!(find(&store, &ours).await, None);
        for given in &kept {
            assert_eq!(find(&store, given).await.as_ref(), Some(given));
        }
        for family in own {
            let revoked = Some((at(20), RevokeReason::User));
            assert_eq!(load(&store, family.id).await, Family { revoked, ..family });
        }
        let first = Some((at(10), RevokeReason::Reuse));
        assert_eq!(load(&store, before.id).await.revoked, first, "the first reason counts");
        for family in living {
            assert_eq!(load(&store, family.id).await, family);
        }
        let again = store.revoke_consent(pair, RevokeReason::User, at(30)).await.unwrap();
        assert_eq!(again, Outcome::Done, "gone is gone");
    });
}

#[test]
fn a_client_that_was_never_asked_about_loses_what_it_has() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, _] = furnish(&store).await;
        let family = family(1, &shop, USER);
        begin(&store, &family).await;
        store.revoke_consent((USER, &shop.id), RevokeReason::Operator, at(20)).await.unwrap();
        let revoked = load(&store, family.id).await.revoked;
        assert_eq!(revoked, Some((at(20), RevokeReason::Operator)));
    });
}

#[test]
fn consents_are_listed_page_by_page_by_user_and_by_client() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, other] = furnish(&store).await;
        let mut of_alice = vec![consent(USER, &other), consent(USER, &shop)];
        for id in ["a", "Z", "shop2", "~"] {
            of_alice.push(consent(USER, &client(id)));
        }
        of_alice.sort_by(|a, b| a.client_id.cmp(&b.client_id));
        for given in &of_alice {
            save(&store, given).await;
        }
        let mut to_shop = vec![consent(USER, &shop), consent(BOB, &shop)];
        for number in 1..5 {
            let user = UserId(bytes(number));
            create_user(&store, user, &format!("user {number}")).await;
            to_shop.push(consent(user, &shop));
        }
        to_shop.sort_by_key(|given| given.user_id);
        for given in &to_shop {
            save(&store, given).await;
        }
        for limit in [1, 2, 6, 7] {
            let (mut listed, mut after) = (Vec::new(), String::new());
            loop {
                let page = store.list_consents(USER, &after, limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                last.client_id.as_str().clone_into(&mut after);
                listed.extend(page);
            }
            assert_eq!(listed, of_alice, "in pages of {limit}");
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let page = store.list_consents_to(&shop.id, after, limit).await.unwrap();
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                after = Some(last.user_id);
                listed.extend(page);
            }
            assert_eq!(listed, to_shop, "in pages of {limit}");
        }
    });
}

#[test]
fn what_a_deleted_user_allowed_and_what_a_deleted_client_was_allowed_goes_with_them() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, other] = furnish(&store).await;
        let kept = consent(BOB, &other);
        for given in [consent(USER, &shop), consent(USER, &other), consent(BOB, &shop)] {
            save(&store, &given).await;
        }
        save(&store, &kept).await;
        store.delete_user(USER).await.unwrap();
        assert_eq!(place.dump("consents").len(), 2);
        store.delete_client(&shop.id).await.unwrap();
        assert_eq!(place.dump("consents").len(), 1);
        assert_eq!(find(&store, &kept).await, Some(kept));
    });
}

/// A row for each of them, which are deleted in pieces.
#[test]
fn a_client_that_many_people_know_is_deleted_with_all_that_they_allowed() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let [shop, _] = furnish(&store).await;
        let save = |number: u32| {
            let (store, shop) = (store.clone(), shop.clone());
            tokio::spawn(async move {
                let user = UserId(bytes(number));
                create_user(&store, user, &format!("user {number}")).await;
                save(&store, &consent(user, &shop)).await;
            })
        };
        let all: Vec<_> = (0..1_100).map(save).collect();
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(place.dump("consents").len(), 1_100);
        store.delete_client(&shop.id).await.unwrap();
        assert_eq!(place.dump("consents").len(), 0);
    });
}
