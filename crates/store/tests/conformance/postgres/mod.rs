//! What is true of PostgreSQL alone: networks and servers that fail, nodes that meet, primaries that
//! are lost. Left out where PostgreSQL is not installed.

mod changes;
mod durability;
mod faults;
mod migrations;
mod outages;
mod races;
mod soak;
mod timeline;
mod tls;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Mutex;
use std::time::Duration;

use remint_protocol::client::Client;
use remint_protocol::family::{Family, Rotation};
use remint_store::postgres::Settings;
use remint_store::{Error, OpenError, Outcome, Store};
use remint_testbed::{Cluster, Database, Proxy};
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::backend::{runtime, settings, soon};
use crate::samples::{load, register, rotated, rotation, sign_in, uncounted};

/// What tests start servers with that need not survive a crash of the machine.
const FAST: &[(&str, &str)] = &[("fsync", "off"), ("full_page_writes", "off")];

/// Runs a test on a server of its own.
fn on_cluster(test: impl AsyncFn(Cluster)) {
    if remint_testbed::is_available() {
        runtime().block_on(async { test(Cluster::start(FAST)).await });
    }
}

/// Settings that give up soon.
fn impatient(url: &str) -> Settings {
    let limit = Duration::from_millis(500);
    Settings { connect_timeout: limit, statement_timeout: limit, ..settings(url) }
}

/// Settings with one connection for each purpose, so that it is known which one is used.
fn narrow(url: &str) -> Settings {
    Settings { connections: 1, ..settings(url) }
}

/// The newest schema.
async fn open(url: &str) -> Store {
    Store::migrate(settings(url)).await.unwrap();
    Store::connect(settings(url)).await.unwrap()
}

/// The newest schema, with so many families of `shop` and `alice`.
async fn populated(url: &str, families: u32) -> (Store, Client, Vec<Family>) {
    let store = open(url).await;
    let shop = register(&store).await;
    let families = sign_in(&store, &shop, families).await;
    (store, shop, families)
}

fn place_in(url: &str) -> &str {
    let (_, rest) = url.split_once('@').or_else(|| url.split_once("://")).unwrap();
    rest.split('/').next().unwrap()
}

/// How connections name themselves that lead through a [`Proxy`].
const BEHIND: &str = "behind";

/// A network to the server of a URL, and the URL that leads through it.
fn proxied(url: &str) -> (Proxy, String) {
    let (place, mark) = (place_in(url), if url.contains('?') { '&' } else { '?' });
    let to: SocketAddr = place.to_socket_addrs().unwrap().next().unwrap();
    let proxy = Proxy::start(to);
    let through = url.replacen(place, &format!("127.0.0.1:{}", proxy.port()), 1);
    (proxy, format!("{through}{mark}application_name={BEHIND}"))
}

/// The answer to something that must not take forever.
async fn answered<T>(asked: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(1), asked).await.expect("it hangs")
}

fn cause<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unavailable { cause }) => cause,
        other => panic!("{other:?}"),
    }
}

/// Why the store cannot be opened.
async fn refused(settings: Settings) -> OpenError {
    answered(Store::connect(settings)).await.expect_err("it can be opened")
}

/// Checks a row against what its rotation was answered, and gives the row. What was not answered may
/// have happened, but wholly or not at all.
async fn check_answer(
    store: &Store,
    family: &Family,
    rotation: &Rotation,
    answer: &Result<Outcome, Error>,
) -> Family {
    let after = rotated(family, rotation);
    let found = load(store, family.id).await;
    match answer {
        Ok(Outcome::Done) => assert_eq!(found, after),
        Ok(Outcome::Conflict) => panic!("nobody else wrote"),
        Err(Error::Unavailable { .. }) => assert!(found == *family || found == after, "{found:?}"),
        Err(error) => panic!("{error}"),
    }
    found
}

/// Waits until the store rotates again by itself, and gives the row.
async fn works_again(store: &Store, family: &Family) -> Family {
    soon("it works again", async || {
        let from = load_if_possible(store, family).await;
        let Some(from) = from else { return false };
        matches!(store.rotate(&rotation(family.id, from.generation)).await, Ok(Outcome::Done))
    })
    .await;
    load_soon(store, family).await
}

/// The row, once every connection that was lost is there again.
async fn load_soon(store: &Store, family: &Family) -> Family {
    let found = Mutex::new(None);
    soon("it can be read", async || {
        let read = load_if_possible(store, family).await;
        let is_read = read.is_some();
        *found.lock().unwrap() = read;
        is_read
    })
    .await;
    found.into_inner().unwrap().unwrap()
}

async fn load_if_possible(store: &Store, family: &Family) -> Option<Family> {
    store.load_family(family.id).await.ok()?.map(|loaded| uncounted(loaded.family))
}

/// Waits until a condition on `pg_stat_activity` holds for no connection to a database.
async fn none(database: &Database, condition: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND pid <> pg_backend_pid() AND {condition}"
    );
    let is_none = async || block_in_place(|| database.execute(&sql)) == "0";
    soon("no connection", is_none).await;
}

/// Waits until so many connections to a database wait for locks.
async fn wait_for_locks(watcher: &tokio_postgres::Client, number: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND wait_event_type = 'Lock'";
    soon("they wait", async || {
        watcher.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == number
    })
    .await;
}
