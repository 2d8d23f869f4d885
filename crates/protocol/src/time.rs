//! Points in time and lifetimes, as values: reading a clock is the server's business.

use std::fmt;
use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The point `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, the unit of RFC 7662 and of JWT claims.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point moved into the future; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, lifetime: Duration) -> Self {
        let millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// This point moved into the past; stops at the beginning of time instead of wrapping.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Returns the distance between this and `other`, whichever comes first. The two may be of different
    /// clocks, or of one that was set: what a clock that is behind calls "no time at all" must not last for
    /// as long as the clocks differ.
    pub const fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// Returns the time from `now` until this; nothing if it is over.
    pub fn left(self, now: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_a_distance_and_what_is_over_has_nothing_left() {
        let early = Timestamp::from_millis(1_000);
        let late = Timestamp::from_millis(5_000);
        assert_eq!(early.distance(late), Duration::from_secs(4));
        assert_eq!(late.distance(early), Duration::from_secs(4));
        assert_eq!((late.left(early), early.left(late)), (Duration::from_secs(4), Duration::ZERO));
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(first.distance(last), Duration::from_millis(u64::MAX));
    }

    #[test]
    fn an_endless_lifetime_ends_at_the_end_of_time() {
        assert_eq!(Timestamp::from_millis(1).after(Duration::MAX).as_millis(), i64::MAX);
    }
}
