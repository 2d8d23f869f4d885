//! The password guesses that this node is judging.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remint_protocol::throttle::{Bucket, BucketKey, FailedAttempts};
use remint_protocol::time::Timestamp;
use remint_store::{Error, Store};
use tokio::sync::Notify;

/// The password guesses that this node is judging.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    /// Held while a guess is counted, so that whoever finds no room knows whether that is final.
    pub(crate) taking: tokio::sync::Mutex<()>,
    judging: Mutex<HashMap<BucketKey, usize>>,
    pub(crate) given_back: Notify,
}

/// The room that one guess took, while it is judged.
pub(crate) struct Taken<'a, 'b> {
    logins: &'a Logins,
    buckets: Vec<Bucket<'b>>,
    keys: Vec<BucketKey>,
}

impl Logins {
    fn lock(&self) -> MutexGuard<'_, HashMap<BucketKey, usize>> {
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hold<'b>(&self, buckets: Vec<Bucket<'b>>, keys: Vec<BucketKey>) -> Taken<'_, 'b> {
        let mut judging = self.lock();
        for key in &keys {
            *judging.entry(*key).or_default() += 1;
        }
        Taken { logins: self, buckets, keys }
    }

    /// Number of a bucket's guesses that are being judged.
    pub(crate) fn judging(&self, key: BucketKey) -> usize {
        self.lock().get(&key).copied().unwrap_or_default()
    }
}

/// The time that a guess must wait in each bucket that has no room for it besides those being judged.
pub(crate) fn waits(
    buckets: &[Bucket<'_>],
    held: &[FailedAttempts],
    judging: &[usize],
    now: Timestamp,
) -> Vec<Option<Duration>> {
    let judging = judging.iter().copied().chain(std::iter::repeat(0));
    let waits = buckets.iter().zip(held).zip(judging).map(|((bucket, held), judging)| {
        let limit = bucket.limit();
        let held = (0..judging).fold(*held, |held, _| limit.count(&held, now));
        limit.wait(&held, now)
    });
    waits.collect()
}

impl Taken<'_, '_> {
    /// Keeps the guess counted, because it was wrong.
    pub(crate) async fn keep(self, store: &Store, now: Timestamp) -> Result<(), Error> {
        if !store.is_shared() {
            store.take_guess(&self.buckets, now).await?;
        }
        Ok(())
    }

    /// Gives back what was taken; a right guess also resets its own bucket. An error is only logged: it is
    /// not worth a failed login.
    pub(crate) async fn give_back(self, store: &Store, right: Option<BucketKey>) {
        let others: Vec<_> = self.keys.iter().copied().filter(|key| Some(*key) != right).collect();
        let others = if store.is_shared() { others.as_slice() } else { &[] };
        if right.is_none() && others.is_empty() {
            return;
        }
        if let Err(error) = store.give_back_guess(right, others).await {
            tracing::warn!(%error, "what is no wrong guess stays counted as one");
        }
    }
}

impl Drop for Taken<'_, '_> {
    fn drop(&mut self) {
        let mut judging = self.logins.lock();
        for key in &self.keys {
            if let Some(count) = judging.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    judging.remove(key);
                }
            }
        }
        drop(judging);
        self.logins.given_back.notify_waiters();
    }
}
