//! The schema: brought up to date once, wholly or not at all, while nodes of the version before run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use remint_store::{Error, OpenError, Outcome, Store};
use remint_testbed::Database;
use tokio::task::JoinHandle;

use super::{answered, refused, wait_for_locks};
use crate::backend::{on_postgres, session, settings, soon, together};
use crate::samples::{at, client, load, register, rotation, sign_in};

const FIRST: &str = include_str!("../../../migrations/postgres/0001_init.sql");

/// As the first version left it.
fn begin_with_the_first_version(database: &Database) {
    database.execute(&format!("{FIRST}; INSERT INTO meta (name, value) VALUES ('schema', 1)"));
}

async fn newest(database: &Database) -> i64 {
    Store::missing_migrations(settings(&database.url())).await.unwrap().last().unwrap().version
}

/// Everything that a schema has, by name.
fn contents(database: &Database) -> String {
    database.execute(
        "SELECT relkind, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace \
         UNION ALL SELECT 'f', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
         ORDER BY 1, 2",
    )
}

#[test]
fn eight_nodes_that_migrate_an_empty_database_at_once_do_it_once() {
    for isolation in ["read committed", "repeatable read"] {
        on_postgres(async |place| {
            let database = place.database();
            database.execute(&format!(
                "ALTER DATABASE {} SET default_transaction_isolation = '{isolation}'",
                database.name()
            ));
            let all = newest(database).await;
            let (other, watcher) = (session(&database.url()).await, session(&database.url()).await);
            other.batch_execute("BEGIN; CREATE TABLE meta (n INT)").await.unwrap();
            let url = database.url();
            let migrate = (0..8).map(|_| tokio::spawn(Store::migrate(settings(&url))));
            let migrate: Vec<_> = migrate.collect();
            // All have begun before any can go on.
            wait_for_locks(&watcher, 8).await;
            other.batch_execute("ROLLBACK").await.unwrap();
            let mut steps = Vec::new();
            for taken in answered(together(migrate)).await {
                let taken = taken.unwrap();
                steps.extend(taken.unwrap().iter().map(|step| step.version));
            }
            assert_eq!(steps, (1..=all).collect::<Vec<_>>());
            assert!(Store::missing_migrations(settings(&database.url())).await.unwrap().is_empty());
            let store = Store::connect(settings(&database.url())).await.unwrap();
            assert_eq!(store.create_client(&client("shop")).await.unwrap(), Outcome::Done);
        });
    }
}

#[test]
fn a_schema_of_another_version_is_refused_with_both_versions_and_what_to_do() {
    on_postgres(async |place| {
        let (database, settings) = (place.database(), settings(&place.database().url()));
        let all = newest(database).await;
        let error = refused(settings.clone()).await.to_string();
        let run = "run `remint migrate`, or set store.migrate_on_start";
        let needs = format!("this remint needs version {all}: {run}");
        assert_eq!(error, format!("the database has schema version 0, {needs}"));
        begin_with_the_first_version(database);
        let error = refused(settings.clone()).await.to_string();
        assert_eq!(error, format!("the database has schema version 1, {needs}"));

        Store::migrate(settings.clone()).await.unwrap();
        Store::connect(settings.clone()).await.unwrap();
        database.execute("UPDATE meta SET value = 99 WHERE name = 'schema'");
        let before = place.dump("meta");
        let message = format!(
            "the database has schema version 99, this remint knows versions up to {all}: \
             run the newer remint that wrote it"
        );
        assert_eq!(refused(settings.clone()).await.to_string(), message);
        let migrated = Store::migrate(settings.clone()).await.unwrap_err();
        assert_eq!(migrated.to_string(), message);
        assert!(Store::missing_migrations(settings).await.is_err());
        assert_eq!(place.dump("meta"), before);
    });
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    for foreign in [
        "CREATE TABLE clients (name TEXT)",
        "CREATE TABLE families (name TEXT)",
        "CREATE TABLE meta (name TEXT)",
        "CREATE TABLE meta (name TEXT, value TEXT); INSERT INTO meta VALUES ('schema', '7')",
        "CREATE TABLE meta (name TEXT, value BIGINT)",
        "CREATE VIEW users AS SELECT 1 AS id",
    ] {
        on_postgres(async |place| {
            place.database().execute(foreign);
            let before = contents(place.database());
            let settings = settings(&place.database().url());
            let error = Store::migrate(settings.clone()).await.unwrap_err();
            assert!(matches!(error, OpenError::Foreign), "{foreign}: {error}");
            assert!(matches!(refused(settings.clone()).await, OpenError::Foreign), "{foreign}");
            assert!(Store::missing_migrations(settings).await.is_err());
            assert_eq!(contents(place.database()), before);
        });
    }
}

