//! Times for people. The pages do not know the time zone of their reader, so they say how long ago
//! something was, and only the day of what is long ago.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use remint_protocol::time::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A day of the calendar, in UTC.
pub(super) struct Moment(jiff::Zoned);

impl Moment {
    /// From here on back, a day says more than a number of days.
    pub(super) const RECENT: Duration = Duration::from_hours(30 * 24);

    /// None beyond the end of the calendar.
    pub(super) fn of(at: Timestamp) -> Option<Self> {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
        Some(Self(at.to_zoned(TimeZone::UTC)))
    }

    pub(super) fn day(&self) -> i64 {
        self.0.day().into()
    }

    /// As text, because a year is no amount.
    pub(super) fn year(&self) -> String {
        self.0.year().to_string()
    }

    pub(super) fn month_key(&self) -> &'static str {
        match self.0.month() {
            1 => "month-1",
            2 => "month-2",
            3 => "month-3",
            4 => "month-4",
            5 => "month-5",
            6 => "month-6",
            7 => "month-7",
            8 => "month-8",
            9 => "month-9",
            10 => "month-10",
            11 => "month-11",
            _ => "month-12",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}

/// A length of time in one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Seconds(u64),
    Minutes(u64),
    Hours(u64),
    Days(u64),
}

impl Span {
    /// In the largest unit that it is a whole number of; seconds that make no whole minute count up.
    pub(super) fn of(length: Duration) -> Self {
        let seconds = length.as_secs() + u64::from(length.subsec_nanos() > 0);
        match seconds {
            s if s > 0 && s.is_multiple_of(DAY) => Self::Days(s / DAY),
            s if s > 0 && s.is_multiple_of(HOUR) => Self::Hours(s / HOUR),
            s if s > 0 && s.is_multiple_of(MINUTE) => Self::Minutes(s / MINUTE),
            // More than two hundred seconds nobody counts.
            s if s > 200 => Self::up_to(Duration::from_secs(s)),
            s => Self::Seconds(s),
        }
    }

    /// In the largest unit that fits into it, without what is left over.
    pub(super) fn up_to(length: Duration) -> Self {
        match length.as_secs() {
            s if s >= DAY => Self::Days(s / DAY),
            s if s >= HOUR => Self::Hours(s / HOUR),
            s if s >= MINUTE => Self::Minutes(s / MINUTE),
            s => Self::Seconds(s),
        }
    }

    pub(super) const fn count(self) -> u64 {
        match self {
            Self::Seconds(n) | Self::Minutes(n) | Self::Hours(n) | Self::Days(n) => n,
        }
    }

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Seconds(_) => "span-seconds",
            Self::Minutes(_) => "span-minutes",
            Self::Hours(_) => "span-hours",
            Self::Days(_) => "span-days",
        }
    }

    pub(super) const fn key_ago(self) -> &'static str {
        match self {
            Self::Seconds(_) => "moment-now",
            Self::Minutes(_) => "moment-minutes",
            Self::Hours(_) => "moment-hours",
            Self::Days(_) => "moment-days",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_told_in_the_largest_unit_that_fits() {
        let of = |seconds| Span::of(Duration::from_secs(seconds));
        assert_eq!(of(0), Span::Seconds(0));
        assert_eq!(of(90), Span::Seconds(90));
        assert_eq!(of(600), Span::Minutes(10));
        assert_eq!(of(86_400), Span::Days(1));
        assert_eq!(of(84_600), Span::Minutes(1_410));
        assert_eq!(of(3_601), Span::Hours(1));
        assert_eq!(Span::of(Duration::from_millis(1_200)), Span::Seconds(2));
    }

    #[test]
    fn the_end_of_time_has_no_day_and_does_no_harm() {
        assert!(Moment::of(Timestamp::from_millis(i64::MAX)).is_none());
        assert!(Moment::of(Timestamp::from_millis(i64::MIN)).is_none());
        let moment = Moment::of(Timestamp::from_millis(1_700_000_000_000)).unwrap();
        assert_eq!(moment.to_string(), "2023-11-14T22:13:20Z");
    }
}
