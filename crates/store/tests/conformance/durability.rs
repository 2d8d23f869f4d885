//! What was answered is on disk, and refreshing takes no room. Of SQLite files alone.

use std::path::{Path, PathBuf};

use remint_protocol::family::Family;
use remint_store::{Error, Filter, Outcome, Store};

use crate::backend::{Place, Together, on_sqlite, together};
use crate::files::{copy_elsewhere, read_elsewhere};
use crate::samples::{USER, at, family, load, register, registered, rotated, rotation, sign_in};

fn check_integrity(place: &Place) {
    let says: String =
        place.connect().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(says, "ok");
}

#[test]
fn what_was_answered_is_there_after_the_store_was_dropped_and_opened_again() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let mut families = sign_in(&store, &shop, 20).await;
        for family in &mut families {
            let rotation = rotation(family.id, 0);
            store.rotate(&rotation).await.unwrap();
            *family = rotated(family, &rotation);
        }
        let user = store.load_user(USER).await.unwrap();
        drop(store);
        check_integrity(&place);
        let store = place.open().await;
        for family in &families {
            assert_eq!(load(&store, family.id).await, *family);
        }
        assert_eq!(store.load_user(USER).await.unwrap(), user);
        assert_eq!(registered(store.find_client("shop").await.unwrap()), shop);
    });
}

/// A copy of the files at any moment is what a crash would leave.
#[test]
fn what_was_answered_is_in_the_files_while_the_store_is_open() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        for from in 0..10 {
            store.rotate(&rotation(family.id, from)).await.unwrap();
            let crashed = place.another();
            for suffix in ["", "-wal"] {
                let name = |file: &Path| PathBuf::from(format!("{}{suffix}", file.display()));
                copy_elsewhere(&name(&place.file()), &name(&crashed.file()));
            }
            let recovered = crashed.open().await;
            assert_eq!(load(&recovered, family.id).await.generation, from + 1);
            drop(recovered);
            check_integrity(&crashed);
        }
    });
}

#[test]
fn a_write_whose_caller_hung_up_stands_all_the_same() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let hung_up = rotation(family.id, 0);
        drop(Together::begin([store.rotate(&hung_up)]).await);
        store.close().await;
        let reopened = place.open().await;
        assert_eq!(load(&reopened, family.id).await, rotated(&family, &hung_up));
    });
}

#[test]
fn closing_waits_for_what_is_queued_and_refuses_what_comes_later() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 300).await;
        let rotations: Vec<_> = families.iter().map(|family| rotation(family.id, 0)).collect();
        let queued = Together::begin(rotations.iter().map(|r| store.rotate(r))).await;
        store.close().await;
        for outcome in queued.finish().await {
            assert_eq!(outcome.unwrap(), Outcome::Done);
        }
        let late = store.rotate(&rotation(families[0].id, 1)).await;
        let Err(Error::Unavailable { cause }) = late else { panic!("{late:?}") };
        assert_eq!(cause, "the store is closing");
        assert_eq!(store.queued(), None);
        assert!(store.ping().await.is_err());
        store.close().await;
        let reopened = place.open().await;
        assert_eq!(load(&reopened, families[0].id).await.generation, 1);
        assert_eq!(load(&reopened, families[299].id).await.generation, 1);
    });
}

/// Each family so many generations on, in groups as large as they come.
async fn rotate_all(store: &Store, families: &[Family], generations: std::ops::Range<u32>) {
    let rotations: Vec<_> = generations
        .flat_map(|from| families.iter().map(move |family| rotation(family.id, from)))
        .collect();
    for outcome in together(rotations.iter().map(|r| store.rotate(r))).await {
        assert_eq!(outcome.unwrap(), Outcome::Done);
    }
}

#[test]
fn a_database_does_not_grow_by_20_000_rotations_of_10_families() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 10).await;
        drop(store);
        let size = || std::fs::metadata(place.file()).unwrap().len();
        let before = size();
        let store = place.open().await;
        for thousand in 0..2 {
            rotate_all(&store, &families, thousand * 1_000..(thousand + 1) * 1_000).await;
        }
        drop(store);
        assert_eq!(size(), before);
        assert!(!place.file().with_extension("db-wal").exists(), "the log was folded in");
        let rows: i64 = place
            .connect()
            .query_row("SELECT count(*) FROM families", (), |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 10);
        check_integrity(&place);
        let store = place.open().await;
        for family in &families {
            assert_eq!(load(&store, family.id).await.generation, 2_000);
        }
    });
}