#[test]
fn a_migration_that_fails_midway_leaves_nothing_and_succeeds_once_the_cause_is_gone() {
    on_postgres(async |place| {
        let (database, settings) = (place.database(), settings(&place.database().url()));
        // In the way of the last table of the first step, and then of the second step.
        for (obstacle, begun) in [("guesses", 0), ("nodes", 1)] {
            if begun == 1 {
                begin_with_the_first_version(database);
            }
            database.execute(&format!(
                "CREATE TABLE other (n INT); CREATE INDEX {obstacle} ON other (n)"
            ));
            let before = contents(database);
            let error = Store::migrate(settings.clone()).await.unwrap_err().to_string();
            assert!(error.contains("already exists"), "{error}");
            assert_eq!(contents(database), before);
            let missing = Store::missing_migrations(settings.clone()).await.unwrap();
            assert_eq!(missing[0].version, begun + 1);
            database.execute("DROP TABLE other");
        }
        let taken = Store::migrate(settings.clone()).await.unwrap();
        assert_eq!(taken[0].version, 2);
        Store::connect(settings).await.unwrap();
    });
}

/// What a node of a later version may do: it locks tables in another order than the migration.
#[test]
fn a_migration_that_a_deadlock_ended_is_begun_again() {
    on_postgres(async |place| {
        let database = place.database();
        begin_with_the_first_version(database);
        let (other, watcher) = (session(&database.url()).await, session(&database.url()).await);
        // The migration is the one that PostgreSQL ends.
        other.batch_execute("SET deadlock_timeout = '1h'").await.unwrap();
        other.batch_execute("BEGIN; LOCK TABLE clients").await.unwrap();
        let migrate = tokio::spawn(Store::migrate(settings(&database.url())));
        // It holds the families by now, and waits for the clients.
        wait_for_locks(&watcher, 1).await;
        answered(other.batch_execute("LOCK TABLE families; COMMIT")).await.unwrap();
        let steps = answered(migrate).await.unwrap().unwrap();
        assert_eq!(steps.first().map(|step| step.version), Some(2));
        Store::connect(settings(&database.url())).await.unwrap();
    });
}

