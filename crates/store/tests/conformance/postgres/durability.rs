//! What an answer means: a rotation is on the primary's disk, and what must outlive a failover is also
//! where the cluster says that it must be.

use std::time::Duration;

use remint_protocol::family::RevokeReason;
use remint_store::postgres::{RevocationCommit, Settings};
use remint_store::{Outcome, Store};
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::{answered, on_cluster, populated};
use crate::backend::{Together, settings, soon};
use crate::samples::{USER, at, family, load, rotation};

/// No longer than anything takes that waits for nobody.
const A_WHILE: Duration = Duration::from_millis(300);

/// Stores whose revocations are as durable as they are told to make them, with their connections.
async fn store(url: &str, revocation_commit: RevocationCommit) -> Store {
    let settings = Settings { connections: 1, revocation_commit, ..settings(url) };
    Store::connect(settings).await.unwrap()
}

#[test]
fn a_revocation_waits_for_the_synchronous_replica_and_a_rotation_for_nobody() {
    on_cluster(async |primary| {
        // Not one that is dropped in the end, which would wait for the standby as well.
        let url = primary.url("postgres");
        let (first, shop, families) = populated(&url, 8).await;
        let standby = block_in_place(|| primary.standby("second"));
        primary.execute(
            "postgres",
            "ALTER SYSTEM SET synchronous_standby_names = 'second'; SELECT pg_reload_conf()",
        );
        let is_waited_for = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        soon("it is waited for", async || primary.execute("postgres", is_waited_for) == "1").await;
        for (n, level) in RevocationCommit::ALL.into_iter().enumerate() {
            let (id, other) = (families[2 * n].id, families[2 * n + 1].id);
            let store = store(&url, level).await;
            assert_eq!(store.rotate(&rotation(id, 0)).await.unwrap(), Outcome::Done);
            block_in_place(|| standby.hold_back());
            let revoke = store.revoke_family(id, RevokeReason::Operator, at(9));
            let mut waiting = Together::begin([revoke]).await;
            assert_eq!(answered(store.rotate(&rotation(other, 0))).await.unwrap(), Outcome::Done);
            assert_eq!(load(&first, other).await.generation, 1);
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(waiting.poll_once().await, 1, "{level:?} waits for nobody");
            standby.let_go();
            assert_eq!(answered(waiting.finish()).await.remove(0).unwrap(), Outcome::Done);
            assert!(load(&first, id).await.revoked.is_some());
        }
        block_in_place(|| standby.hold_back());
        let insert = family(99, &shop, USER);
        let insert = timeout(A_WHILE, first.insert_family(&insert, None)).await;
        assert!(insert.is_err(), "a session that begins must not be lost either");
    });
}

/// The server's own writer comes round so rarely that what was not waited for is not there.
#[test]
fn what_was_answered_outlives_a_crash_even_where_the_server_waits_for_no_disk() {
    on_cluster(async |cluster| {
        let database = cluster.create_database();
        cluster.execute(
            "postgres",
            "ALTER SYSTEM SET synchronous_commit = off; \
             ALTER SYSTEM SET wal_writer_delay = '10s'; \
             ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf()",
        );
        let url = database.url();
        let (first, _, families) = populated(&url, 40).await;
        first.close().await;
        let store = store(&url, RevocationCommit::Server).await;
        for (n, family) in families.iter().enumerate() {
            let is_rotation = n % 2 == 0;
            let outcome = if is_rotation {
                store.rotate(&rotation(family.id, 0)).await
            } else {
                store.revoke_family(family.id, RevokeReason::Operator, at(9)).await
            };
            assert_eq!(outcome.unwrap(), Outcome::Done);
            if n % 10 < 8 {
                continue;
            }
            block_in_place(|| {
                cluster.kill();
                cluster.start_again();
            });
            soon("it answers", async || store.ping().await.is_ok()).await;
            let found = load(&store, family.id).await;
            let is_there =
                if is_rotation { found.generation == 1 } else { found.revoked.is_some() };
            assert!(is_there, "{n}: {found:?}");
        }
    });
}
