//! Copying when a number of a root key was used again on one side.

use remint_protocol::keyring::Fingerprint;
use remint_store::Outcome;

use super::ends::between_all_engines;
use crate::key_numbers::retire_all_but_the_last;
use crate::samples::{USER, at, create_user};

#[test]
fn a_number_that_was_used_again_since_the_last_copy_is_no_other_installation() {
    between_all_engines(async |source, target| {
        retire_all_but_the_last(&source.store, &[1, 2]).await;
        create_user(&source.store, USER, "alice").await;
        source.copy_to(&target).await;
        let new = Fingerprint([9; 16]);
        let reused = source.store.reuse_key_number(1, new, at(2_000)).await.unwrap();
        assert_eq!(reused, Outcome::Done);
        source.store.activate_key(1, at(3_000)).await.unwrap();
        source.copy_to(&target).await;
        let keys = async |end: &super::ends::End| end.store.list_keys().await.unwrap();
        assert_eq!(keys(&target).await, keys(&source).await);
        // And back, where the other side still has the old one.
        assert_eq!(target.store.retire_key(2, at(4_000)).await.unwrap(), Outcome::Done);
        let reused = target.store.reuse_key_number(2, new, at(5_000)).await.unwrap();
        assert_eq!(reused, Outcome::Done);
        source.store.retire_key(2, at(4_500)).await.unwrap();
        source.copy_to(&target).await;
        let key = keys(&target).await.into_iter().find(|key| key.kid == 2).unwrap();
        assert_eq!((key.fingerprint, key.retired_at), (new, None), "it is not set back");
    });
}
