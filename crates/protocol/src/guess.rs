//! Slowing down guesses of passwords and client secrets (RFC 6749 §4.3.2, §10.10; NIST SP 800-63B
//! §5.2.2), without giving a stranger the power to lock an account out.
//!
//! Wrong guesses are counted in buckets. Each bucket lets some through freely and then makes the
//! next one wait, twice as long each time, up to a bound. A source from which an account was
//! signed in to before is judged by its own bucket alone: strangers who exhaust the account's
//! common bucket do not touch it.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::time::Timestamp;

/// Whose guesses a bucket counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket<'a> {
    /// Guesses at an account from sources that it never signed in from.
    Account(&'a str),
    /// Guesses at an account from one source.
    AccountFrom(&'a str, IpAddr),
    /// Guesses at a client's secret from one source.
    ClientFrom(&'a str, IpAddr),
    /// Guesses at any account from one source.
    Source(IpAddr),
}

/// A bucket's key in the store.
pub type BucketKey = [u8; 16];

/// What a bucket holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    /// Wrong guesses since the last right one.
    pub failures: u32,
    /// The last wrong guess.
    pub last_at: Timestamp,
    /// Until when the pair of account and source counts as known; the epoch if it never did.
    pub trusted_until: Timestamp,
}

/// How a bucket slows guesses down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Guesses that need not wait.
    pub free: u32,
    /// The wait after the last free one; it doubles from there.
    pub first_wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
}

/// How long without a wrong guess until a bucket is as good as new.
pub const FORGET_AFTER: Duration = Duration::from_hours(24);
/// How long a successful sign-in makes its source a known one.
pub const TRUST_FOR: Duration = Duration::from_hours(720);

impl Bucket<'_> {
    /// The key in the store: a hash, so that a table of guesses does not list who was guessed at.
    pub fn key(self) -> BucketKey {
        let mut hash = Sha256::new();
        let (kind, name, source) = match self {
            Self::Account(name) => (1u8, name, None),
            Self::AccountFrom(name, source) => (2, name, Some(source)),
            Self::ClientFrom(id, source) => (3, id, Some(source)),
            Self::Source(source) => (4, "", Some(source)),
        };
        hash.update([kind]);
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        // A socket for both families writes IPv4 as IPv6, in one single /64.
        match source.map(|ip| ip.to_canonical()) {
            None => {}
            Some(IpAddr::V4(v4)) => hash.update(v4.octets()),
            // One subscriber has at least a /64: single addresses in it are free to choose.
            Some(IpAddr::V6(v6)) => hash.update((v6.to_bits() >> 64).to_be_bytes()),
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut key = BucketKey::default();
        key.copy_from_slice(digest.split_at(16).0);
        key
    }

    /// The bucket's limit.
    pub const fn limit(self) -> Limit {
        let (free, max_wait) = match self {
            Self::AccountFrom(..) => (5, 15 * 60),
            // Short, because anyone can fill it for everyone. Each source that does so waits longer
            // in its own bucket, so holding an account's door shut takes many of them.
            Self::Account(_) => (50, 30),
            Self::Source(_) => (100, 60),
            Self::ClientFrom(..) => (20, 5 * 60),
        };
        let (first_wait, max_wait) = (Duration::from_secs(1), Duration::from_secs(max_wait));
        Limit { free, first_wait, max_wait }
    }
}

impl Limit {
    /// How long the next guess must wait; `None` when it may be made now.
    pub fn wait(self, guesses: &Guesses, now: Timestamp) -> Option<Duration> {
        let over = guesses.failures.checked_sub(self.free)?;
        let since = now.left(guesses.last_at);
        // A last guess far in the future was made under a clock that was wrong.
        if since >= FORGET_AFTER || guesses.last_at > now.after(self.max_wait) {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1u32.checked_shl(over).unwrap_or(u32::MAX));
        doubled.min(self.max_wait).checked_sub(since).filter(|left| !left.is_zero())
    }
}

