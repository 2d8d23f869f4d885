//! The keys that sign JWTs: one of each generation, however many nodes make it, and none under a root
//! key that is given up.

use remint_protocol::keyring::Fingerprint;
use remint_protocol::signing_key::SigningAlg;
use remint_store::{Outcome, Store, StoredSigningKey};

use crate::backend::{Place, on_every_backend, together};
use crate::samples::{at, signing_key};

/// A store that knows the root keys 1, which seals, and 2.
async fn open(place: &Place) -> Store {
    let store = place.open().await;
    for kid in [1, 2] {
        store.add_key(kid, Fingerprint([kid; 16]), at(0)).await.unwrap();
    }
    store.activate_key(1, at(0)).await.unwrap();
    store
}

async fn add(store: &Store, key: &StoredSigningKey) -> Outcome {
    store.add_signing_key(key, at(1_000)).await.unwrap()
}

async fn stored(store: &Store) -> Vec<StoredSigningKey> {
    store.list_signing_keys().await.unwrap()
}

#[test]
fn a_key_is_stored_as_it_is_and_those_before_it_get_an_end() {
    on_every_backend(async |place| {
        let store = open(&place).await;
        let [one, two] = [1, 2].map(|generation| signing_key(SigningAlg::Rs256, generation));
        let other = signing_key(SigningAlg::EdDsa, 1);
        for key in [&one, &other] {
            assert_eq!(add(&store, key).await, Outcome::Done);
        }
        assert_eq!(stored(&store).await, [other.clone(), one.clone()]);
        assert_eq!(add(&store, &two).await, Outcome::Done);
        let ends = StoredSigningKey { published_until: Some(at(1_000)), ..one.clone() };
        assert_eq!(stored(&store).await, [other.clone(), ends, two.clone()]);
        // An earlier end counts, a later one does not.
        let three = signing_key(SigningAlg::Rs256, 3);
        assert_eq!(store.add_signing_key(&three, at(500)).await.unwrap(), Outcome::Done);
        let four = signing_key(SigningAlg::Rs256, 4);
        assert_eq!(store.add_signing_key(&four, at(2_000)).await.unwrap(), Outcome::Done);
        let ends: Vec<_> = stored(&store).await.iter().map(|key| key.published_until).collect();
        let [early, late] = [500, 2_000].map(|secs| Some(at(secs)));
        assert_eq!(ends, [None, early, early, late, None]);
    });
}

