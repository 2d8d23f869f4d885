//! Refreshing for long takes no room: rows change within their pages.

use remint_store::{Outcome, Store};
use remint_testbed::{Cluster, Database};
use tokio::task::block_in_place;

use super::{FAST, none, populated};
use crate::backend::{soon, together};
use crate::samples::rotation;

/// How many families, and how many rotations of all of them.
struct Soak {
    families: u32,
    rotations: u32,
    /// When the table has its size for good.
    settled: u32,
}

fn number(database: &Database, sql: &str) -> u64 {
    database.execute(sql).parse().unwrap_or(0)
}

/// The table with its indexes.
fn size(database: &Database) -> u64 {
    number(database, "SELECT pg_total_relation_size('families')")
}

/// As of a server that is used as it comes, but that vacuums as often as one with more traffic.
fn soak(of: &Soak) {
    if !remint_testbed::is_available() {
        return;
    }
    let vacuum = [("autovacuum_naptime", "1s"), ("autovacuum_vacuum_cost_delay", "0")];
    crate::backend::runtime().block_on(async {
        let cluster = block_in_place(|| Cluster::start(&[FAST, &vacuum].concat()));
        let database = cluster.create_database();
        let (store, _, families) = populated(&database.url(), of.families).await;
        let rounds = of.rotations / of.families;
        let mut settled = 0;
        for from in 0..rounds {
            let rotations: Vec<_> = families.iter().map(|f| rotation(f.id, from)).collect();
            for piece in rotations.chunks(1_000) {
                for answer in together(piece.iter().map(|rotation| store.rotate(rotation))).await {
                    assert_eq!(answer.unwrap(), Outcome::Done);
                }
            }
            if (from + 1) * of.families == of.settled {
                settled = size(&database);
            }
        }
        let [updates, hot] = updates(&store, &database, of.rotations).await;
        assert!(hot * 100 >= updates * 95, "{hot} of {updates} updates stayed within their page");
        let end = size(&database);
        eprintln!(
            "{hot} of {updates} updates stayed within their page; {settled} bytes, {end} at the end"
        );
        assert!(end <= 2 * settled, "{settled} bytes grew to {end}");
    });
}

/// How many updates there were, and how many of them within a page. They are counted once the
/// connections are closed.
async fn updates(store: &Store, database: &Database, all: u32) -> [u64; 2] {
    store.close().await;
    let of = |what: &str| {
        let sql = format!("SELECT {what} FROM pg_stat_user_tables WHERE relname = 'families'");
        number(database, &sql)
    };
    none(database, "backend_type = 'client backend'").await;
    soon("all are counted", async || of("n_tup_upd") >= u64::from(all)).await;
    [of("n_tup_upd"), of("n_tup_hot_upd")]
}

#[test]
fn a_table_does_not_grow_by_20_000_rotations_of_200_families() {
    soak(&Soak { families: 200, rotations: 20_000, settled: 1_000 });
}

#[test]
#[ignore = "takes minutes: make soak"]
fn soak_of_1_000_000_rotations_of_10_000_families() {
    soak(&Soak { families: 10_000, rotations: 1_000_000, settled: 50_000 });
}
