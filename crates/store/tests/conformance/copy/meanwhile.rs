//! The source changes while it is copied.

use remint_protocol::user::UserId;
use remint_store::Outcome;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::ends::between_all_engines;
use crate::samples::{at, bytes, create_user, name};

/// Waits for something in the middle of a copy, which is held up meanwhile.
fn wait<T>(future: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(future))
}

/// A failover of the source, of which the target must not know less than its clients do.
#[test]
fn an_epoch_that_rises_while_the_last_table_is_copied_is_not_missed() {
    between_all_engines(async |source, target| {
        source.add_keys(&[1]).await;
        let raise = |now: remint_store::Progress| {
            if now.table == "guesses" {
                wait(source.store.raise_epoch()).unwrap();
            }
        };
        source.store.copy_to(&target.store, raise).await.unwrap();
        assert_eq!(source.store.epoch().await.unwrap(), 1);
        assert_eq!(target.store.epoch().await.unwrap(), 2);
    });
}

/// The one of the target still has the name when the new one arrives.
#[test]
fn a_user_who_is_created_again_while_users_are_copied_is_left_to_the_next_copy() {
    between_all_engines(async |source, target| {
        source.add_keys(&[1]).await;
        for number in 0..600 {
            create_user(&source.store, UserId(bytes(number)), &format!("user {number}")).await;
        }
        source.copy_to(&target).await;
        let again = async {
            source.store.delete_user(UserId(bytes(599))).await.unwrap();
            let (id, user) = (UserId(bytes(1_000)), name("user 599"));
            source.store.create_user(id, &user, "new hash", at(100)).await.unwrap()
        };
        let mut again = Some(again);
        let create = |now: remint_store::Progress| {
            if now.table == "users" && now.rows == 500 {
                assert_eq!(wait(again.take().unwrap()), Outcome::Done);
            }
        };
        source.store.copy_to(&target.store, create).await.unwrap();
        assert!(again.is_none());
        source.copy_to(&target).await;
        assert_eq!(target.contents(), source.contents());
    });
}