impl Guesses {
    /// The bucket after one more wrong guess.
    #[must_use]
    pub fn failed(self, now: Timestamp) -> Self {
        let counts = now.left(self.last_at) < FORGET_AFTER;
        let failures = if counts { self.failures.saturating_add(1) } else { 1 };
        Self { failures, last_at: now, ..self }
    }

    /// What two counts of one bucket say together: the worse.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        Self {
            failures: self.failures.max(other.failures),
            last_at: self.last_at.max(other.last_at),
            trusted_until: self.trusted_until.max(other.trusted_until),
        }
    }

    /// Whether the pair of account and source is a known one.
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        now < self.trusted_until
    }
}

/// How long a password guess must wait, given the three buckets that it falls into.
pub fn password_wait(
    pair: (Bucket<'_>, &Guesses),
    others: [(Bucket<'_>, &Guesses); 2],
    now: Timestamp,
) -> Option<Duration> {
    let own = pair.0.limit().wait(pair.1, now);
    if pair.1.is_trusted(now) {
        return own;
    }
    let common = others.into_iter().filter_map(|(bucket, g)| bucket.limit().wait(g, now)).max();
    own.max(common)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn guesses(failures: u32, trusted: bool) -> Guesses {
        let trusted_until = if trusted { at(1_000_000) } else { at(0) };
        Guesses { failures, last_at: at(1000), trusted_until }
    }

    #[test]
    fn the_first_guesses_are_free_and_then_each_waits_twice_as_long() {
        let limit = Bucket::AccountFrom("alice", HERE).limit();
        let wait = |failures| limit.wait(&guesses(failures, false), at(1000)).map(|d| d.as_secs());
        assert_eq!((wait(0), wait(4)), (None, None));
        assert_eq!((wait(5), wait(6), wait(7)), (Some(1), Some(2), Some(4)));
        assert_eq!(wait(u32::MAX), Some(15 * 60), "the wait is bounded");
        assert_eq!(limit.wait(&guesses(6, false), at(1002)), None, "and it ends");
    }

    #[test]
    fn a_guess_that_a_wrong_clock_dated_into_the_future_holds_nobody_up() {
        let limit = Bucket::AccountFrom("alice", HERE).limit();
        assert_eq!(limit.wait(&guesses(9, false), at(99)), None);
        assert!(limit.wait(&guesses(9, false), at(990)).is_some(), "a small step back does");
    }

    #[test]
    fn checklist_88_strangers_can_not_lock_out_a_source_that_signed_in_before() {
        let worst = guesses(1_000, false);
        let others = [(Bucket::Account("alice"), &worst), (Bucket::Source(HERE), &worst)];
        let pair = Bucket::AccountFrom("alice", HERE);
        assert!(password_wait((pair, &guesses(0, false)), others, at(1000)).is_some());
        assert_eq!(password_wait((pair, &guesses(0, true)), others, at(1000)), None);
        assert!(
            password_wait((pair, &guesses(9, true)), others, at(1000)).is_some(),
            "but it is limited too"
        );
    }

    #[test]
    fn addresses_of_one_ipv6_subscriber_share_a_bucket() {
        let key = |ip: &str| Bucket::Source(ip.parse().unwrap()).key();
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(Bucket::Account("a").key(), Bucket::AccountFrom("a", HERE).key());
    }

    #[test]
    fn an_ipv4_address_is_the_same_source_however_a_socket_writes_it() {
        let key = |ip: &str| Bucket::Source(ip.parse().unwrap()).key();
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"), "or all would share one");
    }

    proptest! {
        #[test]
        fn no_bucket_waits_for_ever(failures in any::<u32>(), then in 0i64..1_000_000) {
            for bucket in [Bucket::Account(""), Bucket::AccountFrom("", HERE), Bucket::ClientFrom("", HERE), Bucket::Source(HERE)] {
                let limit = bucket.limit();
                let guesses = guesses(failures, false);
                let wait = limit.wait(&guesses, at(1000 + then)).unwrap_or_default();
                prop_assert!(wait <= limit.max_wait);
                prop_assert_eq!(limit.wait(&guesses, at(1000 + then).after(wait)), None);
            }
        }
    }
}
