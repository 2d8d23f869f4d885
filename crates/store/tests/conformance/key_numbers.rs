//! Numbers of root keys that are used again.

use remint_protocol::keyring::Fingerprint;
use remint_store::{Outcome, Store};

use crate::backend::on_every_backend;
use crate::samples::{USER, at, begin, client, create_user, family, secret};

/// Makes keys known, of which the last one seals and all others are retired.
pub(crate) async fn retire_all_but_the_last(store: &Store, kids: &[u8]) {
    for kid in kids {
        store.add_key(*kid, Fingerprint([*kid; 16]), at(1)).await.unwrap();
        store.activate_key(*kid, at(kid.to_owned().into())).await.unwrap();
    }
    for kid in kids.iter().rev().skip(1) {
        assert_eq!(store.retire_key(*kid, at(1_000)).await.unwrap(), Outcome::Done);
    }
}

#[test]
fn a_number_is_free_when_its_key_is_retired_and_nothing_refers_to_it() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let free = async || store.free_key_numbers().await.unwrap();
        retire_all_but_the_last(&store, &[1, 2, 3, 4, 5, 6]).await;
        assert_eq!(free().await, [1, 2, 3, 4, 5]);
        let mut shop = client("shop");
        shop.secret = Some(secret(1));
        shop.previous_secret = Some((secret(2), at(5)));
        store.create_client(&shop).await.unwrap();
        assert_eq!(free().await, [3, 4, 5]);
        create_user(&store, USER, "alice").await;
        let mut session = family(1, &shop, USER);
        session.kid = 4;
        begin(&store, &session).await;
        assert_eq!(free().await, [3, 5]);
        let fingerprint = Fingerprint([9; 16]);
        for kid in [1, 2, 4, 6, 7] {
            let reused = store.reuse_key_number(kid, fingerprint, at(2_000)).await.unwrap();
            assert_eq!(reused, Outcome::Conflict, "{kid}");
        }
        store.delete_client(&shop.id).await.unwrap();
        assert_eq!(free().await, [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_number_that_is_used_again_begins_anew() {
    on_every_backend(async |place| {
        let store = place.open().await;
        retire_all_but_the_last(&store, &[1, 2]).await;
        let fingerprint = Fingerprint([9; 16]);
        let revision = store.revision().await.unwrap();
        // By a clock that is behind.
        assert_eq!(store.reuse_key_number(1, fingerprint, at(500)).await.unwrap(), Outcome::Done);
        assert!(store.revision().await.unwrap() > revision, "every node hears of it");
        let again = store.reuse_key_number(1, Fingerprint([8; 16]), at(2_000)).await.unwrap();
        assert_eq!(again, Outcome::Conflict, "it is not retired");
        let keys = store.list_keys().await.unwrap();
        let key = keys.iter().find(|key| key.kid == 1).unwrap();
        assert_eq!((key.fingerprint, key.activated_at, key.retired_at), (fingerprint, None, None));
        assert!(key.added_at > at(1_000), "after the old one was retired");
        assert_eq!(store.activate_key(1, at(3_000)).await.unwrap(), Outcome::Done);
        assert_eq!(store.retire_key(2, at(3_001)).await.unwrap(), Outcome::Done);
        assert_eq!(store.free_key_numbers().await.unwrap(), [2]);
    });
}
