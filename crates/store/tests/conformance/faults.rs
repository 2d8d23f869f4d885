//! Writes that fail, and writes that must wait: what was answered is there, what was refused is not
//! there by halves, reads go on, and writes succeed again once the cause is gone. Of SQLite alone.
//!
//! A trigger that raises an error stands for a write that fails in the middle of a commit, a second
//! connection that holds the write lock for a disk that is slow or stuck. Modes of files mean nothing
//! to root, so a file that cannot be written is made in other ways.

use std::sync::atomic::Ordering;
use std::time::Duration;

use remint_protocol::client::Client;
use remint_protocol::family::{Family, Rotation};
use remint_store::{Error, Outcome, Store};
use rusqlite::Connection;

use crate::backend::{Together, on_sqlite, together};
use crate::samples::{
    USER, at, bytes, client, family, load, proven, register, rotated, rotation, sign_in,
};

/// Every row that a rotation writes with this key fails.
const POISON: u8 = 99;

fn poison(how: &str) -> String {
    format!(
        "CREATE TRIGGER poison BEFORE UPDATE ON families WHEN NEW.kid = {POISON} \
         BEGIN SELECT RAISE({how}, 'the disk is on fire'); END"
    )
}

fn cause<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unavailable { cause }) => cause,
        other => panic!("{other:?}"),
    }
}

/// Checks that every rotation which was answered `Done` is there, and that of every other one nothing
/// is.
async fn check_answers(
    store: &Store,
    families: &[Family],
    rotations: &[Rotation],
    answers: &[Result<Outcome, Error>],
) {
    for ((family, rotation), answer) in families.iter().zip(rotations).zip(answers) {
        let expected = match answer {
            Ok(Outcome::Done) => rotated(family, rotation),
            Ok(Outcome::Conflict) => panic!("nobody else wrote"),
            Err(_) => family.clone(),
        };
        assert_eq!(load(store, family.id).await, expected, "{answer:?}");
    }
}

#[test]
fn a_write_that_fails_is_answered_so_and_leaves_nothing_behind() {
    for how in ["ABORT", "FAIL", "ROLLBACK"] {
        on_sqlite(async |place| {
            let store = place.open().await;
            let shop = register(&store).await;
            let family = sign_in(&store, &shop, 1).await.remove(0);
            let other = place.connect();
            other.execute_batch(&poison(how)).unwrap();
            let before = place.dump("families");
            let poisoned = Rotation { kid: POISON, ..rotation(family.id, 0) };
            assert_eq!(cause(store.rotate(&poisoned).await), "the disk is on fire");
            assert_eq!(place.dump("families"), before);
            assert_eq!(load(&store, family.id).await, family, "reads go on");
            assert_eq!(store.stats().failures.load(Ordering::Relaxed), 1);
            store.ping().await.unwrap();
            // What is not concerned goes through beside it, and all does once the cause is gone.
            store.confirm(family.id, 0).await.unwrap();
            assert!(load(&store, family.id).await.confirmed);
            other.execute_batch("DROP TRIGGER poison").unwrap();
            assert_eq!(store.rotate(&poisoned).await.unwrap(), Outcome::Done);
            assert_eq!(load(&store, family.id).await, rotated(&family, &poisoned));
        });
    }
}

