//! The same on PostgreSQL, as its own planner sees it. Left out where it is not installed.

use std::collections::BTreeMap;

use remint_testbed::{Database, postgres};
use rusqlite::Connection;
use tokio::runtime::Builder;
use tokio_postgres::types::{Kind, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{all, database, hot};
use crate::batch::Statement;
use crate::migrate;
use crate::postgres::{TUNE, dollars};

/// Runs a test on an empty database of the newest schema.
#[expect(clippy::needless_pass_by_value, reason = "so that tests are written in place")]
fn on_postgres(test: impl AsyncFn(Client, &Database)) {
    let Some(cluster) = postgres() else { return };
    let place = cluster.create_database();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (client, connection) = tokio_postgres::connect(&place.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        for step in migrate::missing(0) {
            client.batch_execute(step.postgres()).await.unwrap();
        }
        client.batch_execute(TUNE).await.unwrap();
        test(client, &place).await;
    });
}

/// Tells whether a value of ours can be of this type, or an array of it.
fn is_ours(of: &Type, array: bool) -> bool {
    let is_plain = |of: &Type| matches!(*of, Type::INT8 | Type::TEXT | Type::BYTEA);
    match of.kind() {
        Kind::Array(element) => array && is_plain(element),
        _ => !array && is_plain(of),
    }
}

#[test]
fn every_statement_prepares_on_postgresql_and_takes_the_types_that_are_bound() {
    on_postgres(async |client, _| {
        for statement in all() {
            let sql = dollars(statement.sql);
            let single = client.prepare(&sql).await.unwrap_or_else(|e| panic!("{e:?}: {sql}"));
            assert!(single.params().iter().all(|of| is_ours(of, false)), "{single:?}: {sql}");
            let Some(set) = statement.set else { continue };
            let many = client.prepare(set).await.unwrap_or_else(|e| panic!("{e:?}: {set}"));
            assert!(many.params().iter().all(|of| is_ours(of, true)), "{many:?}: {set}");
            assert_eq!(many.params().len(), single.params().len(), "{set}");
            // The number of the request comes last.
            let types = |of: &tokio_postgres::Statement| -> Vec<Type> {
                of.columns().iter().map(|column| column.type_().clone()).collect()
            };
            assert_eq!(types(&many), [types(&single), vec![Type::INT8]].concat(), "{set}");
        }
    });
}

/// The plan of a statement for values that are not known, one node or remark a line.
async fn plan(client: &Client, sql: &str) -> Vec<String> {
    let width = client.prepare(sql).await.unwrap().params().len();
    let nulls = vec!["NULL"; width].join(", ");
    let values = if width == 0 { String::new() } else { format!("({nulls})") };
    client.batch_execute(&format!("PREPARE it AS {sql}")).await.unwrap();
    let lines = client.simple_query(&format!("EXPLAIN (COSTS OFF) EXECUTE it{values}")).await;
    client.batch_execute("DEALLOCATE it").await.unwrap();
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|line| line.trim().to_owned()),
        _ => None,
    };
    lines.unwrap().iter().filter_map(line).collect()
}

/// Finds the nodes of a plan that read a table without being told where to look. An index that is read as a
/// whole is a scan as well.
fn scans(plan: &[String]) -> Vec<&String> {
    let is_index = |line: &str| line.contains("Index Scan") || line.contains("Index Only Scan");
    let is_scan = |(at, line): &(usize, &String)| {
        let has_condition = plan.get(at + 1).is_some_and(|next| next.starts_with("Index Cond:"));
        line.contains("Seq Scan") || line.contains("Bitmap") || is_index(line) && !has_condition
    };
    plan.iter().enumerate().filter(is_scan).map(|(_, line)| line).collect()
}

/// Whether rows are looked up one after another in the order of the arrays.
fn is_driven_by_arrays(plan: &[String]) -> bool {
    let others = ["Hash", "Merge", "Sort", "Materialize", "Memoize", "Gather"];
    let orders = plan.iter().all(|line| others.iter().all(|other| !line.contains(other)));
    let first = plan.iter().find(|line| line.contains("Scan") && !line.contains(" on meta"));
    let is_array = first.is_some_and(|line| line.contains("Function Scan"));
    orders && is_array && plan.iter().any(|line| line.contains("Nested Loop"))
}

async fn check_plans(client: &Client, when: &str) {
    for statement in hot() {
        let single = plan(client, &dollars(statement.sql)).await;
        let none: &[&String] = &[];
        assert_eq!(scans(&single), none, "{when}: {single:#?} of {}", statement.sql);
        let Some(set) = statement.set else { continue };
        let many = plan(client, set).await;
        assert_eq!(scans(&many), none, "{when}: {many:#?} of {set}");
        assert!(is_driven_by_arrays(&many), "{when}: {many:#?} of {set}");
    }
}

/// 5,000 rows in each table, whose columns hold what their types allow.
async fn fill(client: &Client) {
    for (table, columns) in server_tables(client).await {
        let value = |column: &Column| match column.kind.as_str() {
            "TEXT" => "'text ' || n",
            "BLOB" => "decode(lpad(to_hex(n), 32, '0'), 'hex')",
            _ => "n",
        };
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<_> = columns.iter().map(value).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        let sql = format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1, 5000) AS n"
        );
        client.batch_execute(&sql).await.unwrap();
    }
}

