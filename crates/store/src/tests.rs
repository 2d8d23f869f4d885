//! The substitute for a macro that checks queries: every statement prepares, the plan of every hot one never
//! scans, and both engines have the same schema.

mod postgres;

use rusqlite::Connection;

use crate::batch::Statement;
use crate::{
    access_tokens, browser_sessions, clients, consents, families, family_starts, guesses, keys,
    logout_notices, meta, migrate, nodes, secrets, signing_keys, users,
};

fn database() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    migrate::migrate_file(&mut db).unwrap();
    db
}

fn hot() -> impl Iterator<Item = &'static &'static Statement> {
    let tables = [
        access_tokens::HOT,
        browser_sessions::HOT,
        clients::HOT,
        consents::HOT,
        families::HOT,
        family_starts::HOT,
        guesses::HOT,
        logout_notices::HOT,
        meta::STATEMENTS,
        nodes::HOT,
        users::HOT,
    ];
    tables.into_iter().flatten()
}

fn all() -> impl Iterator<Item = &'static &'static Statement> {
    let cold =
        [clients::COLD, consents::COLD, keys::COLD, nodes::COLD, secrets::COLD, signing_keys::COLD];
    hot().chain(cold.into_iter().flatten())
}

#[test]
fn every_statement_prepares() {
    let db = database();
    for statement in all() {
        db.prepare(statement.sql).unwrap_or_else(|e| panic!("{e}: {}", statement.sql));
    }
}

#[test]
fn no_hot_statement_scans_a_table() {
    let db = database();
    for statement in hot() {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
        let width = plan.parameter_count();
        let none = vec![rusqlite::types::Null; width];
        let steps: Vec<String> = plan
            .query_map(rusqlite::params_from_iter(none), |row| row.get("detail"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        // The last one is what a statement itself has made, a row at a time.
        let fine = ["SCAN CONSTANT ROW", "SCAN waiting", "SCAN moments"];
        let is_scan = |step: &&String| step.starts_with("SCAN") && !fine.contains(&step.as_str());
        let scans: Vec<_> = steps.iter().filter(is_scan).collect();
        assert!(scans.is_empty(), "{scans:?} in {}", statement.sql);
    }
}

#[test]
fn a_database_of_another_program_and_one_from_the_future_are_refused_by_name() {
    let mut foreign = Connection::open_in_memory().unwrap();
    foreign.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let error = migrate::migrate_file(&mut foreign).unwrap_err();
    assert_eq!(error.to_string(), "the file is a database, but not one of Remint's");

    let mut newer = database();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let error = migrate::migrate_file(&mut newer).unwrap_err().to_string();
    assert!(
        error.contains("schema version 99") && error.contains("run the newer remint"),
        "{error}"
    );
}
