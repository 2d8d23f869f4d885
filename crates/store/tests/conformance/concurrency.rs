//! Many requests at once, and what they read of each other's writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use remint_protocol::family::{RevokeReason, Rotation};
use remint_protocol::family_id::FamilyId;
use remint_protocol::token::Jti;
use remint_store::{Outcome, Stats, Store};

use crate::backend::{on_every_backend, soon};
use crate::samples::{
    USER, at, bytes, family_at, insert, load, open_browsers, register, rotated, rotation, sign_in,
};

fn batches(stats: &Stats) -> u64 {
    stats.batches.load(Ordering::Relaxed)
}

fn groups(stats: &Stats) -> u64 {
    stats.groups.iter().map(|group| group.load(Ordering::Relaxed)).sum()
}

#[test]
fn of_64_rotations_from_the_same_generation_exactly_one_is_done() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let mut family = sign_in(&store, &shop, 1).await.remove(0);
        for from in 0..20 {
            // Told apart by the expiry, so that the winner can be named.
            let racers: Vec<_> = (0..64)
                .map(|n| Rotation { expires_at: at(1_000 + n), ..rotation(family.id, from) })
                .collect();
            let race = |racer: Rotation| {
                let store = store.clone();
                tokio::spawn(async move { store.rotate(&racer).await.unwrap() })
            };
            let tasks: Vec<_> = racers.iter().map(|racer| race(*racer)).collect();
            let mut winners = Vec::new();
            for (racer, task) in racers.iter().zip(tasks) {
                if task.await.unwrap() == Outcome::Done {
                    winners.push(racer);
                }
            }
            assert_eq!(winners.len(), 1);
            family = rotated(&family, winners[0]);
            assert_eq!(load(&store, family.id).await, family);
            assert_eq!(family.generation, from + 1);
        }
    });
}

/// A code names the family that it begins: whoever inserts it has redeemed the code.
#[test]
fn checklist_48_of_a_thousand_who_redeem_one_code_at_once_exactly_one_does() {
    on_every_backend(async |place| {
        // As many nodes as a busy site has.
        let stores = [place.open().await, place.open().await, place.open().await];
        let shop = register(&stores[0]).await;
        let browser = open_browsers(&stores[0], 1).await.remove(0);
        let family = family_at(1, &shop, &browser);
        let redeem = |n: usize| {
            let (store, family) = (stores[n % stores.len()].clone(), family.clone());
            tokio::spawn(async move { insert(&store, &family).await })
        };
        let all: Vec<_> = (0..1_000).map(redeem).collect();
        let mut done = 0;
        for one in all {
            done += u32::from(one.await.unwrap() == Outcome::Done);
        }
        assert_eq!(done, 1);
        assert_eq!(load(&stores[0], family.id).await, family);
        assert_eq!(place.dump("families").len(), 1);
    });
}

#[test]
fn hundreds_of_rotations_of_different_families_all_land_and_are_counted() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 400).await;
        let (batches_before, groups_before) = (batches(store.stats()), groups(store.stats()));
        let rotate = |id: FamilyId| {
            let store = store.clone();
            tokio::spawn(async move { store.rotate(&rotation(id, 0)).await.unwrap() })
        };
        let tasks: Vec<_> = families.iter().map(|family| rotate(family.id)).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Outcome::Done);
        }
        for family in &families {
            let expected = rotated(family, &rotation(family.id, 0));
            assert_eq!(load(&store, family.id).await, expected);
        }
        assert_eq!(batches(store.stats()) - batches_before, 400);
        let commits = groups(store.stats()) - groups_before;
        assert!((2..=400).contains(&commits), "at most 256 share a commit: {commits}");
        assert_eq!(store.stats().failures.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_revocation_that_races_with_rotations_wins_for_good() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let id = sign_in(&store, &shop, 1).await[0].id;
        let is_over = Arc::new(AtomicBool::new(false));
        let (rotator, seen_over) = (store.clone(), Arc::clone(&is_over));
        let rotating = tokio::spawn(async move {
            let mut generation = 0;
            loop {
                let was_over = seen_over.load(Ordering::SeqCst);
                if rotator.rotate(&rotation(id, generation)).await.unwrap() == Outcome::Conflict {
                    return generation;
                }
                assert!(!was_over, "a family moved after its end was answered");
                generation += 1;
            }
        });
        while load(&store, id).await.generation < 10 {
            tokio::task::yield_now().await;
        }
        store.revoke_family(id, RevokeReason::Operator, at(5)).await.unwrap();
        is_over.store(true, Ordering::SeqCst);
        let seen = load(&store, id).await;
        assert_eq!(seen.revoked, Some((at(5), RevokeReason::Operator)));
        let reached = rotating.await.unwrap();
        assert_eq!(load(&store, id).await, seen, "nothing moved after the revocation");
        assert_eq!(seen.generation, reached);
    });
}

