//! What is known of root keys, and which nodes run.

use remint_protocol::keyring::Fingerprint;
use remint_protocol::time::Timestamp;
use remint_store::{Node, NodeId, Outcome, Store};

use crate::backend::on_every_backend;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn add(store: &Store, kid: u8) -> Outcome {
    store.add_key(kid, Fingerprint([kid; 16]), at(1)).await.unwrap()
}

/// The numbers of the keys that may seal, the one that does first.
async fn sealing(store: &Store) -> Vec<u8> {
    let mut keys = store.list_keys().await.unwrap();
    keys.retain(|key| key.retired_at.is_none() && key.activated_at.is_some());
    keys.sort_by_key(|key| std::cmp::Reverse(key.activated_at));
    keys.iter().map(|key| key.kid).collect()
}

#[test]
fn a_key_is_made_known_once_and_keeps_its_fingerprint() {
    on_every_backend(async |place| {
        let store = place.open().await;
        assert_eq!(add(&store, 1).await, Outcome::Done);
        let again = store.add_key(1, Fingerprint([9; 16]), at(2)).await.unwrap();
        assert_eq!(again, Outcome::Conflict);
        let keys = store.list_keys().await.unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!((keys[0].fingerprint, keys[0].added_at), (Fingerprint([1; 16]), at(1)));
        assert_eq!((keys[0].activated_at, keys[0].retired_at), (None, None));
    });
}

#[test]
fn the_key_that_was_activated_last_seals_also_under_a_clock_that_went_back() {
    on_every_backend(async |place| {
        let store = place.open().await;
        for kid in [1, 2, 3] {
            add(&store, kid).await;
        }
        for (kid, when) in [(1, 1_000), (2, 500), (3, 500)] {
            assert_eq!(store.activate_key(kid, at(when)).await.unwrap(), Outcome::Done);
        }
        assert_eq!(sealing(&store).await, [3, 2, 1]);
        store.activate_key(1, at(0)).await.unwrap();
        assert_eq!(sealing(&store).await, [1, 3, 2], "back to an earlier one");
        assert_eq!(store.activate_key(4, at(2_000)).await.unwrap(), Outcome::Conflict, "unknown");
    });
}

#[test]
fn the_key_that_seals_is_not_retired_and_a_retired_one_never_seals_again() {
    on_every_backend(async |place| {
        let store = place.open().await;
        add(&store, 1).await;
        store.activate_key(1, at(1)).await.unwrap();
        add(&store, 2).await;
        assert_eq!(store.retire_key(1, at(2)).await.unwrap(), Outcome::Conflict);
        store.activate_key(2, at(2)).await.unwrap();
        assert_eq!(store.retire_key(1, at(3)).await.unwrap(), Outcome::Done);
        assert_eq!(store.retire_key(1, at(4)).await.unwrap(), Outcome::Conflict, "already");
        assert_eq!(store.activate_key(1, at(5)).await.unwrap(), Outcome::Conflict);
        assert_eq!(store.retire_key(2, at(5)).await.unwrap(), Outcome::Conflict, "the last one");
        add(&store, 3).await;
        assert_eq!(store.retire_key(3, at(6)).await.unwrap(), Outcome::Done, "never activated");
        assert_eq!(sealing(&store).await, [2]);
    });
}

#[test]
fn a_change_of_keys_is_told_to_all_nodes() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let mut seen = store.revision().await.unwrap();
        let mut rises = async || {
            let before = std::mem::replace(&mut seen, store.revision().await.unwrap());
            seen > before
        };
        add(&store, 1).await;
        assert!(rises().await);
        store.activate_key(1, at(1)).await.unwrap();
        assert!(rises().await);
        add(&store, 2).await;
        store.retire_key(2, at(1)).await.unwrap();
        assert!(rises().await);
    });
}

#[test]
fn nodes_are_listed_until_they_leave_or_fall_silent() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let node = |id: u8, kids: &[u8], seen_at| Node {
            id: NodeId([id; 16]),
            name: format!("node-{id}"),
            version: "1.2.3".into(),
            kids: kids.to_vec(),
            started_at: at(1),
            seen_at: at(seen_at),
        };
        store.see_node(&node(1, &[1], 10)).await.unwrap();
        store.see_node(&node(2, &[], 10)).await.unwrap();
        let now = [node(1, &[1, 2], 20), node(2, &[], 10)];
        store.see_node(&now[0]).await.unwrap();
        assert_eq!(store.list_nodes().await.unwrap(), now);
        store.forget_silent_nodes(at(15)).await.unwrap();
        assert_eq!(store.list_nodes().await.unwrap(), now[..1]);
        store.forget_node(NodeId([1; 16])).await.unwrap();
        assert!(store.list_nodes().await.unwrap().is_empty());
    });
}

#[test]
fn of_several_nodes_one_has_the_sweep() {
    on_every_backend(async |place| {
        let [one, other] = [place.open().await, place.open().await];
        assert_eq!(one.claim_sweep(at(0), at(60)).await.unwrap(), Outcome::Done);
        assert_eq!(other.claim_sweep(at(59), at(119)).await.unwrap(), Outcome::Conflict);
        assert_eq!(other.claim_sweep(at(60), at(120)).await.unwrap(), Outcome::Done);
        assert_eq!(one.claim_sweep(at(61), at(121)).await.unwrap(), Outcome::Conflict);
    });
}

#[test]
fn the_epoch_rises_by_one() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let before = store.epoch().await.unwrap();
        assert_eq!(store.raise_epoch().await.unwrap(), Outcome::Done);
        assert_eq!(store.epoch().await.unwrap(), before + 1);
    });
}
