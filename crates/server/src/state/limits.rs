//! The counts of requests to endpoints with a rate limit, per source.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remint_protocol::throttle::{BucketKey, FailedAttempts, Limit, request_buckets};
use remint_protocol::time::Timestamp;

use super::recent::Recent;
use crate::config::Limits as Settings;

/// The most buckets of one endpoint that are remembered.
const MOST: usize = 10_000;

/// The limits, each with its counts.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) token: Counts,
    pub(crate) authorize: Counts,
    pub(crate) sign_in: Counts,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            token: Counts::new(settings.token_requests.limit()),
            authorize: Counts::new(settings.authorize_requests.limit()),
            sign_in: Counts::new(settings.sign_in_requests.limit()),
        }
    }
}

/// The counts of one endpoint's requests.
#[derive(Debug)]
pub(crate) struct Counts {
    limit: Option<Limit>,
    held: Mutex<Recent<BucketKey, FailedAttempts>>,
}

/// A request that was let through and counted.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    counts: &'a Counts,
    keys: Vec<BucketKey>,
}

impl Counts {
    fn new(limit: Option<Limit>) -> Self {
        Self { limit, held: Mutex::new(Recent::new(MOST)) }
    }

    fn lock(&self) -> MutexGuard<'_, Recent<BucketKey, FailedAttempts>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request of a source, or returns the time that it must wait.
    pub(crate) fn take(&self, source: IpAddr, now: Timestamp) -> Result<Counted<'_>, Duration> {
        let Some(limit) = self.limit else { return Ok(Counted { counts: self, keys: Vec::new() }) };
        let buckets = request_buckets(source, limit).into_iter();
        self.take_of(buckets.map(|(bucket, limit)| (bucket.key(), limit)).collect(), now)
    }

    /// Counts a request of a known session or browser session, whatever its source.
    pub(crate) fn take_own(&self, own: [u8; 16], now: Timestamp) -> Result<Counted<'_>, Duration> {
        let limit = self.limit.map(|limit| (own, limit));
        self.take_of(limit.into_iter().collect(), now)
    }

    fn take_of(
        &self,
        buckets: Vec<(BucketKey, Limit)>,
        now: Timestamp,
    ) -> Result<Counted<'_>, Duration> {
        let mut held = self.lock();
        let waits = buckets.iter().filter_map(|(key, limit)| limit.wait(held.peek(key)?, now));
        if let Some(wait) = waits.max() {
            // This counts as use, so that whoever is refused again and again is not forgotten.
            for (key, _) in &buckets {
                held.entry(*key);
            }
            return Err(wait);
        }
        for (key, limit) in &buckets {
            let bucket = held.entry(*key);
            *bucket = limit.count(bucket, now);
        }
        Ok(Counted { counts: self, keys: buckets.into_iter().map(|(key, _)| key).collect() })
    }
}

impl Counted<'_> {
    /// Gives back what the request took.
    pub(crate) fn give_back(self) {
        let mut held = self.counts.lock();
        for key in &self.keys {
            let bucket = held.entry(*key);
            *bucket = bucket.given_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        Counts::new(Some(Limit::leaking(10, Duration::from_secs(6))))
    }

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_source_has_its_burst_and_then_its_pace_and_what_is_given_back_counts_for_nothing() {
        let counts = counts();
        let here = "192.0.2.1".parse().unwrap();
        for _ in 0..100 {
            counts.take(here, NOW).unwrap().give_back();
        }
        for _ in 0..10 {
            counts.take(here, NOW).unwrap();
        }
        assert_eq!(counts.take(here, NOW).unwrap_err(), Duration::from_secs(6));
        assert!(counts.take("192.0.2.2".parse().unwrap(), NOW).is_ok());
        assert!(counts.take("::ffff:192.0.2.1".parse().unwrap(), NOW).is_err());
        assert!(counts.take(here, NOW.after(Duration::from_secs(6))).is_ok());
        assert!(counts.take(here, NOW.after(Duration::from_secs(6))).is_err());
    }

    #[test]
    fn a_whole_ipv6_network_has_four_times_the_budget_of_a_subscriber() {
        let counts = counts();
        let taken = (0..200u32).filter(|i| {
            let source = format!("2001:db8:7:{i:x}00::1").parse().unwrap();
            counts.take(source, NOW).is_ok()
        });
        assert_eq!(taken.count(), 40);
    }

    #[test]
    fn a_flood_of_sources_neither_grows_the_memory_nor_frees_one_of_them() {
        let counts = counts();
        let here = "192.0.2.1".parse().unwrap();
        let mut taken = 0;
        for i in 0..3 * u32::try_from(MOST).unwrap() {
            let other = IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + i));
            counts.take(other, NOW).unwrap();
            if i % 1_000 == 0 {
                taken += u32::from(counts.take(here, NOW).is_ok());
            }
        }
        assert_eq!(taken, 10);
        assert!(counts.lock().len() <= MOST);
    }

    #[test]
    fn off_counts_nothing() {
        let counts = Counts::new(None);
        for _ in 0..10_000 {
            counts.take("192.0.2.1".parse().unwrap(), NOW).unwrap();
        }
        assert_eq!(counts.lock().len(), 0);
    }
}
