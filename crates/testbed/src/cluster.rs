//! A PostgreSQL server as tests see it.

use std::env::temp_dir;
use std::fs::OpenOptions;
use std::io::Write;

use crate::database::{Address, Database};
use crate::home::{Home, fast_directory};
use crate::installation::Installation;
use crate::proxy::Proxy;
use crate::server::Server;

/// Set before what the caller sets. Dynamic shared memory is kept in files of the directory, so
/// that a server that is killed leaves none behind. A standby asks often, and finds what it needs
/// even when it was held back for long.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("dynamic_shared_memory_type", "mmap"),
    ("wal_retrieve_retry_interval", "100ms"),
    ("wal_keep_size", "1GB"),
    ("log_line_prefix", "%m [%p] %q%a %d "),
];

/// The ways to stop a server that is not to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Transactions are rolled back, everything is written, then the server ends.
    Fast,
    /// The server ends at once and has to recover when it starts again.
    Immediate,
}

/// A PostgreSQL server with its databases. It is stopped and removed together with this value, or
/// with the process.
#[must_use = "the server goes away with it"]
pub struct Cluster {
    pub(crate) address: Address,
    /// None for a server that somebody else runs.
    server: Option<Server>,
    /// The link by which a standby reaches its primary.
    pub(crate) link: Option<Proxy>,
}

impl Cluster {
    /// A new cluster with these settings, in `postgresql.conf`. Unless they say otherwise, all that
    /// is committed survives a crash.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let may_be_lost = settings.contains(&("fsync", "off"));
        let home = Home::new(&if may_be_lost { fast_directory() } else { temp_dir() });
        let initdb = Installation::get().program("initdb");
        let data = home.data();
        let user = ["-U", "remint", "-A", "trust", "-E", "UTF8", "--locale=C"];
        let mut words = vec![initdb.as_str(), "-D", &data, "--no-sync"];
        words.extend(user);
        home.run(&words);
        append(&home, "postgresql.conf", SETTINGS);
        append(&home, "postgresql.conf", settings);
        Self::run(home, None)
    }

    pub(crate) fn run(home: Home, link: Option<Proxy>) -> Self {
        let server = Server::start(home);
        Self { address: Address::local(server.port), server: Some(server), link }
    }

    /// The server that somebody runs at this URL.
    pub(crate) fn at(url: &str) -> Self {
        Self { address: Address::parse(url), server: None, link: None }
    }

    /// The port that the server listens on, on loopback.
    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// Returns the URL of a database of this cluster.
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// A new and empty database.
    pub fn create_database(&self) -> Database {
        Database::create(&self.address)
    }

    /// Runs SQL statements, each as a transaction of its own unless they say otherwise. The answer
    /// is one line for each row, with `|` between columns.
    pub fn execute(&self, database: &str, sql: &str) -> String {
        self.address.execute(database, sql)
    }

    /// The same, with the message of `psql` when it fails.
    pub fn try_execute(&self, database: &str, sql: &str) -> Result<String, String> {
        self.address.try_execute(database, sql)
    }

    /// Stops the server and waits for its end.
    pub fn stop(&self, mode: Stop) {
        self.server().stop(match mode {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        });
    }

    /// Kills all processes of the server, and waits for their end.
    pub fn kill(&self) {
        self.server().kill();
    }

    /// Starts the server that was stopped or killed, on the same port, and waits until it accepts
    /// connections.
    pub fn start_again(&self) {
        self.server().start_again();
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("a server of the tests' own, not one named by its URL")
    }
}

/// Adds settings to a file in the data directory; the last one counts.
pub(crate) fn append(home: &Home, file: &str, settings: &[(&str, &str)]) {
    let path = format!("{}/{file}", home.data());
    let mut file = OpenOptions::new().append(true).open(&path).expect(&path);
    for (name, value) in settings {
        let value = value.replace('\\', r"\\").replace('\'', "''");
        writeln!(file, "{name} = '{value}'").expect(&path);
    }
}
