//! Where the stores of the tests live. PostgreSQL is left out where it is not installed, unless the
//! environment demands it.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::Poll;
use std::thread::panicking;
use std::time::Duration;

use remint_protocol::family_id::FamilyId;
use remint_store::Store;
use remint_store::postgres::{RevocationCommit, Settings, Url};
use remint_testbed::Database;
use rusqlite::types::Value;
use rusqlite::{Connection, Params};
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OnceCell;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// An engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

const EVERY: &[Backend] = &[Backend::Sqlite, Backend::Postgres];

impl Backend {
    fn is_here(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres => remint_testbed::postgres().is_some(),
        }
    }
}

/// A fresh database, which goes away with this.
pub(crate) struct Place {
    backend: Backend,
    dir: TempDir,
    database: Option<Database>,
    /// Past the store; a process of `psql` for each dump would take most of the time.
    session: OnceCell<Client>,
}

/// The rows of a table with all their columns, as text that can only be compared.
pub(crate) type Dump = Vec<String>;

impl Place {
    pub(crate) fn new(backend: Backend) -> Self {
        let database = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => {
                remint_testbed::postgres().map(remint_testbed::Cluster::create_database)
            }
        };
        Self { backend, dir: tempfile::tempdir().unwrap(), database, session: OnceCell::new() }
    }

    /// A second fresh database of the same kind.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.backend)
    }

    /// A handle of its own, like another process would have.
    pub(crate) async fn open(&self) -> Store {
        match self.backend {
            Backend::Sqlite => Store::open(&self.file()).unwrap(),
            Backend::Postgres => {
                Store::migrate(self.settings()).await.unwrap();
                Store::connect(self.settings()).await.unwrap()
            }
        }
    }

    /// Whether each step waits for several answers of another process, so that random histories take
    /// most of the time of all tests.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.backend, Backend::Postgres)
    }

    /// How the database of PostgreSQL is reached.
    pub(crate) fn settings(&self) -> Settings {
        settings(&self.database().url())
    }

    /// The database of PostgreSQL.
    pub(crate) fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    /// Everything that is in a table, read past the store, in the order of the keys.
    pub(crate) fn dump(&self, table: &str) -> Dump {
        match self.backend {
            Backend::Sqlite => dump(&self.connect(), table, ()),
            Backend::Postgres => self.dump_server(table),
        }
    }

    /// One row of `families` with all its columns.
    pub(crate) fn dump_family(&self, id: FamilyId) -> Dump {
        match self.backend {
            Backend::Sqlite => dump(&self.connect(), "families WHERE id = ?1", [id.0]),
            Backend::Postgres => {
                let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
                self.dump_server(&format!("families WHERE id = '\\x{hex}'"))
            }
        }
    }

    /// Deletes all consents past the store.
    pub(crate) fn execute(&self, sql: &str) {
        match self.backend {
            Backend::Sqlite => self.connect().execute_batch(sql).unwrap(),
            Backend::Postgres => drop(self.database().execute(sql)),
        }
    }

    fn dump_server(&self, of: &str) -> Dump {
        let sql = format!("SELECT * FROM {of} ORDER BY 1");
        let dump = async {
            let client =
                self.session.get_or_init(|| async { session(&self.database().url()).await }).await;
            let answer = client.simple_query(&sql).await.unwrap();
            answer.iter().filter_map(text).collect()
        };
        block_in_place(|| Handle::current().block_on(dump))
    }

    /// The database file of SQLite.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("remint.db")
    }

    /// A connection to SQLite that the store does not know of.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }
}

/// How a database of PostgreSQL is reached in tests.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        url: Url::parse(url).unwrap(),
        ca_file: None,
        connections: 8,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(30),
        revocation_commit: RevocationCommit::Server,
    }
}

/// A connection to PostgreSQL that the store does not know of.
pub(crate) async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn text(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let columns: Vec<_> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
    Some(columns.join("|"))
}

fn dump(db: &Connection, of: &str, values: impl Params) -> Dump {
    let mut rows = db.prepare(&format!("SELECT * FROM {of} ORDER BY 1")).unwrap();
    let width = rows.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        (0..width).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()
    };
    rows.query_map(values, row).unwrap().map(|row| format!("{:?}", row.unwrap())).collect()
}

/// Says which backend a test failed on.
struct Announce(Backend);

impl Drop for Announce {
    fn drop(&mut self) {
        if panicking() {
            eprintln!("the backend was {:?}", self.0);
        }
    }
}

/// Runs a test on each backend.
pub(crate) fn on_every_backend(test: impl AsyncFn(Place)) {
    on_every_backend_by_hand(|place, runtime| runtime.block_on(test(place)));
}

/// Runs a test on each backend that says itself when it waits.
pub(crate) fn on_every_backend_by_hand(test: impl Fn(Place, Runtime)) {
    for backend in EVERY.iter().filter(|backend| backend.is_here()) {
        let _announce = Announce(*backend);
        test(Place::new(*backend), runtime());
    }
}

/// Runs a test that speaks of PostgreSQL's own ways.
pub(crate) fn on_postgres(test: impl AsyncFn(Place)) {
    if Backend::Postgres.is_here() {
        runtime().block_on(test(Place::new(Backend::Postgres)));
    }
}

/// Runs a test that speaks of files or locks.
pub(crate) fn on_sqlite(test: impl AsyncFn(Place)) {
    runtime().block_on(test(Place::new(Backend::Sqlite)));
}

/// Waits until something holds. The bound is for what never does: how soon it does is not measured.
pub(crate) async fn soon(what: &str, holds: impl AsyncFn() -> bool) {
    let looking = async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(Duration::from_mins(1), looking).await.is_ok(), "never: {what}");
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

/// Futures that were all begun, in their order, before the first of them is waited for.
pub(crate) struct Together<F: Future> {
    waiting: Vec<Begun<F>>,
}

/// A future, and its output once it is there.
type Begun<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

impl<F: Future> Together<F> {
    /// Begins all of them.
    pub(crate) async fn begin(futures: impl IntoIterator<Item = F>) -> Self {
        let waiting = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
        let mut all = Self { waiting };
        all.poll_once().await;
        all
    }

    /// Looks at each once, and gives how many are not answered yet.
    pub(crate) async fn poll_once(&mut self) -> usize {
        poll_fn(|context| {
            for (future, output) in self.waiting.iter_mut().filter(|(_, output)| output.is_none()) {
                if let Poll::Ready(done) = future.as_mut().poll(context) {
                    *output = Some(done);
                }
            }
            Poll::Ready(self.waiting.iter().filter(|(_, output)| output.is_none()).count())
        })
        .await
    }

    /// Waits for all of them.
    pub(crate) async fn finish(mut self) -> Vec<F::Output> {
        for (future, output) in &mut self.waiting {
            if output.is_none() {
                *output = Some(future.as_mut().await);
            }
        }
        self.waiting.into_iter().map(|(_, output)| output.unwrap()).collect()
    }
}

/// Begins all futures in their order, and waits for all of them.
pub(crate) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    Together::begin(futures).await.finish().await
}
