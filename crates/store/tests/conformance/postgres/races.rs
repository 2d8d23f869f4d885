//! Several nodes at once: each rotation is done once, no deadlock and no conflict of transactions
//! reaches the caller, and what is revoked stays so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use remint_protocol::family::{Family, RevokeReason};
use remint_protocol::family_id::FamilyId;
use remint_store::{Outcome, Store};
use remint_testbed::Database;

use super::{answered, cause, impatient, none, populated, proxied, wait_for_locks, works_again};
use crate::backend::{on_postgres, session, settings, soon, together};
use crate::samples::{USER, at, client, load, rotation};

/// How many deadlocks a database has had. They are counted once the connections are closed.
async fn deadlocks(stores: &[Store], database: &Database) -> u32 {
    for store in stores {
        store.close().await;
    }
    none(database, "true").await;
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    database.execute(sql).parse().unwrap()
}

/// Lets two nodes rotate the same families, each in an order of its own, and gives how many rotations
/// either has done.
async fn compete(stores: [&Store; 2], families: &[Family], generations: u32) -> [usize; 2] {
    let mut won = [0, 0];
    for from in 0..generations {
        let node = |store: &Store, order: Vec<FamilyId>| {
            let store = store.clone();
            tokio::spawn(async move {
                let rotations: Vec<_> = order.iter().map(|id| rotation(*id, from)).collect();
                together(rotations.iter().map(|rotation| store.rotate(rotation))).await
            })
        };
        let up: Vec<_> = families.iter().map(|family| family.id).collect();
        let down: Vec<_> = up.iter().rev().copied().collect();
        let [up, down] = [node(stores[0], up), node(stores[1], down)];
        let (up, mut down) = (answered(up).await.unwrap(), answered(down).await.unwrap());
        down.reverse();
        for (family, (a, b)) in families.iter().zip(up.into_iter().zip(down)) {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_ne!(a, b, "of {:?} from {from}", family.id);
            won[usize::from(b == Outcome::Done)] += 1;
        }
    }
    won
}

#[test]
fn two_nodes_rotate_the_same_500_families_once_each_and_never_wait_for_each_other_in_a_circle() {
    on_postgres(async |place| {
        let url = place.database().url();
        let (first, _, families) = populated(&url, 500).await;
        let second = Store::connect(settings(&url)).await.unwrap();
        let won = compete([&first, &second], &families, 8).await;
        assert!(won.iter().all(|won| *won > 0), "no race: {won:?}");
        for family in &families {
            assert_eq!(load(&first, family.id).await.generation, 8);
        }
        assert_eq!(deadlocks(&[first, second], place.database()).await, 0);
    });
}

/// As a database may be set up by its operator for all its programs.
#[test]
fn nodes_of_a_database_with_stricter_isolation_hear_of_no_serialization_failure() {
    for isolation in ["repeatable read", "serializable"] {
        on_postgres(async |place| {
            let (database, url) = (place.database(), place.database().url());
            database.execute(&format!(
                "ALTER DATABASE {} SET default_transaction_isolation = '{isolation}'",
                database.name()
            ));
            let (first, shop, families) = populated(&url, 100).await;
            let second = Store::connect(settings(&url)).await.unwrap();
            compete([&first, &second], &families, 8).await;
            // The same row of the counters, which every change of a client raises.
            let changes = (0..40).map(|n| {
                let store = if n % 2 == 0 { &first } else { &second };
                store.end_client_sessions(&shop.id, at(n))
            });
            for change in answered(together(changes)).await {
                assert_eq!(change.unwrap(), Outcome::Done);
            }
            assert_eq!(first.revision().await.unwrap(), 41);
        });
    }
}

