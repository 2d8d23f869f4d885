//! Slowing down guesses of passwords and client secrets (RFC 6749 §4.3.2, §10.10; NIST SP 800-63B
//! §5.2.2), without giving a stranger the power to lock an account out.
//!
//! Guesses are counted in buckets, each before it is judged; a right one gives back what it took. A
//! bucket lets some through freely and then slows the next ones down: its own owner's slips by waits
//! that double, what many share by a steady leak. Whoever brings a mark of an earlier sign-in, a
//! browser's or a source's, is judged by a bucket of their own: strangers who exhaust the common ones
//! do not touch it.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::time::Timestamp;

/// A mark that a browser got when somebody signed in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId(pub [u8; 16]);

/// An IPv6 network that is wider than one subscriber's least, a /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// The upper half of its addresses.
    bits: u64,
    prefix: u8,
}

/// Prefixes that one holder may well have all of, with how many times the budget of a /64 they get.
const WIDER: [(u8, u32); 2] = [(56, 2), (48, 4)];

impl Network {
    /// The wider networks that an address is in, the narrowest first; none for IPv4.
    pub fn around(source: IpAddr) -> impl Iterator<Item = Self> {
        let v6 = match source.to_canonical() {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => Some(subscriber(v6)),
        };
        let wider = WIDER.into_iter();
        wider.filter_map(move |(prefix, _)| {
            let mask = u64::MAX.checked_shl(64 - u32::from(prefix))?;
            Some(Self { bits: v6? & mask, prefix })
        })
    }

    /// Returns its budget, in multiples of that of a /64.
    fn times(self) -> u32 {
        WIDER.iter().find(|(prefix, _)| *prefix == self.prefix).map_or(1, |(_, times)| *times)
    }
}

/// One subscriber has at least a /64: single addresses in it are free to choose.
const fn subscriber(v6: std::net::Ipv6Addr) -> u64 {
    (v6.to_bits() >> 64) as u64
}

/// The owner of the guesses that a bucket counts. A source is an IPv4 address or an IPv6 /64.
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
    /// Guesses at an account from a browser that it signed in with before.
    AccountAt(&'a str, DeviceId),
    /// Guesses at an account from a wider network.
    AccountFromNetwork(&'a str, Network),
    /// Guesses at a client's secret from a wider network.
    ClientFromNetwork(&'a str, Network),
    /// Guesses at any account from a wider network.
    Network(Network),
    /// Guesses at clients that do not exist from one source. They are counted elsewhere; this one takes
    /// the write, so that its time does not tell.
    UnknownClients(IpAddr),
    /// Requests of one source. Never in the store.
    Requests(IpAddr),
    /// Requests of a wider network. Never in the store.
    RequestsOfNetwork(Network),
}

/// A bucket's key in the store.
pub type BucketKey = [u8; 16];

/// The content of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedAttempts {
    /// Guesses that were wrong, or are being judged.
    pub failures: u32,
    /// The last wrong guess; in a bucket that leaks, when it leaked last.
    pub last_at: Timestamp,
    /// Until when the pair of account and source counts as known; the epoch if it never did.
    pub trusted_until: Timestamp,
}

/// The waits that a bucket imposes on guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Guesses that need not wait.
    pub free: u32,
    /// The wait after the last free one.
    pub first_wait: Duration,
    /// The longest wait.
    pub max_wait: Duration,
    /// The sequence of the waits after the first.
    pub pace: Pace,
}

/// The sequence of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each wait is twice as long as the one before, and a day without a wrong guess forgives.
    Doubling,
    /// The bucket leaks: each `first_wait` makes room for one guess, whether any are made or not.
    Leaking,
}

/// The time without a wrong guess after which a bucket whose waits double is as good as new.
pub const FORGET_AFTER: Duration = Duration::from_hours(24);
/// The time for which a successful sign-in makes its source a known one.
pub const TRUST_FOR: Duration = Duration::from_hours(720);
/// The time for which a successful sign-in makes its browser a known one.
pub const KNOW_DEVICE_FOR: Duration = Duration::from_hours(180 * 24);

