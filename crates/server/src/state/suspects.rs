//! Wrong client secrets, as far as this node remembers them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remint_protocol::guess::{Bucket, BucketKey, Guesses};
use remint_protocol::time::Timestamp;

use super::recent::Recent;

/// The most buckets that are remembered in memory, of each kind.
const SUSPECTS_MAX: usize = 10_000;

/// What is held against guessers. Empty on an ordinary day, when it costs one load.
#[derive(Debug)]
pub(crate) struct Suspects {
    count: AtomicUsize,
    guesses: Mutex<Guessed>,
}

/// Apart, so that a flood of ids that were made up does not push real clients out.
#[derive(Debug)]
struct Guessed {
    clients: Recent<BucketKey, Suspect>,
    made_up: Recent<BucketKey, Suspect>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Suspect {
    guesses: Guesses,
    /// Whether what the store knows of it is in it.
    is_loaded: bool,
}

impl Default for Suspects {
    fn default() -> Self {
        let (clients, made_up) = (Recent::new(SUSPECTS_MAX), Recent::new(SUSPECTS_MAX));
        Self { count: AtomicUsize::new(0), guesses: Mutex::new(Guessed { clients, made_up }) }
    }
}

impl Guessed {
    const fn of(&mut self, exists: bool) -> &mut Recent<BucketKey, Suspect> {
        if exists { &mut self.clients } else { &mut self.made_up }
    }
}

impl Suspects {
    fn lock(&self) -> MutexGuard<'_, Guessed> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recount(&self, all: &Guessed) {
        self.count.store(all.clients.len() + all.made_up.len(), Ordering::Release);
    }

    /// Whether anything is held against a client at a source, or just being looked at.
    pub(crate) fn has(&self, buckets: &[Bucket<'_>]) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let all = self.lock();
        buckets.iter().any(|bucket| all.clients.peek(&bucket.key()).is_some())
    }

    /// Makes entries for the buckets; says whether the store must be asked of them.
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

    /// Adds what the store holds.
    pub(crate) fn learn(&self, buckets: &[Bucket<'_>], exists: bool, stored: &[Guesses]) {
        let mut all = self.lock();
        let kind = all.of(exists);
        for (bucket, stored) in buckets.iter().zip(stored) {
            let suspect = kind.entry(bucket.key());
            suspect.guesses = suspect.guesses.or_worse(*stored);
            suspect.is_loaded = true;
        }
        self.recount(&all);
    }

    /// How long a guess must wait. One that need not is counted in the same step, where it `counts`.
    pub(crate) fn wait(
        &self,
        buckets: &[Bucket<'_>],
        exists: bool,
        now: Timestamp,
        counts: bool,
    ) -> Option<Duration> {
        let mut all = self.lock();
        let kind = all.of(exists);
        // Used: who must wait again and again is not forgotten for it.
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
        all.made_up.remove(&key);
        self.recount(&all);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn checklist_43_a_flood_of_made_up_ids_lets_no_guesser_of_a_real_client_off() {
        let suspects = Suspects::default();
        let source = IpAddr::from([127, 0, 0, 1]);
        let shop = [Bucket::ClientFrom("shop", source)];
        let now = Timestamp::from_millis(1_000);
        let guess =
            |id: &str, exists| suspects.wait(&[Bucket::ClientFrom(id, source)], exists, now, true);
        assert_eq!(guess("shop", true), None);
        for i in 0..=SUSPECTS_MAX {
            assert_eq!(guess(&i.to_string(), false), None);
        }
        let held = |all: &Guessed| all.clients.peek(&shop[0].key()).map(|s| s.guesses.failures);
        assert_eq!(held(&suspects.lock()), Some(1));
        assert!(suspects.lock().made_up.len() <= SUSPECTS_MAX);
        suspects.forget(shop[0].key());
        assert!(!suspects.has(&shop));
        assert_eq!(guess("shop", false), None);
        suspects.forget(shop[0].key());
        assert!(suspects.lock().made_up.peek(&shop[0].key()).is_none(), "registered since");
    }

    #[test]
    fn a_guesser_who_goes_on_is_not_forgotten_for_what_is_made_up_meanwhile() {
        let suspects = Suspects::default();
        let source = IpAddr::from([127, 0, 0, 1]);
        let now = Timestamp::from_millis(1_000);
        let own = [Bucket::ClientFrom("nobody", source)];
        for i in 0..3 * SUSPECTS_MAX {
            let id = i.to_string();
            let _ = suspects.wait(&[Bucket::ClientFrom(&id, source)], false, now, true);
            if i % 1000 == 0 {
                let wait = suspects.wait(&own, false, now, true);
                assert_eq!(wait.is_some(), i >= 20 * 1000, "{i}");
            }
        }
    }
}