#[test]
fn a_rotation_or_revocation_that_a_deadlock_rolled_back_is_done_after_it() {
    on_postgres(async |place| {
        let (database, url) = (place.database(), place.database().url());
        // Who waits first looks first, and gives way: that is the store.
        let limit = "SET deadlock_timeout = '400ms'";
        database.execute(&format!("ALTER DATABASE {} {limit}", database.name()));
        let (store, shop, families) = populated(&url, 40).await;
        let store_of = || store.clone();
        let (low, high) = (families[0].id, families[39].id);
        let lock = |id: FamilyId| {
            format!(
                "SELECT FROM families WHERE id = '\\x{:032x}' FOR UPDATE",
                u128::from_be_bytes(id.0)
            )
        };
        for _ in 0..2 {
            let (other, watcher) = (session(&url).await, session(&url).await);
            other.batch_execute("SET deadlock_timeout = '1h'; BEGIN").await.unwrap();
            other.batch_execute(&lock(high)).await.unwrap();
            // In one group, and so in one statement, which has all rows but the last one.
            let from = load(&store, low).await.generation;
            let (rotator, ids) = (store_of(), families.iter().map(|f| f.id).collect::<Vec<_>>());
            let rotations = tokio::spawn(async move {
                let rotations: Vec<_> = ids.iter().map(|id| rotation(*id, from)).collect();
                together(rotations.iter().map(|rotation| rotator.rotate(rotation))).await
            });
            wait_for_locks(&watcher, 1).await;
            other.batch_execute(&lock(low)).await.unwrap();
            other.batch_execute("COMMIT").await.unwrap();
            for answer in answered(rotations).await.unwrap() {
                assert_eq!(answer.unwrap(), Outcome::Done);
            }
        }
        // A transaction of several statements: the client's row, and then the counter.
        let (other, watcher) = (session(&url).await, session(&url).await);
        other.batch_execute("SET deadlock_timeout = '1h'; BEGIN").await.unwrap();
        other.batch_execute("SELECT FROM meta FOR UPDATE").await.unwrap();
        let (writer, id) = (store_of(), shop.id.clone());
        let end = tokio::spawn(async move { writer.end_client_sessions(&id, at(5)).await });
        wait_for_locks(&watcher, 1).await;
        other.batch_execute("SELECT FROM clients FOR UPDATE").await.unwrap();
        other.batch_execute("COMMIT").await.unwrap();
        assert_eq!(answered(end).await.unwrap().unwrap(), Outcome::Done);
        assert_eq!(store.find_client("shop").await.unwrap().unwrap().ended.at, at(5));
        drop((other, watcher));
        assert!(deadlocks(&[store], database).await >= 1, "nothing was in the way");
    });
}

#[test]
fn of_the_same_rotation_many_times_in_one_group_one_is_done() {
    on_postgres(async |place| {
        let (store, _, families) = populated(&place.database().url(), 3).await;
        for from in 0..10 {
            let same: Vec<_> =
                (0..60).map(|n| rotation(families[n % families.len()].id, from)).collect();
            let answers = together(same.iter().map(|rotation| store.rotate(rotation))).await;
            let done = answers.iter().filter(|answer| *answer.as_ref().unwrap() == Outcome::Done);
            assert_eq!(done.count(), families.len());
        }
        for family in &families {
            assert_eq!(load(&store, family.id).await.generation, 10);
        }
    });
}

#[test]
fn what_one_node_has_revoked_no_other_moves() {
    on_postgres(async |place| {
        let url = place.database().url();
        let (first, _, families) = populated(&url, 60).await;
        let second = Store::connect(settings(&url)).await.unwrap();
        let is_over: Arc<Vec<_>> =
            Arc::new(families.iter().map(|_| AtomicBool::new(false)).collect());
        let rotating = families.iter().enumerate().map(|(n, family)| {
            let (store, is_over, id) = (first.clone(), Arc::clone(&is_over), family.id);
            tokio::spawn(async move {
                for generation in 0.. {
                    let was_over = is_over[n].load(Ordering::SeqCst);
                    match store.rotate(&rotation(id, generation)).await.unwrap() {
                        Outcome::Done => assert!(!was_over, "it moved after its end was answered"),
                        Outcome::Conflict => return generation,
                    }
                }
                unreachable!()
            })
        });
        let rotating: Vec<_> = rotating.collect();
        soon("they move", async || load(&first, families[59].id).await.generation > 2).await;
        let ends = families.iter().zip(&*is_over).map(async |(family, is_over)| {
            second.revoke_family(family.id, RevokeReason::Operator, at(5)).await.unwrap();
            is_over.store(true, Ordering::SeqCst);
            load(&second, family.id).await
        });
        let seen = answered(together(ends)).await;
        for (seen, task) in seen.iter().zip(rotating) {
            assert_eq!(seen.generation, answered(task).await.unwrap());
            assert_eq!(load(&first, seen.id).await, *seen);
            assert_eq!(seen.revoked, Some((at(5), RevokeReason::Operator)));
        }
    });
}

/// Its network is gone, not it: the server waits for the rest of its transaction.
#[test]
fn a_node_that_falls_silent_within_a_transaction_holds_up_the_others_for_a_while_only() {
    on_postgres(async |place| {
        let url = place.database().url();
        let (direct, shop, families) = populated(&url, 1).await;
        let (proxy, through) = proxied(&url);
        let silent = Store::connect(impatient(&through)).await.unwrap();
        let other = session(&url).await;
        other.batch_execute("BEGIN; SELECT FROM meta FOR UPDATE").await.unwrap();
        let (writer, watcher) = (silent.clone(), session(&url).await);
        let change = tokio::spawn(async move { writer.create_client(&client("new")).await });
        wait_for_locks(&watcher, 1).await;
        proxy.freeze(true);
        // It has what it waited for, and nobody is there to say so to.
        other.batch_execute("COMMIT").await.unwrap();
        cause(answered(change).await.unwrap());
        let end = direct.end_client_sessions(&shop.id, at(5));
        assert_eq!(answered(end).await.unwrap(), Outcome::Done);
        assert!(direct.load_user(USER).await.unwrap().is_some());
        works_again(&direct, &families[0]).await;
        assert_eq!(direct.find_client("new").await.unwrap(), None);
    });
}
