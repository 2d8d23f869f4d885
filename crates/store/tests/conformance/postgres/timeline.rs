//! Failovers: the epoch rises with each of them, once, whoever looks first, and never falls. A client
//! that is ahead of its row is then told from a forger.

use std::process::Command;

use remint_store::{OpenError, Outcome, Store};
use remint_testbed::{Cluster, Stop};
use tokio::task::block_in_place;

use super::{FAST, answered, on_cluster, open, populated, proxied, refused};
use crate::backend::{on_postgres, settings, soon, together};
use crate::samples::rotation;

/// So many nodes that connect at once, and what each sees first.
async fn nodes(url: &str, number: u32) -> Vec<u16> {
    let connect = async || Store::connect(settings(url)).await.unwrap();
    let stores = answered(together((0..number).map(|_| connect()))).await;
    let mut epochs = Vec::new();
    for store in stores {
        epochs.push(store.epoch().await.unwrap());
    }
    epochs
}

#[test]
fn a_client_whose_rotation_a_failover_lost_is_seen_to_be_ahead_from_an_older_epoch() {
    on_cluster(async |primary| {
        let database = primary.create_database();
        let (proxy, url) = proxied(&database.url());
        let (store, _, families) = populated(&url, 2).await;
        let standby = block_in_place(|| {
            let standby = primary.standby("second");
            standby.catch_up();
            standby.hold_back();
            standby
        });
        let error = refused(settings(&standby.url(database.name()))).await;
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");

        let token = rotation(families[0].id, 0);
        assert_eq!(store.rotate(&token).await.unwrap(), Outcome::Done);
        let token_epoch = store.load_family(families[0].id).await.unwrap().unwrap().epoch;
        assert_eq!(token_epoch, 0);
        block_in_place(|| {
            primary.kill();
            standby.promote();
        });
        proxy.repoint(([127, 0, 0, 1], standby.port()).into());
        // The node that was there all the time, and others that come as it does.
        let loaded = async || store.load_family(families[0].id).await.ok().flatten();
        soon("the new primary answers", async || loaded().await.is_some()).await;
        let found = loaded().await.unwrap();
        assert!(found.family.generation < token.to, "it was lost");
        assert!(token_epoch < found.epoch, "and that is told in the same answer");
        assert_eq!(nodes(&url, 8).await, [1; 8]);
        soon("rotations go on", async || store.rotate(&token).await.is_ok()).await;
    });
}

#[test]
fn nodes_that_find_a_new_primary_all_at_once_raise_the_epoch_once() {
    on_cluster(async |cluster| {
        let database = cluster.create_database();
        drop(open(&database.url()).await);
        block_in_place(|| take_over(&cluster));
        assert_eq!(nodes(&database.url(), 12).await, [1; 12]);
        assert_eq!(nodes(&database.url(), 1).await, [1]);
    });
}

/// Begins a new timeline on the same server, as a replica does that takes over.
fn take_over(cluster: &Cluster) {
    cluster.execute("postgres", "COPY (SELECT) TO PROGRAM 'cat > standby.signal'");
    restart(cluster);
    cluster.promote();
}

fn restart(cluster: &Cluster) {
    cluster.stop(Stop::Fast);
    cluster.start_again();
}

#[test]
fn the_epoch_rises_with_each_timeline_and_not_with_a_restart_and_never_falls() {
    on_cluster(async |cluster| {
        let database = cluster.create_database();
        let url = database.url();
        // It stays open, and finds each new primary by itself.
        let (store, _, families) = populated(&url, 1).await;
        let happenings: [(&dyn Fn(), u16); 7] = [
            (&|| (), 0),
            (&|| restart(&cluster), 0),
            (&|| take_over(&cluster), 1),
            (&|| restart(&cluster), 1),
            (&|| take_over(&cluster), 2),
            // No node was there in between, or what it noted was lost.
            (&|| [0; 2].iter().for_each(|_| take_over(&cluster)), 4),
            (&|| drop(database.execute("UPDATE meta SET value = 99 WHERE name = 'timeline'")), 4),
        ];
        for (happens, epoch) in happenings {
            block_in_place(happens);
            soon("it answers", async || store.ping().await.is_ok()).await;
            let loaded = store.load_family(families[0].id).await.unwrap().unwrap();
            assert_eq!((loaded.epoch, store.epoch().await.unwrap()), (epoch, epoch));
            assert_eq!(nodes(&url, 3).await, [epoch; 3]);
        }
    });
}

/// The text of a database, as an operator moves it to another server.
fn dump(cluster: &Cluster, url: &str) -> String {
    let directory =
        cluster.execute("postgres", "SELECT setting FROM pg_config WHERE name = 'BINDIR'");
    let dump = Command::new(format!("{directory}/pg_dump")).arg(url).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    String::from_utf8(dump.stdout).unwrap()
}

#[test]
fn a_database_that_was_dumped_and_restored_elsewhere_raises_the_epoch_once() {
    on_postgres(async |place| {
        if !remint_testbed::is_available() {
            return;
        }
        let old = block_in_place(|| Cluster::start(FAST));
        let original = old.create_database();
        let (store, _, families) = populated(&original.url(), 3).await;
        let dump = block_in_place(|| dump(&old, &original.url()));
        // What came after the dump is lost.
        let token = rotation(families[0].id, 0);
        assert_eq!(store.rotate(&token).await.unwrap(), Outcome::Done);

        place.database().execute(&dump);
        assert_eq!(nodes(&place.database().url(), 4).await, [1; 4]);
        let restored = Store::connect(settings(&place.database().url())).await.unwrap();
        let loaded = restored.load_family(families[0].id).await.unwrap().unwrap();
        assert_eq!((loaded.family.generation, loaded.epoch), (0, 1));
        assert_eq!(restored.rotate(&token).await.unwrap(), Outcome::Done);
        assert_eq!(nodes(&place.database().url(), 4).await, [1; 4]);
        assert_eq!(store.epoch().await.unwrap(), 0, "of the old one");
    });
}
