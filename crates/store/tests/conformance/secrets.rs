//! What is kept for longer than any root key lives.

use remint_protocol::keyring::Fingerprint;
use remint_store::{Outcome, SUBJECT_SALT, SealedSecret, Store};

use crate::backend::on_every_backend;
use crate::samples::at;

fn secret(root_kid: u8, sealed: &str) -> SealedSecret {
    SealedSecret {
        name: SUBJECT_SALT.into(),
        created_at: at(5),
        root_kid,
        sealed: sealed.into(),
        sealed_at: at(6),
    }
}

async fn add_keys(store: &Store) {
    for kid in [1, 2] {
        store.add_key(kid, Fingerprint([kid; 16]), at(0)).await.unwrap();
        store.activate_key(kid, at(kid.into())).await.unwrap();
    }
}

#[test]
fn a_secret_is_made_once() {
    on_every_backend(async |place| {
        let store = place.open().await;
        add_keys(&store).await;
        let find = async || store.find_secret(SUBJECT_SALT).await.unwrap();
        assert_eq!(find().await, None);
        assert_eq!(store.add_secret(&secret(9, "x")).await.unwrap(), Outcome::Conflict);
        assert_eq!(find().await, None, "its root key is not known");
        assert_eq!(store.add_secret(&secret(2, "first")).await.unwrap(), Outcome::Done);
        assert_eq!(store.add_secret(&secret(2, "second")).await.unwrap(), Outcome::Conflict);
        assert_eq!(find().await, Some(secret(2, "first")));
        assert_eq!(store.find_secret("other").await.unwrap(), None);
    });
}

#[test]
fn a_root_key_that_seals_a_secret_is_held_until_the_secret_has_moved() {
    on_every_backend(async |place| {
        let store = place.open().await;
        add_keys(&store).await;
        store.add_secret(&secret(1, "old")).await.unwrap();
        assert_eq!(store.retire_key(1, at(10)).await.unwrap(), Outcome::Conflict, "it is needed");
        let moved = secret(2, "new");
        assert_eq!(store.reseal_secret(&moved, 1).await.unwrap(), Outcome::Done);
        assert_eq!(store.reseal_secret(&moved, 1).await.unwrap(), Outcome::Conflict);
        assert_eq!(store.find_secret(SUBJECT_SALT).await.unwrap(), Some(moved));
        assert_eq!(store.retire_key(1, at(11)).await.unwrap(), Outcome::Done);
        let back = store.reseal_secret(&secret(1, "back"), 2).await.unwrap();
        assert_eq!(back, Outcome::Conflict, "under one that is given up");
        store.delete_secrets_under(1).await.unwrap();
        assert!(store.find_secret(SUBJECT_SALT).await.unwrap().is_some());
        store.delete_secrets_under(2).await.unwrap();
        assert_eq!(store.find_secret(SUBJECT_SALT).await.unwrap(), None);
    });
}