/// The salt in the header of the write-ahead log changes when the log starts over.
fn log_salt(place: &Place) -> Vec<u8> {
    read_elsewhere(&place.file().with_extension("db-wal"))[16..24].to_vec()
}

#[test]
fn the_write_ahead_log_starts_over_while_the_store_is_read_and_written() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        // So many that each commit touches hundreds of pages.
        let families: Vec<_> = (0..4_000).map(|number| family(number, &shop, USER)).collect();
        together(families.iter().map(|family| store.insert_family(family, None))).await;
        let first = log_salt(&place);
        let mut generation = 0;
        while log_salt(&place) == first {
            assert!(generation < 200, "no checkpoint finished");
            rotate_all(&store, &families, generation..generation + 1).await;
            generation += 1;
            for family in families.iter().step_by(500) {
                assert_eq!(load(&store, family.id).await.generation, generation);
            }
        }
        // What the checkpoint moved is still there, and what comes after it too.
        rotate_all(&store, &families, generation..generation + 1).await;
        let page = store.list_families(Filter::All, None, 5_000).await.unwrap();
        assert_eq!(page.families.len(), 4_000);
        assert!(page.families.iter().all(|loaded| loaded.family.generation == generation + 1));
        drop(store);
        check_integrity(&place);
    });
}

#[test]
fn a_database_that_another_program_made_is_refused_and_left_alone() {
    on_sqlite(async |place| {
        place.connect().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        let before = std::fs::read(place.file()).unwrap();
        let error = Store::open(&place.file()).unwrap_err().to_string();
        assert!(error.contains("not one of Remint's") && error.contains("remint.db"), "{error}");
        let tables: i64 = place
            .connect()
            .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 1);
        assert_eq!(std::fs::read(place.file()).unwrap(), before);
    });
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    on_sqlite(async |place| {
        let text = b"Dear diary, this is longer than the header of a database. ".repeat(20);
        std::fs::write(place.file(), &text).unwrap();
        let error = Store::open(&place.file()).unwrap_err().to_string();
        assert!(error.contains("remint.db") && error.contains("not a database"), "{error}");
        assert_eq!(std::fs::read(place.file()).unwrap(), text);
    });
}

#[test]
fn two_who_create_a_database_at_once_create_it_once() {
    on_sqlite(async |place| {
        // Whoever reads between two steps of another one is rare, so they meet more than once.
        for _ in 0..15 {
            let place = place.another();
            let open = || Store::open(&place.file()).unwrap();
            let opened: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            register(&opened[0]).await;
            drop(opened);
            assert_eq!(place.dump("meta").len(), 4);
            check_integrity(&place);
        }
    });
}

#[test]
fn a_row_that_no_version_writes_is_named_and_not_guessed_at() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let id = sign_in(&store, &shop, 1).await[0].id;
        drop(store);
        let damage = [
            ("families", "generation", "-1"),
            ("families", "generation", "4294967296"),
            ("families", "confirmed", "2"),
            ("families", "revoked_at", "5"),
            ("families", "secret_hash", "x'00'"),
            ("families", "expires_at", "1.5"),
            ("users", "username", "''"),
            ("clients", "grants", "'telepathy'"),
            ("clients", "on_reuse", "'shrug'"),
        ];
        for (table, column, value) in damage {
            let db = place.connect();
            let all = format!("SELECT {column} FROM {table}");
            let good: rusqlite::types::Value = db.query_row(&all, (), |row| row.get(0)).unwrap();
            db.execute(&format!("UPDATE {table} SET {column} = {value}"), ()).unwrap();
            let store = place.open().await;
            let read = match table {
                "families" => store.load_family(id).await.map(drop),
                "users" => store.load_user(USER).await.map(drop),
                _ => store.find_client("shop").await.map(drop),
            };
            let error = read.unwrap_err().to_string();
            assert!(error.contains(table) && error.contains(column), "{error}");
            drop(store);
            db.execute(&format!("UPDATE {table} SET {column} = ?1"), [good]).unwrap();
        }
        let store = place.open().await;
        store.rotate(&rotation(id, 0)).await.unwrap();
        assert_eq!(load(&store, id).await.rotated_at, at(1), "all damage was mended");
    });
}