/// Plans are made when a statement is first used, which may be before there is a single row, and kept
/// for as long as the connection lives.
#[test]
fn no_hot_statement_scans_a_table_of_postgresql_however_many_rows_it_has() {
    on_postgres(async |client, _| {
        check_plans(&client, "empty").await;
        fill(&client).await;
        check_plans(&client, "full").await;
        client.batch_execute("ANALYZE").await.unwrap();
        check_plans(&client, "analyzed").await;
    });
}

#[derive(Debug, PartialEq, Eq)]
struct Column {
    name: String,
    /// As SQLite names it.
    kind: String,
    is_required: bool,
    /// Its place in the primary key, from 1; 0 for none.
    key: i64,
}

type Tables = BTreeMap<String, Vec<Column>>;
/// Whether it is unique, and its columns, by the table and the name.
type Indexes = BTreeMap<(String, String), (bool, String)>;

fn file_tables(db: &Connection) -> Tables {
    let sql = "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m \
        JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid";
    let mut tables = Tables::new();
    let mut rows = db.prepare(sql).unwrap();
    let mut rows = rows.query(()).unwrap();
    while let Some(row) = rows.next().unwrap() {
        tables.entry(row.get(0).unwrap()).or_default().push(Column {
            name: row.get(1).unwrap(),
            kind: row.get(2).unwrap(),
            is_required: row.get(3).unwrap(),
            key: row.get(4).unwrap(),
        });
    }
    tables
}

async fn server_tables(client: &Client) -> Tables {
    let sql = "SELECT c.relname::text, a.attname::text, a.atttypid::regtype::text, a.attnotnull, \
        coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)::bigint \
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
        AND NOT a.attisdropped LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
        ORDER BY c.relname, a.attnum";
    let mut tables = Tables::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let kind = match row.get(2) {
            "bigint" => "INTEGER",
            "bytea" => "BLOB",
            "text" => "TEXT",
            other => other,
        };
        tables.entry(row.get(0)).or_default().push(Column {
            name: row.get(1),
            kind: kind.to_owned(),
            is_required: row.get(3),
            key: row.get(4),
        });
    }
    tables
}

fn file_indexes(db: &Connection) -> Indexes {
    let sql = "SELECT m.name, l.name, l.\"unique\", group_concat(i.name) FROM sqlite_schema m \
        JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i \
        WHERE m.type = 'table' AND l.origin = 'c' GROUP BY m.name, l.name, l.\"unique\"";
    let mut rows = db.prepare(sql).unwrap();
    let index =
        |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?)));
    rows.query_map((), index).unwrap().collect::<Result<_, _>>().unwrap()
}

async fn server_indexes(client: &Client) -> Indexes {
    let sql = "SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, i.indisunique, \
        (SELECT string_agg(a.attname, ',' ORDER BY array_position(i.indkey::int2[], a.attnum)) \
         FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) \
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
        WHERE c.relnamespace = 'public'::regnamespace AND NOT i.indisprimary \
        AND i.indpred IS NULL AND i.indexprs IS NULL";
    let rows = client.query(sql, &[]).await.unwrap();
    let index = |row: &tokio_postgres::Row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)));
    rows.iter().map(index).collect()
}

#[test]
fn both_engines_have_the_same_tables_columns_and_indexes() {
    on_postgres(async |client, _| {
        let db = database();
        assert_eq!(server_tables(&client).await, file_tables(&db));
        assert_eq!(server_indexes(&client).await, file_indexes(&db));
    });
}

/// A refresh then finds room in the page of the row and touches no index.
#[test]
fn no_index_of_families_has_a_column_that_changes_and_its_pages_have_room() {
    on_postgres(async |client, _| {
        let changed = updated(families_updates());
        assert!(changed.contains(&"generation") && changed.contains(&"revoked_at"), "{changed:?}");
        let sql = "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a \
            ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
            WHERE i.indrelid = 'families'::regclass";
        let rows = client.query(sql, &[]).await.unwrap();
        let indexed: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(indexed.len(), 3, "{indexed:?}");
        assert!(indexed.iter().all(|column| !changed.contains(column)), "{indexed:?}");
        let whole = "SELECT count(*) FROM pg_index WHERE indrelid = 'families'::regclass \
            AND (indexprs IS NOT NULL OR indpred IS NOT NULL)";
        assert_eq!(client.query_one(whole, &[]).await.unwrap().get::<_, i64>(0), 0);
        let options = "SELECT reloptions::text[] FROM pg_class WHERE relname = 'families'";
        let options: Vec<String> = client.query_one(options, &[]).await.unwrap().get(0);
        assert_eq!(options, ["fillfactor=75"]);
    });
}

fn families_updates() -> impl Iterator<Item = &'static Statement> {
    all().copied().filter(|statement| statement.sql.starts_with("UPDATE families"))
}

/// The columns that statements set.
fn updated(statements: impl Iterator<Item = &'static Statement>) -> Vec<&'static str> {
    let set = |statement: &'static Statement| {
        let (_, rest) = statement.sql.split_once(" SET ").unwrap();
        let (set, _) = rest.split_once(" WHERE ").unwrap();
        set.split(", ").filter_map(|pair| Some(pair.split_once(" = ")?.0))
    };
    statements.flat_map(set).collect()
}