#[test]
fn a_failed_write_takes_its_whole_group_with_it_and_no_other() {
    for how in ["ABORT", "FAIL", "ROLLBACK"] {
        on_sqlite(async |place| {
            let store = place.open().await;
            let shop = register(&store).await;
            let families = sign_in(&store, &shop, 300).await;
            let other = place.connect();
            other.execute_batch(&poison(how)).unwrap();
            let rotations: Vec<_> = families
                .iter()
                .enumerate()
                .map(|(n, f)| Rotation {
                    kid: if n == 100 { POISON } else { 1 },
                    ..rotation(f.id, 0)
                })
                .collect();
            // The lock keeps the first one in a group of its own and gathers the others behind it.
            let lock = Lock::take(&other);
            let first = begin_alone(&store, store.rotate(&rotations[0])).await;
            let rest = Together::begin(rotations[1..].iter().map(|r| store.rotate(r))).await;
            lock.release();
            let mut answers = first.finish().await;
            answers.extend(rest.finish().await);
            check_answers(&store, &families, &rotations, &answers).await;
            let failed: Vec<_> = (0..300).filter(|n| answers[*n].as_ref().is_err()).collect();
            assert_eq!(failed, (1..257).collect::<Vec<_>>(), "256 batches share a commit");
            other.execute_batch("DROP TRIGGER poison").unwrap();
            for n in failed {
                assert_eq!(store.rotate(&rotations[n]).await.unwrap(), Outcome::Done);
            }
        });
    }
}

#[test]
fn among_random_failures_every_answer_tells_the_truth() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 64).await;
        place.connect().execute_batch(&poison("ABORT")).unwrap();
        let tasks: Vec<_> = families
            .into_iter()
            .enumerate()
            .map(|(n, mut family)| {
                let store = store.clone();
                tokio::spawn(async move {
                    for step in 0..12 {
                        let kid = if (n + step * 7) % 31 == 0 { POISON } else { 1 };
                        let rotation = Rotation { kid, ..rotation(family.id, family.generation) };
                        let answer = store.rotate(&rotation).await;
                        let answers = [answer];
                        check_answers(&store, &[family.clone()], &[rotation], &answers).await;
                        family = load(&store, family.id).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(store.stats().failures.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn a_batch_whose_last_write_fails_leaves_nothing_of_the_first_ones() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let begun = family(1, &shop, USER);
        place
            .connect()
            .execute_batch(
                "CREATE TRIGGER t1 BEFORE INSERT ON guesses WHEN NEW.bucket = zeroblob(16) \
                 BEGIN SELECT RAISE(FAIL, 'broken'); END; \
                 CREATE TRIGGER t2 BEFORE UPDATE ON meta BEGIN SELECT RAISE(FAIL, 'broken'); END; \
                 CREATE TRIGGER t3 BEFORE DELETE ON families BEGIN SELECT RAISE(FAIL, 'broken'); END",
            )
            .unwrap();
        let tables = async || {
            let mut all = Vec::new();
            for table in ["clients", "users", "families", "guesses", "meta"] {
                all.push(place.dump(table));
            }
            all
        };
        let before = tables().await;
        let buckets = [bytes(1), bytes(2), [0; 16]];
        assert_eq!(cause(store.count_wrong_guess(&buckets, at(1)).await), "broken");
        let trust = Some(proven(([0; 16], at(1))));
        assert_eq!(cause(store.insert_family(&begun, trust).await), "broken");
        assert_eq!(cause(store.create_client(&client("new")).await), "broken");
        let changed = Client { name: "Changed".into(), updated_at: at(1), ..shop.clone() };
        assert_eq!(cause(store.update_client(&changed, shop.updated_at).await), "broken");
        assert_eq!(cause(store.end_client_sessions(&shop.id, at(1)).await), "broken");
        assert_eq!(cause(store.end_all_sessions(at(1)).await), "broken");
        assert_eq!(tables().await, before);
        store.insert_family(&begun, None).await.unwrap();
        let before = tables().await;
        assert_eq!(cause(store.delete_client(&shop.id).await), "broken");
        assert_eq!(tables().await, before);
        // The rows of sessions go afterwards: without their user they are over all the same.
        assert_eq!(cause(store.delete_user(USER).await), "broken");
        assert_eq!(store.load_user(USER).await.unwrap(), None);
        let left = store.load_family(begun.id).await.unwrap().unwrap();
        assert!(!left.is_user_standing());
    });
}

/// The guard of the last write of a batch does not hold: a conflict, not an error.
#[test]
fn a_batch_whose_last_guard_does_not_hold_leaves_nothing_of_the_first_ones() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        sign_in(&store, &shop, 1).await;
        place.connect().execute("DELETE FROM meta WHERE name = 'revision'", ()).unwrap();
        let before = (place.dump("clients"), place.dump("families"));
        let changed = Client { name: "Changed".into(), updated_at: at(1), ..shop.clone() };
        // In one group, so that those which are taken back stand between others.
        let guesses = [bytes(1)];
        let kept = async || store.count_wrong_guess(&guesses, at(1)).await.unwrap();
        let (first, outcomes, last) = tokio::join!(
            kept(),
            async {
                [
                    store.create_client(&client("new")).await.unwrap(),
                    store.update_client(&changed, shop.updated_at).await.unwrap(),
                    store.end_client_sessions(&shop.id, at(1)).await.unwrap(),
                    store.end_all_sessions(at(1)).await.unwrap(),
                    store.delete_client(&shop.id).await.unwrap(),
                ]
            },
            kept(),
        );
        assert_eq!(outcomes, [Outcome::Conflict; 5]);
        assert_eq!((first, last), (Outcome::Done, Outcome::Done));
        assert_eq!((place.dump("clients"), place.dump("families")), before);
        let counted = store.load_guesses(&[bytes(1)]).await.unwrap()[0];
        assert_eq!(counted.failures, 2);
    });
}

