//! Targets that hold something else are left as they are.

use remint_protocol::client::Client;
use remint_protocol::user::UserId;
use remint_store::Outcome;

use super::ends::{End, between_all_engines};
use crate::samples::{USER, at, client, create_user, name, register};

async fn with_alice(end: &End) {
    end.add_keys(&[1, 2]).await;
    register(&end.store).await;
}

#[test]
fn another_root_key_of_the_same_number_is_another_installation() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        target.add_key(1, 1).await;
        target.add_key(2, 9).await;
        create_user(&target.store, USER, "alice").await;
        let error = source.refused_by(&target).await;
        assert!(error.contains("another installation: its root key 2 is not that"), "{error}");
    });
}

#[test]
fn no_root_key_in_common_is_another_installation() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        source.copy_to(&target).await;
        target.execute("DELETE FROM keys");
        target.add_key(7, 7).await;
        let error = source.refused_by(&target).await;
        assert!(error.contains("its root key 7 is not that"), "{error}");
        // One in common is enough: others came later.
        target.add_key(2, 2).await;
        source.copy_to(&target).await;
        target.add_key(8, 8).await;
        source.copy_to(&target).await;
    });
}

/// Any command makes the keys of its file known to the store that it looks at.
#[test]
fn an_empty_target_may_know_the_keys_of_another_file_which_are_forgotten() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        for (kid, print) in [(1, 1), (2, 9), (7, 7)] {
            target.add_key(kid, print).await;
        }
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
    });
}

#[test]
fn a_source_that_knows_no_root_keys_is_nobody() {
    between_all_engines(async |source, target| {
        register(&source.store).await;
        let error = source.refused_by(&target).await;
        assert!(
            error.contains("does not know its root keys yet: run `remint key list`"),
            "{error}"
        );
    });
}

#[test]
fn a_client_of_the_same_id_that_was_registered_at_another_time_is_another_installation() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        let other = Client { created_at: at(-999), ..client("shop") };
        target.store.create_client(&other).await.unwrap();
        let error = source.refused_by(&target).await;
        assert!(error.contains("its client shop was registered at another time"), "{error}");
    });
}

#[test]
fn a_user_of_the_same_name_who_is_not_the_same_is_another_installation() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        create_user(&target.store, UserId([1; 16]), "alice").await;
        let error = source.refused_by(&target).await;
        assert!(error.contains("its user alice is not the one of the source"), "{error}");
    });
}

/// Not even where it has the same keys: what was deleted since would be back.
#[test]
fn a_target_with_anything_in_it_that_was_not_copied_there_is_refused() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        target.add_keys(&[1]).await;
        let user = target.another().await;
        let both = [&target, &user];
        target.store.create_client(&client("other")).await.unwrap();
        create_user(&user.store, USER, "alice").await;
        for target in both {
            let error = source.refused_by(target).await;
            assert!(error.contains("is not empty, and what it holds was not copied"), "{error}");
        }
    });
}

/// After the first copy too.
#[test]
fn a_copy_in_which_a_name_was_given_away_is_refused() {
    between_all_engines(async |source, target| {
        with_alice(&source).await;
        source.copy_to(&target).await;
        create_user(&source.store, UserId([1; 16]), "bob").await;
        let (id, bob) = (UserId([2; 16]), name("bob"));
        let there = target.store.create_user(id, &bob, "hash", at(500)).await.unwrap();
        assert_eq!(there, Outcome::Done);
        let error = source.refused_by(&target).await;
        assert!(error.contains("its user bob is not the one of the source"), "{error}");
    });
}