impl Bucket<'_> {
    /// The key in the store: a hash, so that a table of guesses does not list who was guessed at.
    pub fn key(self) -> BucketKey {
        let mut hash = Sha256::new();
        let (kind, name) = match self {
            Self::Account(name) => (1u8, name),
            Self::AccountFrom(name, _) => (2, name),
            Self::ClientFrom(id, _) => (3, id),
            Self::Source(_) => (4, ""),
            Self::AccountAt(name, _) => (5, name),
            Self::AccountFromNetwork(name, _) => (6, name),
            Self::ClientFromNetwork(id, _) => (7, id),
            Self::Network(_) => (8, ""),
            Self::UnknownClients(_) => (9, ""),
            Self::Requests(_) => (10, ""),
            Self::RequestsOfNetwork(_) => (11, ""),
        };
        hash.update([kind]);
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        match self {
            Self::Account(_) => {}
            Self::AccountFrom(_, source)
            | Self::ClientFrom(_, source)
            | Self::Source(source)
            | Self::UnknownClients(source)
            | Self::Requests(source) => match source.to_canonical() {
                // A socket for both families writes IPv4 as IPv6, in one single /64.
                IpAddr::V4(v4) => hash.update(v4.octets()),
                IpAddr::V6(v6) => hash.update(subscriber(v6).to_be_bytes()),
            },
            Self::AccountAt(_, device) => hash.update(device.0),
            Self::AccountFromNetwork(_, network)
            | Self::ClientFromNetwork(_, network)
            | Self::Network(network)
            | Self::RequestsOfNetwork(network) => {
                hash.update([network.prefix]);
                hash.update(network.bits.to_be_bytes());
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut key = BucketKey::default();
        key.copy_from_slice(digest.split_at(16).0);
        key
    }

    /// The bucket's limit.
    pub fn limit(self) -> Limit {
        const MINUTE: u64 = 60;
        match self {
            Self::AccountFrom(..) | Self::AccountAt(..) => Limit::doubling(5, 15 * MINUTE),
            Self::AccountFromNetwork(_, network) => {
                Limit::doubling(5 * network.times(), 15 * MINUTE)
            }
            Self::ClientFrom(..) => Limit::doubling(20, 5 * MINUTE),
            Self::ClientFromNetwork(_, network) => {
                Limit::doubling(20 * network.times(), 5 * MINUTE)
            }
            // Anyone can fill these for everyone. They leak, so that whoever fills one has to go on
            // filling it; and who does so waits longer and longer in the buckets above.
            Self::Account(_) => Limit::leaking(50, Duration::from_secs(30)),
            Self::Source(_) => Limit::leaking(100, Duration::from_secs(30)),
            Self::Network(network) => {
                Limit::leaking(100 * network.times(), Duration::from_secs(30) / network.times())
            }
            Self::UnknownClients(_) | Self::Requests(_) | Self::RequestsOfNetwork(_) => Limit::NONE,
        }
    }
}

impl Limit {
    /// Counts, and lets everything through.
    const NONE: Self = Self::leaking(u32::MAX, Duration::from_millis(1));

    /// A wait of one second after the free guesses, and twice as long each time.
    const fn doubling(free: u32, max_secs: u64) -> Self {
        let (first_wait, max_wait) = (Duration::from_secs(1), Duration::from_secs(max_secs));
        Self { free, first_wait, max_wait, pace: Pace::Doubling }
    }

    /// A bucket that holds `free` and leaks one each `every`.
    pub const fn leaking(free: u32, every: Duration) -> Self {
        Self { free, first_wait: every, max_wait: every, pace: Pace::Leaking }
    }

    /// Returns the time for which the next guess must wait; `None` if it may be made now.
    ///
    /// Moments are compared by their distance: one that a wrong clock dated into the future counts as
    /// the same one in the past, and holds nobody up for longer.
    pub fn wait(self, guesses: &FailedAttempts, now: Timestamp) -> Option<Duration> {
        let since = now.distance(guesses.last_at);
        match self.pace {
            Pace::Doubling => {
                let over = guesses.failures.checked_sub(self.free)?;
                if since >= FORGET_AFTER {
                    return None;
                }
                let times = 1u32.checked_shl(over).unwrap_or(u32::MAX);
                let doubled = self.first_wait.saturating_mul(times).min(self.max_wait);
                doubled.checked_sub(since).filter(|left| !left.is_zero())
            }
            Pace::Leaking => {
                let (level, leaked) = self.level(guesses, now);
                let rest = since.saturating_sub(self.first_wait.saturating_mul(leaked));
                (level >= self.free).then(|| self.first_wait.saturating_sub(rest))
            }
        }
    }

    /// The bucket after one more guess, which [`Self::wait`] let through.
    #[must_use]
    pub fn count(self, guesses: &FailedAttempts, now: Timestamp) -> FailedAttempts {
        if self.pace == Pace::Doubling {
            return guesses.failed(now);
        }
        let (level, leaked) = self.level(guesses, now);
        // What has leaked in part goes on leaking from where it was.
        let last_at = if level == 0 || guesses.last_at > now {
            now
        } else {
            guesses.last_at.after(self.first_wait.saturating_mul(leaked))
        };
        FailedAttempts { failures: level.saturating_add(1), last_at, ..*guesses }
    }

    /// Returns the level of a bucket that leaks, and how much has leaked.
    fn level(self, guesses: &FailedAttempts, now: Timestamp) -> (u32, u32) {
        let every = self.first_wait.as_millis().max(1);
        let leaked = now.distance(guesses.last_at).as_millis() / every;
        let leaked = u32::try_from(leaked).unwrap_or(u32::MAX);
        (guesses.failures.min(self.free).saturating_sub(leaked), leaked)
    }
}

impl FailedAttempts {
    /// The bucket after one more wrong guess, where waits double.
    #[must_use]
    pub fn failed(self, now: Timestamp) -> Self {
        let counts = now.distance(self.last_at) < FORGET_AFTER;
        let failures = if counts { self.failures.saturating_add(1) } else { 1 };
        Self { failures, last_at: now, ..self }
    }

    /// The bucket after a guess that turned out right: what it took is given back.
    #[must_use]
    pub const fn given_back(self) -> Self {
        Self { failures: self.failures.saturating_sub(1), ..self }
    }

    /// Merges two counts of one bucket: the worse of each value.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        Self {
            failures: self.failures.max(other.failures),
            last_at: self.last_at.max(other.last_at),
            trusted_until: self.trusted_until.max(other.trusted_until),
        }
    }

    /// Whether the pair of account and source is a known one. What a clock that was far ahead said is not
    /// believed for longer than it would have been by a right one.
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        now < self.trusted_until && self.trusted_until <= now.after(TRUST_FOR * 2)
    }
}