/// The write lock, held by somebody else.
struct Lock<'a>(&'a Connection);

impl<'a> Lock<'a> {
    fn take(db: &'a Connection) -> Self {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(db)
    }

    fn release(self) {
        self.0.execute_batch("COMMIT").unwrap();
    }
}

/// Begins a write and waits until the writer has, too: now it waits for the lock, and whatever comes
/// later is of another group.
async fn begin_alone<F: Future>(store: &Store, write: F) -> Together<F> {
    let begun = || store.stats().groups.iter().map(|g| g.load(Ordering::Relaxed)).sum::<u64>();
    let before = begun();
    let alone = Together::begin([write]).await;
    while begun() == before {
        tokio::task::yield_now().await;
    }
    alone
}

#[test]
fn nothing_is_answered_before_its_commit_and_what_waited_shares_few_commits() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 600).await;
        let rotations: Vec<_> = families.iter().map(|family| rotation(family.id, 0)).collect();
        let counted = || store.stats().groups.each_ref().map(|group| group.load(Ordering::Relaxed));
        let before = counted();
        let other = place.connect();
        let lock = Lock::take(&other);
        let mut first = begin_alone(&store, store.rotate(&rotations[0])).await;
        let mut rest = Together::begin(rotations[1..].iter().map(|r| store.rotate(r))).await;
        assert_eq!(store.queued(), Some(599));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((first.poll_once().await, rest.poll_once().await), (1, 599));
        assert_eq!(load(&store, families[0].id).await, families[0], "nor is it read before");
        lock.release();
        let mut answers = first.finish().await;
        answers.extend(rest.finish().await);
        assert!(answers.iter().all(Result::is_ok));
        check_answers(&store, &families, &rotations, &answers).await;
        // One alone, 256, 256, and the 87 that were left.
        let mut expected = before;
        for bucket in [0, 8, 8, 7] {
            expected[bucket] += 1;
        }
        assert_eq!(counted(), expected);
    });
}

#[test]
fn a_write_lock_that_is_not_given_back_makes_writes_unavailable_until_it_is() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        let other = place.connect();
        let lock = Lock::take(&other);
        let next = rotation(family.id, 0);
        let refused = cause(store.rotate(&next).await);
        assert!(refused.contains("locked"), "{refused}");
        assert_eq!(load(&store, family.id).await, family, "reads go on");
        lock.release();
        assert_eq!(store.rotate(&next).await.unwrap(), Outcome::Done);
        assert_eq!(load(&store, family.id).await, rotated(&family, &next));
    });
}

