//! Wrong guesses.

use std::time::Duration;

use remint_protocol::throttle::{
    Bucket, BucketKey, DeviceId, FORGET_AFTER, FailedAttempts, PasswordBuckets, TRUST_FOR,
};
use remint_protocol::time::Timestamp;
use remint_store::{Outcome, Store};

use crate::backend::on_every_backend;
use crate::samples::{USER, at, bytes, family, proven, register};

fn key(number: u32) -> BucketKey {
    bytes(number)
}

async fn holds(store: &Store, bucket: BucketKey) -> FailedAttempts {
    store.load_guesses(&[bucket; 3]).await.unwrap()[0]
}

#[test]
fn a_wrong_guess_counts_in_each_of_its_buckets_and_in_no_other() {
    on_every_backend(async |place| {
        let store = place.open().await;
        store.count_wrong_guess(&[key(1), key(2)], at(1)).await.unwrap();
        store.count_wrong_guess(&[key(2), key(3)], at(2)).await.unwrap();
        let found = store.load_guesses(&[key(3), key(1), key(2)]).await.unwrap();
        let expect =
            |failures, last_at| FailedAttempts { failures, last_at, ..FailedAttempts::default() };
        assert_eq!(found, [expect(1, at(2)), expect(1, at(1)), expect(2, at(2))]);
        assert_eq!(holds(&store, key(4)).await, FailedAttempts::default());
    });
}

#[test]
fn guesses_made_at_once_all_count() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let guess = |n: u32| {
            let store = store.clone();
            tokio::spawn(async move {
                store.count_wrong_guess(&[key(0), key(1 + n % 4)], at(0)).await.unwrap()
            })
        };
        let tasks: Vec<_> = (0..128).map(guess).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Outcome::Done);
        }
        assert_eq!(holds(&store, key(0)).await.failures, 128);
        for n in 1..=4 {
            assert_eq!(holds(&store, key(n)).await.failures, 32);
        }
    });
}

/// The rule is `FailedAttempts::failed`; the store carries it out in place.
#[test]
fn a_bucket_counts_and_forgets_as_the_rule_says() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let millisecond = Duration::from_millis(1);
        let waits = [
            Duration::ZERO,
            Duration::from_secs(5),
            FORGET_AFTER.checked_sub(millisecond).unwrap(),
            FORGET_AFTER,
            millisecond,
            FORGET_AFTER + millisecond,
            FORGET_AFTER * 3,
            Duration::ZERO,
        ];
        let (mut now, mut expected) = (at(0), FailedAttempts::default());
        for wait in waits {
            now = now.after(wait);
            expected = expected.failed(now);
            store.count_wrong_guess(&[key(1)], now).await.unwrap();
            assert_eq!(holds(&store, key(1)).await, expected, "after {wait:?}");
        }
        // A clock that went backwards.
        now = now.before(FORGET_AFTER * 2);
        store.count_wrong_guess(&[key(1)], now).await.unwrap();
        assert_eq!(holds(&store, key(1)).await, expected.failed(now));
    });
}

/// The rules are `Limit::wait` and `Limit::count`; the store carries them out in place.
#[test]
fn a_guess_is_taken_where_the_rule_lets_it_through_and_counts_as_the_rule_says() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let here = "2001:db8:1:2::3".parse().unwrap();
        let buckets = PasswordBuckets::of("alice", here, None).all().collect::<Vec<_>>();
        for (number, bucket) in buckets.into_iter().enumerate() {
            let (mut now, mut expected) = (at(0), FailedAttempts::default());
            let mut random = u64::try_from(number).unwrap() + 1;
            for step in 0..400u64 {
                // Steps of all sizes, forwards and, now and then, backwards.
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let span = match random >> 60 {
                    0..=9 => 0,
                    10..=13 => random >> 20 & 0xfff,
                    14 => random >> 20 & 0xf_ffff,
                    _ => random >> 20 & 0xfff_ffff,
                };
                let span = Duration::from_millis(span);
                now = if step % 17 == 16 { now.before(span) } else { now.after(span) };
                let waits = bucket.limit().wait(&expected, now).is_some();
                let taken = store.take_guess(&[bucket], now).await.unwrap();
                assert_eq!(taken == Outcome::Conflict, waits, "{bucket:?} {expected:?} at {now}");
                if !waits {
                    expected = bucket.limit().count(&expected, now);
                }
                assert_eq!(holds(&store, bucket.key()).await, expected, "{bucket:?} at {now}");
            }
        }
    });
}

#[test]
fn guesses_taken_at_once_are_no_more_than_the_free_ones_and_one_that_waits_takes_nothing() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let (own, common) = (
            Bucket::AccountAt("alice", DeviceId([1; 16])),
            Bucket::Source("192.0.2.1".parse().unwrap()),
        );
        let take = |_| {
            let store = store.clone();
            tokio::spawn(async move { store.take_guess(&[common, own], at(0)).await.unwrap() })
        };
        let tasks: Vec<_> = (0..64).map(take).collect();
        let mut taken = 0;
        for task in tasks {
            taken += u32::from(task.await.unwrap() == Outcome::Done);
        }
        assert_eq!(taken, own.limit().free);
        assert_eq!(holds(&store, own.key()).await.failures, taken);
        assert_eq!(holds(&store, common.key()).await.failures, taken, "wholly or not at all");
    });
}

