//! Real PostgreSQL servers for tests, and a network between them that fails on request. Every
//! server runs in a temporary directory of its own, on loopback, and goes away with the process
//! that started it, however that process ends. `http` is how tests speak to a server, `browser` what
//! one that walks through the pages needs of a browser, `pkce` the example of the RFC.
//!
//! Everything here panics when it cannot do what it is asked, with the server's log in the message.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "tests call this, and a panic is how a test says what went wrong"
)]

mod browser;
mod cluster;
mod database;
mod home;
pub mod http;
mod installation;
pub mod pkce;
mod processes;
mod proxy;
mod replication;
mod server;
mod threads;
mod wait;

use std::sync::OnceLock;

pub use browser::{Cookies, hidden};
pub use cluster::{Cluster, Stop};
pub use database::Database;
pub use proxy::Proxy;
pub use replication::Backup;
pub use threads::at_once;

use crate::installation::Installation;

/// Names a server to use in place of one started here: `postgres://user:password@host:port/db`.
const URL: &str = "REMINT_TEST_POSTGRES_URL";

/// The variable that makes tests fail which need PostgreSQL where it is absent; else they are left out.
const REQUIRED: &str = "REMINT_TEST_REQUIRE_POSTGRES";

/// The cluster that the tests of this process share, or none where PostgreSQL is not installed. It
/// does not survive a crash of the machine (`fsync` is off), and takes 300 connections.
///
/// With `REMINT_TEST_POSTGRES_URL` set it is the server at that URL, and databases are made there.
pub fn postgres() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            if let Some(url) = std::env::var_os(URL) {
                return Some(Cluster::at(url.to_str().expect("the URL is text")));
            }
            let settings = [
                ("fsync", "off"),
                ("full_page_writes", "off"),
                ("synchronous_commit", "on"),
                ("max_connections", "300"),
                ("max_wal_size", "256MB"),
            ];
            is_available().then(|| Cluster::start(&settings))
        })
        .as_ref()
}

/// Whether PostgreSQL is installed, so that [`Cluster::start`] works. Panics in place of `false`
/// when `REMINT_TEST_REQUIRE_POSTGRES` is set.
pub fn is_available() -> bool {
    let found = Installation::find().is_some();
    assert!(
        found || std::env::var_os(REQUIRED).is_none(),
        "{REQUIRED} is set, but no PostgreSQL is installed: there is no initdb in PATH or under \
         /usr/lib/postgresql (Debian's package is called postgresql)"
    );
    found
}
