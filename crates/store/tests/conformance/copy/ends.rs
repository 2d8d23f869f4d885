//! A store that is copied and one that it is copied to.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use remint_protocol::keyring::Fingerprint;
use remint_store::{Copied, Outcome, Store};
use tokio::runtime::Builder;

use crate::backend::{Backend, Place};
use crate::samples::at;

/// A fresh database, open.
pub(super) struct End {
    backend: Backend,
    pub(super) place: Place,
    pub(super) store: Store,
}

/// A row as text that is the same on every engine.
pub(super) type Rows = Vec<String>;

impl End {
    pub(super) async fn new(backend: Backend) -> Self {
        let place = Place::new(backend);
        let store = place.open().await;
        Self { backend, place, store }
    }

    /// Another fresh one of the same engine.
    pub(super) async fn another(&self) -> Self {
        Self::new(self.backend).await
    }

    /// Runs statements past the store.
    pub(super) fn execute(&self, sql: &str) {
        match self.backend {
            Backend::Sqlite => self.place.connect().execute_batch(sql).unwrap(),
            Backend::Postgres => drop(self.place.database().execute(sql)),
        }
    }

    /// The rows of a query past the store.
    pub(super) fn query(&self, sql: &str) -> Rows {
        match self.backend {
            Backend::Sqlite => query(&self.place.connect(), sql),
            Backend::Postgres => {
                self.place.database().execute(sql).lines().map(str::to_owned).collect()
            }
        }
    }

    /// Every table of the schema.
    pub(super) fn tables(&self) -> Rows {
        self.query(match self.backend {
            Backend::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
            Backend::Postgres => {
                "SELECT table_name FROM information_schema.tables \
                 WHERE table_schema = 'public' ORDER BY 1"
            }
        })
    }

    /// The columns of a table, each with its type and whether it may be null.
    pub(super) fn columns(&self, table: &str) -> Vec<(String, String, bool)> {
        let rows = self.query(&match self.backend {
            Backend::Sqlite => format!(
                "SELECT name, lower(type), CASE \"notnull\" WHEN 1 THEN 'NO' ELSE 'YES' END \
                 FROM pragma_table_info('{table}')"
            ),
            Backend::Postgres => format!(
                "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}'"
            ),
        });
        let column = |row: String| {
            let [name, kind, null] = row.split('|').collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            (name.to_owned(), kind.to_owned(), null == "YES")
        };
        rows.into_iter().map(column).collect()
    }

    /// What a table holds, with all its columns in the order of their names.
    pub(super) fn rows(&self, table: &str) -> Rows {
        let mut names: Vec<_> = self.columns(table).into_iter().map(|column| column.0).collect();
        names.sort();
        let mut rows = self.query(&format!("SELECT {} FROM {table}", names.join(", ")));
        rows.sort();
        rows
    }

    /// Everything that is copied.
    pub(super) fn contents(&self) -> Vec<(String, Rows)> {
        let mut tables = self.tables();
        tables.retain(|table| !["logout_notices", "meta", "nodes"].contains(&table.as_str()));
        tables.into_iter().map(|table| (table.clone(), self.rows(&table))).collect()
    }

    /// Lets what is inserted into a table vanish from now on.
    pub(super) fn swallow(&self, table: &str) {
        self.execute(&match self.backend {
            Backend::Sqlite => format!(
                "CREATE TRIGGER swallow BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END;"
            ),
            Backend::Postgres => format!(
                "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN RETURN NULL; END'; \
                 CREATE TRIGGER swallow BEFORE INSERT ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION swallow();"
            ),
        });
    }

    /// Makes root keys known, the first of which seals.
    pub(super) async fn add_keys(&self, kids: &[u8]) {
        for kid in kids {
            self.add_key(*kid, *kid).await;
        }
        assert_eq!(self.store.activate_key(kids[0], at(-1_000)).await.unwrap(), Outcome::Done);
    }

    pub(super) async fn add_key(&self, kid: u8, print: u8) {
        let added = self.store.add_key(kid, Fingerprint([print; 16]), at(-1_000)).await.unwrap();
        assert_eq!(added, Outcome::Done);
    }

    /// Copies this one to another.
    #[track_caller]
    pub(super) fn copy_to(&self, target: &Self) -> impl Future<Output = Vec<Copied>> {
        let copying = self.store.copy_to(&target.store, |_| {});
        async move { copying.await.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Copies this one to another, which must be refused; and nothing is written.
    pub(super) async fn refused_by(&self, target: &Self) -> String {
        let before = (target.contents(), target.rows("meta"));
        let error = self.store.copy_to(&target.store, |_| {}).await.unwrap_err();
        assert_eq!((target.contents(), target.rows("meta")), before);
        error.to_string()
    }
}

fn query(db: &rusqlite::Connection, sql: &str) -> Rows {
    use rusqlite::types::Value;
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("\\x{hex}")
        }
    };
    let mut rows = db.prepare(sql).unwrap();
    let width = rows.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        (0..width).map(|at| row.get(at).map(text)).collect::<Result<Vec<_>, _>>()
    };
    rows.query_map((), row).unwrap().map(|row| row.unwrap().join("|")).collect()
}

/// Runs a test from each engine to each.
pub(super) fn between_all_engines(test: impl AsyncFn(End, End)) {
    use Backend::{Postgres, Sqlite};
    let all = [(Sqlite, Sqlite), (Sqlite, Postgres), (Postgres, Sqlite), (Postgres, Postgres)];
    let has_server = remint_testbed::postgres().is_some();
    for (from, to) in all {
        if has_server || matches!((from, to), (Sqlite, Sqlite)) {
            eprintln!("from {from:?} to {to:?}");
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(async {
                test(End::new(from).await, End::new(to).await).await;
            });
        }
    }
}

/// Drives a future until it is done, or else drops it once that is enough.
pub(super) async fn unless<T>(
    is_enough: impl Fn() -> bool,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if is_enough() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