#[test]
fn every_write_is_read_at_once_by_whoever_waited_for_it() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 16).await;
        let live = |id: FamilyId| {
            let store = store.clone();
            tokio::spawn(async move {
                for from in 0..60 {
                    store.rotate(&rotation(id, from)).await.unwrap();
                    assert_eq!(load(&store, id).await.generation, from + 1);
                    let jti =
                        Jti(bytes(u32::from_be_bytes(id.0[..4].try_into().unwrap()) * 100 + from));
                    store.revoke_access_token(jti, at(0)).await.unwrap();
                    assert!(store.is_access_token_revoked(jti).await.unwrap());
                }
            })
        };
        let tasks: Vec<_> = families.iter().map(|family| live(family.id)).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// What one task was answered, another one reads: a request after a response sees its effect. A write
/// that is on disk and not answered yet may be seen by one and not by the next.
#[test]
fn what_was_answered_to_one_is_read_by_all() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let id = sign_in(&store, &shop, 1).await[0].id;
        let (tell, told) = tokio::sync::watch::channel(0);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (store, told) = (store.clone(), told.clone());
                tokio::spawn(async move {
                    let mut reached = 0;
                    while reached < 200 {
                        let answered = *told.borrow();
                        let read = load(&store, id).await.generation;
                        assert!(read >= answered, "read {read} after {answered} was answered");
                        reached = reached.max(read);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for from in 0..200 {
            store.rotate(&rotation(id, from)).await.unwrap();
            tell.send(from + 1).unwrap();
        }
        for reader in readers {
            reader.await.unwrap();
        }
    });
}

/// The command line opens the store of a running server.
#[test]
fn what_another_process_writes_is_read_soon() {
    on_every_backend(async |place| {
        let server = place.open().await;
        let shop = register(&server).await;
        let id = sign_in(&server, &shop, 1).await[0].id;
        let command = place.open().await;
        assert_eq!(load(&command, id).await.generation, 0);

        let seen = server.revision().await.unwrap();
        command.end_client_sessions(&shop.id, at(1)).await.unwrap();
        soon("the revision", async || server.revision().await.unwrap() > seen).await;

        command.set_user_enabled(USER, false, at(2)).await.unwrap();
        let is_disabled = async || {
            let loaded = server.load_family(id).await.unwrap().unwrap();
            loaded.user.is_some_and(|user| !user.enabled)
        };
        soon("a disabled user", is_disabled).await;

        server.rotate(&rotation(id, 0)).await.unwrap();
        command.revoke_family(id, RevokeReason::Operator, at(3)).await.unwrap();
        let is_revoked = async || load(&server, id).await.revoked.is_some();
        soon("a revocation", is_revoked).await;
        assert_eq!(server.rotate(&rotation(id, 1)).await.unwrap(), Outcome::Conflict);
    });
}

#[test]
fn two_processes_that_write_at_once_lose_nothing() {
    on_every_backend(async |place| {
        let stores = [place.open().await, place.open().await];
        let shop = register(&stores[0]).await;
        let families = sign_in(&stores[0], &shop, 8).await;
        let live = |store: Store, id: FamilyId| {
            tokio::spawn(async move {
                for from in 0..25 {
                    assert_eq!(store.rotate(&rotation(id, from)).await.unwrap(), Outcome::Done);
                }
            })
        };
        let tasks: Vec<_> = families
            .iter()
            .enumerate()
            .map(|(n, family)| live(stores[n % 2].clone(), family.id))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        drop(stores);
        let reopened = place.open().await;
        for family in families {
            assert_eq!(load(&reopened, family.id).await.generation, 25);
        }
    });
}
