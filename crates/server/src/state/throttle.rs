//! Wrong client secrets, as far as this node remembers them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remint_protocol::throttle::{Bucket, BucketKey, FailedAttempts};
use remint_protocol::time::Timestamp;

use super::recent::Recent;

/// The most buckets that are remembered in memory, of each kind.
const BUCKETS_MAX: usize = 10_000;

/// The wrong guesses by bucket. Empty on an ordinary day, when a check costs one load.
#[derive(Debug)]
pub(crate) struct ThrottleCache {
    count: AtomicUsize,
    guesses: Mutex<Guessed>,
}

/// Guesses at real clients, apart from others, so that a flood of made-up ids does not push them out.
#[derive(Debug)]
struct Guessed {
    clients: Recent<BucketKey, Suspect>,
    unknown_clients: Recent<BucketKey, Suspect>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Suspect {
    guesses: FailedAttempts,
    /// Whether the store's count is included.
    is_loaded: bool,
}

impl Default for ThrottleCache {
    fn default() -> Self {
        let (clients, unknown_clients) = (Recent::new(BUCKETS_MAX), Recent::new(BUCKETS_MAX));
        Self {
            count: AtomicUsize::new(0),
            guesses: Mutex::new(Guessed { clients, unknown_clients }),
        }
    }
}

impl Guessed {
    const fn of(&mut self, exists: bool) -> &mut Recent<BucketKey, Suspect> {
        if exists { &mut self.clients } else { &mut self.unknown_clients }
    }
}

impl ThrottleCache {
    fn lock(&self) -> MutexGuard<'_, Guessed> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recount(&self, all: &Guessed) {
        self.count.store(all.clients.len() + all.unknown_clients.len(), Ordering::Release);
    }

    /// Whether a real client's bucket has an entry, with guesses or just being looked at.
    pub(crate) fn has(&self, buckets: &[Bucket<'_>]) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let all = self.lock();
        buckets.iter().any(|bucket| all.clients.peek(&bucket.key()).is_some())
    }

    /// Makes entries for the buckets; says whether the store must be asked about them.
    pub(crate) fn mark(&self, buckets: &[Bucket<'_>], exists: bool) -> bool {
        let mut all = self.lock();
        let kind = all.of(exists);
        let mut is_new = false;
        for bucket in buckets {
            is_new |= !kind.entry(bucket.key()).is_loaded;
        }
        self.recount(&all);
        is_new
    }

    /// Adds the store's counts.
    pub(crate) fn learn(&self, buckets: &[Bucket<'_>], exists: bool, stored: &[FailedAttempts]) {
        let mut all = self.lock();
        let kind = all.of(exists);
        for (bucket, stored) in buckets.iter().zip(stored) {
            let suspect = kind.entry(bucket.key());
            suspect.guesses = suspect.guesses.or_worse(*stored);
            suspect.is_loaded = true;
        }
        self.recount(&all);
    }

    /// The time that a guess must wait. One that need not is counted in the same step, if it `counts`.
    pub(crate) fn wait(
        &self,
        buckets: &[Bucket<'_>],
        exists: bool,
        now: Timestamp,
        counts: bool,
    ) -> Option<Duration> {
        let mut all = self.lock();
        let kind = all.of(exists);
        // This counts as use, so that whoever must wait again and again is not forgotten.
        let wait = buckets
            .iter()
            .filter_map(|bucket| {
                let held = kind.entry(bucket.key());
                bucket.limit().wait(&held.guesses, now)
            })
            .max();
        if wait.is_none() && counts {
            for bucket in buckets {
                let suspect = kind.entry(bucket.key());
                suspect.guesses = bucket.limit().count(&suspect.guesses, now);
            }
        }
        self.recount(&all);
        wait
    }

    pub(crate) fn forget(&self, key: BucketKey) {
        let mut all = self.lock();
        all.clients.remove(&key);
        // An id that was made up once may have been registered since.
        all.unknown_clients.remove(&key);
        self.recount(&all);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn checklist_43_a_flood_of_unknown_ids_does_not_push_out_what_is_counted_of_a_real_client() {
        let cache = ThrottleCache::default();
        let source = IpAddr::from([127, 0, 0, 1]);
        let shop = [Bucket::ClientFrom("shop", source)];
        let now = Timestamp::from_millis(1_000);
        let guess =
            |id: &str, exists| cache.wait(&[Bucket::ClientFrom(id, source)], exists, now, true);
        assert_eq!(guess("shop", true), None);
        for i in 0..=BUCKETS_MAX {
            assert_eq!(guess(&i.to_string(), false), None);
        }
        let held = |all: &Guessed| all.clients.peek(&shop[0].key()).map(|s| s.guesses.failures);
        assert_eq!(held(&cache.lock()), Some(1));
        assert!(cache.lock().unknown_clients.len() <= BUCKETS_MAX);
        cache.forget(shop[0].key());
        assert!(!cache.has(&shop));
        assert_eq!(guess("shop", false), None);
        cache.forget(shop[0].key());
        assert!(cache.lock().unknown_clients.peek(&shop[0].key()).is_none(), "registered since");
    }

    #[test]
    fn a_guesser_who_goes_on_is_not_forgotten_for_what_is_made_up_meanwhile() {
        let cache = ThrottleCache::default();
        let source = IpAddr::from([127, 0, 0, 1]);
        let now = Timestamp::from_millis(1_000);
        let own = [Bucket::ClientFrom("nobody", source)];
        for i in 0..3 * BUCKETS_MAX {
            let id = i.to_string();
            let _ = cache.wait(&[Bucket::ClientFrom(&id, source)], false, now, true);
            if i % 1000 == 0 {
                let wait = cache.wait(&own, false, now, true);
                assert_eq!(wait.is_some(), i >= 20 * 1000, "{i}");
            }
        }
    }
}