#[test]
fn more_writes_than_may_wait_are_refused_at_once_and_the_others_land() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let id = sign_in(&store, &shop, 1).await[0].id;
        let other = place.connect();
        let lock = Lock::take(&other);
        let first = begin_alone(&store, store.confirm(id, 0)).await;
        let mut flood = Together::begin((0..17_000).map(|_| store.confirm(id, 0))).await;
        let waiting = flood.poll_once().await;
        assert_eq!(Some(waiting), store.queued(), "the others are answered already");
        assert!(waiting < 17_000);
        lock.release();
        first.finish().await;
        let answers = flood.finish().await;
        let landed = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(landed, waiting);
        for refused in answers.into_iter().filter(Result::is_err) {
            assert_eq!(cause(refused), "too many writes are waiting");
        }
        assert_eq!(store.confirm(id, 0).await.unwrap(), Outcome::Done);
    });
}

/// A format of writing that this SQLite does not know makes a database read-only, also for root.
#[test]
fn a_read_only_database_is_read_and_says_so_when_it_is_written() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let family = sign_in(&store, &shop, 1).await.remove(0);
        drop(store);
        let mark = |format: u8| {
            let mut file = std::fs::read(place.file()).unwrap();
            file[18] = format;
            std::fs::write(place.file(), file).unwrap();
        };
        mark(3);
        let store = place.open().await;
        assert_eq!(load(&store, family.id).await, family);
        let refused = cause(store.rotate(&rotation(family.id, 0)).await);
        assert!(refused.contains("readonly"), "{refused}");
        assert_eq!(load(&store, family.id).await, family);
        drop(store);
        mark(2);
        let store = place.open().await;
        assert_eq!(store.rotate(&rotation(family.id, 0)).await.unwrap(), Outcome::Done);
    });
}

#[test]
fn a_place_where_no_file_can_be_made_is_named() {
    on_sqlite(async |place| {
        let error = |file: &std::path::Path| Store::open(file).unwrap_err().to_string();
        let is_directory = place.file();
        std::fs::create_dir(&is_directory).unwrap();
        let says = error(&is_directory);
        assert!(says.contains("unable to open") && says.contains("remint.db"), "{says}");
        let under_a_file = place.file().with_file_name("file");
        std::fs::write(&under_a_file, "").unwrap();
        let says = error(&under_a_file.join("remint.db"));
        assert!(says.contains("unable to open") && says.contains("file/remint.db"), "{says}");
        let nowhere = place.file().with_file_name("nowhere").join("remint.db");
        let says = error(&nowhere);
        assert!(says.contains("unable to open") && says.contains("nowhere"), "{says}");
    });
}

#[test]
fn a_log_that_can_not_be_made_beside_the_database_is_an_error_when_opening() {
    on_sqlite(async |place| {
        drop(place.open().await);
        std::fs::create_dir(place.file().with_extension("db-wal")).unwrap();
        let says = Store::open(&place.file()).unwrap_err().to_string();
        assert!(says.contains("unable to open") && says.contains("remint.db"), "{says}");
    });
}

#[test]
fn a_group_may_hold_any_mix_of_outcomes() {
    on_sqlite(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let families = sign_in(&store, &shop, 100).await;
        let rotations: Vec<_> = families
            .iter()
            .enumerate()
            .map(|(n, family)| rotation(family.id, u32::from(n % 3 == 0)))
            .collect();
        let answers = together(rotations.iter().map(|r| store.rotate(r))).await;
        for ((n, family), answer) in families.iter().enumerate().zip(answers) {
            let (outcome, expected) = if n % 3 == 0 {
                (Outcome::Conflict, family.clone())
            } else {
                (Outcome::Done, rotated(family, &rotations[n]))
            };
            assert_eq!(answer.unwrap(), outcome);
            assert_eq!(load(&store, family.id).await, expected);
        }
    });
}