/// A node of the first version: what it does at each request, until it is told to stop.
fn node_of_the_first_version(
    url: &str,
    id: u32,
    goes_on: &Arc<AtomicBool>,
    done: &Arc<AtomicU32>,
) -> JoinHandle<Result<(), tokio_postgres::Error>> {
    let (url, goes_on, done) = (url.to_owned(), Arc::clone(goes_on), Arc::clone(done));
    let family = crate::samples::bytes(id);
    tokio::spawn(async move {
        let db = session(&url).await;
        let load = "SELECT f.id, f.secret_hash, f.client_id, f.user_id, f.scope, f.resources, \
            f.auth_time, f.created_at, f.max_expires_at, f.generation, f.grace_floor, f.epoch, \
            f.kid, f.rotated_at, f.expires_at, f.confirmed, f.revoked_at, f.revoke_reason, \
            u.not_before, u.disabled_at, (SELECT value FROM meta WHERE name = 'epoch') \
            FROM families f LEFT JOIN users u ON u.id = f.user_id WHERE f.id = $1";
        let load = db.prepare(load).await?;
        let rotate = db
            .prepare(
                "UPDATE families SET generation = $3, epoch = $4, kid = $5, rotated_at = $6, \
                 expires_at = $7, confirmed = 0 WHERE id = $1 AND generation = $2 \
                 AND revoked_at IS NULL",
            )
            .await?;
        let find = db.prepare("SELECT id, name, scope, grants FROM clients WHERE id = $1").await?;
        let guess = db
            .prepare(
                "INSERT INTO guesses (bucket, failures, last_at, trusted_until) \
                 VALUES ($1, 1, $2, 0) ON CONFLICT (bucket) DO UPDATE SET last_at = $2, \
                 failures = guesses.failures + 1",
            )
            .await?;
        let user = db.prepare("UPDATE users SET updated_at = $2 WHERE id = $1").await?;
        let family = &family[..];
        for number in 0_i64.. {
            if !goes_on.load(Ordering::SeqCst) {
                break;
            }
            let row = db.query_one(&load, &[&family]).await?;
            let generation: i64 = row.get(9);
            let values: [i64; 6] = [generation, generation + 1, 0, 1, number, i64::MAX];
            let [seen, next, epoch, kid, at, until] = &values;
            let touched =
                db.execute(&rotate, &[&family, seen, next, epoch, kid, at, until]).await?;
            assert_eq!(touched, 1);
            db.query_one(&find, &[&"shop"]).await?;
            db.execute(&guess, &[&family, at]).await?;
            db.execute(&user, &[&&crate::samples::USER.0[..], at]).await?;
            db.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'", &[]).await?;
            done.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    })
}

/// A store of this version signs in for them, on another database: the rows are the same.
async fn sign_in_with_the_first_version(database: &Database, from: &Database) {
    let store = super::open(&from.url()).await;
    let shop = register(&store).await;
    sign_in(&store, &shop, 6).await;
    for table in ["clients", "users", "families"] {
        let columns = "SELECT string_agg(attname, ', ') FROM pg_attribute \
            WHERE attnum > 0 AND NOT attisdropped AND attrelid";
        let columns = database.execute(&format!("{columns} = '{table}'::regclass"));
        let rows = from.execute(&format!(
            "SELECT format('INSERT INTO {table} ({columns}) SELECT {columns} FROM \
             json_populate_record(NULL::{table}, %L)', row_to_json(t)) FROM {table} t"
        ));
        database.execute(&rows.lines().map(|line| format!("{line};\n")).collect::<String>());
    }
}

#[test]
fn nodes_of_the_version_before_run_on_while_the_schema_is_brought_up_to_date() {
    on_postgres(async |place| {
        let database = place.database();
        let url = database.url();
        begin_with_the_first_version(database);
        let another = place.another();
        sign_in_with_the_first_version(database, another.database()).await;
        let (goes_on, done) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU32::new(0)));
        let nodes: Vec<_> =
            (0..6).map(|id| node_of_the_first_version(&url, id, &goes_on, &done)).collect();
        let goes_on_for = async |more: u32| {
            let enough = done.load(Ordering::SeqCst) + more;
            let is_stuck = || nodes.iter().any(JoinHandle::is_finished);
            soon("nodes go on", async || is_stuck() || done.load(Ordering::SeqCst) >= enough).await;
        };
        goes_on_for(100).await;
        let steps = answered(Store::migrate(settings(&url))).await.unwrap();
        assert!(!steps.is_empty());
        goes_on_for(100).await;
        // Those of this version join them, which is what the migration was for.
        let store = Store::connect(settings(&url)).await.unwrap();
        goes_on_for(100).await;
        goes_on.store(false, Ordering::SeqCst);
        for node in nodes {
            answered(node).await.unwrap().unwrap();
        }
        let family =
            load(&store, remint_protocol::family_id::FamilyId(crate::samples::bytes(0))).await;
        let next = store.rotate(&rotation(family.id, family.generation)).await;
        assert!(matches!(next, Ok::<_, Error>(Outcome::Done)));
        assert!(family.generation > 10 && family.expires_at > at(0));
    });
}