#[test]
fn of_many_nodes_that_make_the_next_key_at_once_one_does() {
    on_every_backend(async |place| {
        let mut nodes = vec![open(&place).await];
        for _ in 1..4 {
            nodes.push(place.open().await);
        }
        for generation in 1..=5 {
            let keys: Vec<_> = (0..nodes.len())
                .map(|node| StoredSigningKey {
                    kid: format!("{generation} of {node}"),
                    ..signing_key(SigningAlg::Es256, generation)
                })
                .collect();
            let racing = nodes.iter().zip(&keys).map(|(node, key)| add(node, key));
            let outcomes = together(racing).await;
            let won = outcomes.iter().filter(|outcome| **outcome == Outcome::Done).count();
            assert_eq!(won, 1, "{outcomes:?}");
        }
        let generations: Vec<_> = stored(&nodes[0]).await.iter().map(|k| k.generation).collect();
        assert_eq!(generations, [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_key_moves_under_another_root_key_once_and_holds_the_old_one_until_then() {
    on_every_backend(async |place| {
        let store = open(&place).await;
        let key = signing_key(SigningAlg::Rs256, 1);
        add(&store, &key).await;
        store.activate_key(2, at(1)).await.unwrap();
        assert_eq!(store.retire_key(1, at(2)).await.unwrap(), Outcome::Conflict, "it is needed");
        let moved = StoredSigningKey {
            root_kid: 2,
            sealed: b"sealed anew".to_vec(),
            sealed_at: at(3),
            ..key
        };
        assert_eq!(store.reseal_signing_key(&moved, 1).await.unwrap(), Outcome::Done);
        assert_eq!(store.reseal_signing_key(&moved, 1).await.unwrap(), Outcome::Conflict);
        assert_eq!(stored(&store).await, std::slice::from_ref(&moved));
        assert_eq!(store.retire_key(1, at(4)).await.unwrap(), Outcome::Done);
        let back = StoredSigningKey { root_kid: 1, ..moved.clone() };
        assert_eq!(store.reseal_signing_key(&back, 2).await.unwrap(), Outcome::Conflict);
        let under_it = StoredSigningKey { root_kid: 1, ..signing_key(SigningAlg::Rs256, 2) };
        assert_eq!(add(&store, &under_it).await, Outcome::Conflict, "under a retired one");
        let unknown = StoredSigningKey { root_kid: 9, ..under_it };
        assert_eq!(add(&store, &unknown).await, Outcome::Conflict);
        assert_eq!(stored(&store).await, [moved]);
    });
}

/// A node that moves a key to a root key, or makes one under it, while an operator gives that up.
#[test]
fn no_key_is_ever_left_under_a_root_key_that_is_given_up() {
    on_every_backend(async |place| {
        let [node, operator] = [open(&place).await, place.open().await];
        let_2_seal(&node).await;
        let mut seen = [0, 0];
        for kid in 3..40 {
            node.add_key(kid, Fingerprint([kid; 16]), at(0)).await.unwrap();
            let generation = u32::from(kid);
            let key =
                StoredSigningKey { root_kid: kid, ..signing_key(SigningAlg::Ps256, generation) };
            let (made, retired) =
                tokio::join!(node.add_signing_key(&key, at(0)), operator.retire_key(kid, at(1)));
            let (made, retired) = (made.unwrap(), retired.unwrap());
            assert_ne!(made, retired, "{kid}");
            seen[usize::from(made == Outcome::Done)] += 1;
        }
        eprintln!("the operator was faster {} times, the node {} times", seen[0], seen[1]);
    });
}

/// The root key 2 seals, so that others may be given up.
async fn let_2_seal(store: &Store) {
    assert_eq!(store.activate_key(2, at(1)).await.unwrap(), Outcome::Done);
}

#[test]
fn a_key_is_deleted_when_its_time_is_over_and_those_of_a_lost_root_key_at_once() {
    on_every_backend(async |place| {
        let store = open(&place).await;
        let [one, two] = [1, 2].map(|generation| signing_key(SigningAlg::Rs256, generation));
        add(&store, &one).await;
        let delete = async |key: &StoredSigningKey, secs| {
            store.delete_signing_key(&key.kid, at(secs)).await.unwrap()
        };
        assert_eq!(delete(&one, i64::from(u32::MAX)).await, Outcome::Conflict, "no successor");
        add(&store, &two).await;
        assert_eq!(delete(&one, 1_000).await, Outcome::Conflict);
        assert_eq!(delete(&one, 1_001).await, Outcome::Done);
        assert_eq!(delete(&one, 1_001).await, Outcome::Conflict);
        assert_eq!(stored(&store).await, [two]);
        store.delete_signing_keys_under(2).await.unwrap();
        assert_eq!(stored(&store).await.len(), 1);
        store.delete_signing_keys_under(1).await.unwrap();
        assert!(stored(&store).await.is_empty());
    });
}

#[test]
fn a_change_of_signing_keys_is_told_to_all_nodes() {
    on_every_backend(async |place| {
        let store = open(&place).await;
        let mut seen = store.revision().await.unwrap();
        let mut rises = async || {
            let before = std::mem::replace(&mut seen, store.revision().await.unwrap());
            seen > before
        };
        let [one, two] = [1, 2].map(|generation| signing_key(SigningAlg::Rs256, generation));
        add(&store, &one).await;
        assert!(rises().await);
        add(&store, &one).await;
        assert!(!rises().await, "nothing happened");
        add(&store, &two).await;
        assert!(rises().await);
        store.reseal_signing_key(&StoredSigningKey { root_kid: 2, ..two }, 1).await.unwrap();
        assert!(rises().await);
        store.delete_signing_key(&one.kid, at(2_000)).await.unwrap();
        assert!(rises().await);
    });
}