/// The buckets that a guess at a client's secret falls into, the source's own first.
pub fn client_buckets(id: &str, source: IpAddr) -> Vec<Bucket<'_>> {
    let wider = Network::around(source).map(|network| Bucket::ClientFromNetwork(id, network));
    std::iter::once(Bucket::ClientFrom(id, source)).chain(wider).collect()
}

/// The buckets that a request falls into, with what each lets through.
pub fn request_buckets(source: IpAddr, limit: Limit) -> Vec<(Bucket<'static>, Limit)> {
    let wider = Network::around(source).map(|network| {
        let times = network.times();
        let every = (limit.first_wait / times).max(Duration::from_millis(1));
        let wider = Limit::leaking(limit.free.saturating_mul(times), every);
        (Bucket::RequestsOfNetwork(network), wider)
    });
    std::iter::once((Bucket::Requests(source), limit)).chain(wider).collect()
}

/// The buckets that a guess at a password falls into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordBuckets<'a> {
    own: Bucket<'a>,
    common: Vec<Bucket<'a>>,
}

impl<'a> PasswordBuckets<'a> {
    /// The buckets of a guess at `account` from `source`, at a browser that the account may know.
    pub fn of(account: &'a str, source: IpAddr, device: Option<DeviceId>) -> Self {
        if let Some(device) = device {
            return Self { own: Bucket::AccountAt(account, device), common: Vec::new() };
        }
        let wider = Network::around(source);
        let common = wider
            .flat_map(|network| {
                [Bucket::AccountFromNetwork(account, network), Bucket::Network(network)]
            })
            .chain([Bucket::Account(account), Bucket::Source(source)]);
        Self { own: Bucket::AccountFrom(account, source), common: common.collect() }
    }

    /// The bucket of those who are known.
    pub const fn own(&self) -> Bucket<'a> {
        self.own
    }

    /// All of them, the own one first.
    pub fn all(&self) -> impl Iterator<Item = Bucket<'a>> {
        std::iter::once(self.own).chain(self.common.iter().copied())
    }

    /// Those that count, given what the own one holds: for who is known it is the own one alone.
    pub fn counting(&self, own: &FailedAttempts, now: Timestamp) -> Vec<Bucket<'a>> {
        if own.is_trusted(now) { vec![self.own] } else { self.all().collect() }
    }
}