#[test]
fn a_right_guess_gives_back_what_it_took_and_forgets_its_own_slips() {
    on_every_backend(async |place| {
        let store = place.open().await;
        store.count_wrong_guess(&[key(1), key(2), key(3)], at(0)).await.unwrap();
        store.count_wrong_guess(&[key(1), key(2)], at(1)).await.unwrap();
        store.give_back_guess(Some(key(1)), &[key(2), key(3), key(4)]).await.unwrap();
        let failures = async |number| holds(&store, key(number)).await.failures;
        assert_eq!((failures(1).await, failures(2).await, failures(3).await), (0, 1, 0));
        store.give_back_guess(None, &[key(3)]).await.unwrap();
        assert_eq!(failures(3).await, 0, "never less than none");
        assert_eq!(place.dump("guesses").len(), 3, "and nothing is made for it");
    });
}

#[test]
fn a_proven_password_resets_its_bucket_and_makes_it_trusted() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        for _ in 0..5 {
            store.count_wrong_guess(&[key(1), key(2)], at(0)).await.unwrap();
        }
        let trusted_until = at(1).after(TRUST_FOR);
        for (number, bucket) in [(1, key(1)), (2, key(3))] {
            let trust = Some(proven((bucket, trusted_until)));
            let begun = store.insert_family(&family(number, &shop, USER), trust).await.unwrap();
            assert_eq!(begun, Outcome::Done);
        }
        let proven = holds(&store, key(1)).await;
        assert_eq!((proven.failures, proven.trusted_until), (0, trusted_until));
        assert!(holds(&store, key(3)).await.is_trusted(at(2)), "a source that never guessed wrong");
        assert_eq!(holds(&store, key(2)).await.failures, 5, "other buckets stay as they are");
        // Trust outlives a wrong guess.
        store.count_wrong_guess(&[key(1)], at(2)).await.unwrap();
        let expected = FailedAttempts { failures: 1, last_at: at(2), trusted_until };
        assert_eq!(holds(&store, key(1)).await, expected);
    });
}

#[test]
fn a_family_that_did_not_begin_makes_nothing_trusted() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        store.count_wrong_guess(&[key(1)], at(0)).await.unwrap();
        store.set_user_enabled(USER, false, at(0)).await.unwrap();
        let before = place.dump("guesses");
        let trust = Some(proven((key(1), at(9))));
        let begun = store.insert_family(&family(1, &shop, USER), trust).await.unwrap();
        assert_eq!(begun, Outcome::Conflict);
        assert_eq!(place.dump("guesses"), before);
    });
}

#[test]
fn a_forgiven_bucket_is_as_good_as_new_and_no_other() {
    on_every_backend(async |place| {
        let store = place.open().await;
        store.count_wrong_guess(&[key(1), key(2)], at(1)).await.unwrap();
        store.forgive_guesses(key(1)).await.unwrap();
        assert_eq!(holds(&store, key(1)).await, FailedAttempts::default());
        assert_eq!(holds(&store, key(2)).await.failures, 1);
    });
}

#[test]
fn what_a_bucket_holds_is_kept_as_long_as_it_means_something() {
    on_every_backend(async |place| {
        let store = place.open().await;
        let shop = register(&store).await;
        let now = at(0).after(FORGET_AFTER * 2);
        let late = |by: u64| now.before(FORGET_AFTER + Duration::from_millis(by));
        store.count_wrong_guess(&[key(1)], late(1)).await.unwrap();
        store.count_wrong_guess(&[key(2)], now.before(Duration::from_secs(1))).await.unwrap();
        let trust = |until: Timestamp, bucket| Some(proven((key(bucket), until)));
        let trusted = now.after(Duration::from_millis(1));
        store.insert_family(&family(1, &shop, USER), trust(trusted, 3)).await.unwrap();
        store.insert_family(&family(2, &shop, USER), trust(late(1), 4)).await.unwrap();
        let mut after = None;
        for _ in 0..2 {
            after = store.delete_forgotten_guesses(after, 2, now).await.unwrap();
            assert!(after.is_some(), "four buckets are two full pieces");
        }
        assert_eq!(store.delete_forgotten_guesses(after, 2, now).await.unwrap(), None);
        assert_eq!(holds(&store, key(1)).await, FailedAttempts::default(), "forgotten");
        assert_eq!(holds(&store, key(2)).await.failures, 1, "recent");
        assert!(holds(&store, key(3)).await.is_trusted(now));
        assert_eq!(holds(&store, key(4)).await, FailedAttempts::default(), "no longer trusted");
        assert_eq!(place.dump("guesses").len(), 2);
        // By a clock that was far ahead.
        store.count_wrong_guess(&[key(2)], now.after(FORGET_AFTER * 9)).await.unwrap();
        assert!(store.delete_forgotten_guesses(None, 9, now).await.unwrap().is_none());
        assert_eq!(holds(&store, key(2)).await, FailedAttempts::default(), "nor kept for ever");
    });
}