/// Returns the time for which a password guess must wait, given the bucket of its own and the common ones.
pub fn password_wait<'a, 'g>(
    own: (Bucket<'a>, &FailedAttempts),
    common: impl IntoIterator<Item = (Bucket<'a>, &'g FailedAttempts)>,
    now: Timestamp,
) -> Option<Duration> {
    let wait = own.0.limit().wait(own.1, now);
    if own.1.is_trusted(now) {
        return wait;
    }
    let common = common.into_iter().filter_map(|(bucket, g)| bucket.limit().wait(g, now)).max();
    wait.max(common)
}

/// Whether a secret has the form of those that Remint makes: 256 random bits, which nobody guesses, so
/// that one which is presented can be judged however many wrong ones came before.
pub fn is_past_guessing(secret: &str) -> bool {
    // 43 characters are 256 bits and two that are nought.
    secret.len() == 43 && URL_SAFE_NO_PAD.decode(secret).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn guesses(failures: u32, trusted: bool) -> FailedAttempts {
        let trusted_until = if trusted { at(1_000_000) } else { at(0) };
        FailedAttempts { failures, last_at: at(1000), trusted_until }
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
    fn wider_ipv6_networks_have_budgets_of_their_own_that_rise_with_their_size() {
        let around = |ip: &str| Network::around(ip.parse().unwrap()).collect::<Vec<_>>();
        assert!(around("192.0.2.1").is_empty() && around("::ffff:192.0.2.1").is_empty());
        let here = around("2001:db8:1:2aa::1");
        assert_eq!(here, around("2001:db8:1:2bb::1"), "one /56");
        let near = around("2001:db8:1:3aa::1");
        assert!(here[0] != near[0] && here[1] == near[1], "one /48");
        assert!(around("2001:db8:2::1")[1] != here[1]);
        let ip = "2001:db8:1:2aa::1".parse().unwrap();
        let free = |buckets: Vec<Bucket<'_>>| {
            buckets.into_iter().map(|b| b.limit().free).collect::<Vec<_>>()
        };
        assert_eq!(free(client_buckets("shop", ip)), [20, 40, 80]);
        assert_eq!(
            free(PasswordBuckets::of("alice", ip, None).all().collect()),
            [5, 10, 200, 20, 400, 50, 100]
        );
        let keys: std::collections::BTreeSet<_> =
            PasswordBuckets::of("alice", ip, None).all().map(Bucket::key).collect();
        assert_eq!(keys.len(), 7, "no two share a row");
    }

    #[test]
    fn a_bucket_that_leaks_makes_room_however_often_it_is_asked() {
        let limit = Bucket::Source(HERE).limit();
        let mut bucket = FailedAttempts::default();
        for _ in 0..limit.free {
            assert_eq!(limit.wait(&bucket, at(1000)), None);
            bucket = limit.count(&bucket, at(1000));
        }
        assert_eq!(limit.wait(&bucket, at(1000)), Some(Duration::from_secs(30)));
        assert_eq!(limit.wait(&bucket, at(1029)), Some(Duration::from_secs(1)));
        // One guess a minute takes half of what it leaks.
        for minute in 1..=50 {
            bucket = limit.count(&bucket, at(1000 + 60 * minute));
        }
        assert_eq!((limit.wait(&bucket, at(4000)), bucket.failures), (None, 50));
        let other = limit.count(&bucket, at(4000)).given_back();
        assert_eq!(other.failures, 50, "a right one takes nothing");
    }

    #[test]
    fn a_clock_that_was_ahead_fills_no_bucket_for_ever() {
        for bucket in [Bucket::AccountFrom("alice", HERE), Bucket::Account("alice")] {
            let limit = bucket.limit();
            let ahead = FailedAttempts {
                failures: 1_000,
                last_at: at(900_000),
                ..FailedAttempts::default()
            };
            assert_eq!(limit.wait(&ahead, at(1000)), None, "{bucket:?}");
            assert_eq!(limit.count(&ahead, at(1000)).failures, 1);
        }
        let trusted =
            FailedAttempts { trusted_until: at(100_000_000), ..FailedAttempts::default() };
        assert!(!trusted.is_trusted(at(1000)));
    }

    #[test]
    fn only_secrets_of_256_bits_are_past_guessing() {
        assert!(is_past_guessing(&URL_SAFE_NO_PAD.encode([7; 32])));
        for weak in ["", "s3cret", &URL_SAFE_NO_PAD.encode([7; 31]), &"x".repeat(64)] {
            assert!(!is_past_guessing(weak), "{weak}");
        }
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
