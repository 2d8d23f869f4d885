//! Ends are counted, not timed: a store numbers every act that ends sessions, and what began remembers how
//! many it had counted by then.
//!
//! Two clocks are never compared. What begins stores the number that it saw; what ends raises the number and
//! stores the new one. Whatever saw a smaller number had begun before the end, on whichever node and by
//! whichever clock. Rows from before ends were counted have no number: they are judged by time, until the
//! first end that is counted, which ends them all.
//!
//! The upper 32 bits are the store's epoch, so that no number is used again after a failover or a restored
//! backup lost some.

use crate::time::Timestamp;

/// The number of ends that a store had counted at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends(i64);

impl Ends {
    /// Of what began, or ended, before ends were counted.
    pub const UNCOUNTED: Self = Self(0);

    /// The number as stored.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number to be stored.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Whether it is a number at all.
    pub const fn is_counted(self) -> bool {
        self.0 > 0
    }

    /// The store's epoch at that moment; 0 for what was not counted.
    pub fn epoch(self) -> u16 {
        u16::try_from(self.0 >> 32).unwrap_or(0)
    }
}

/// The last time that all sessions of a user or of a client were ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastEnd {
    /// Its number.
    pub number: Ends,
    /// Its time, for what began before ends were counted, and for nodes of a version that does not count.
    pub at: Timestamp,
}

impl LastEnd {
    /// An end by its time alone, from before ends were counted.
    pub const fn uncounted(at: Timestamp) -> Self {
        Self { number: Ends::UNCOUNTED, at }
    }

    /// Whether this end leaves alive what began when `seen` ends were counted; by the clock that was at
    /// `began`, which counts only for what has no number.
    pub fn spares(self, seen: Ends, began: Timestamp) -> bool {
        seen >= self.number && (seen.is_counted() || began > self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn what_saw_an_end_began_after_it_whatever_the_clocks_say() {
        for (began, ended) in [(1, 9_000_000), (5, 5), (9_000_000, 1)] {
            let end = LastEnd { number: Ends::new(7), at: at(ended) };
            assert!(end.spares(Ends::new(7), at(began)));
            assert!(end.spares(Ends::new(8), at(began)));
            assert!(!end.spares(Ends::new(6), at(began)));
        }
    }

    #[test]
    fn what_has_no_number_is_judged_by_time_until_the_first_end_that_is_counted() {
        let end = LastEnd::uncounted(at(5));
        assert!(end.spares(Ends::UNCOUNTED, at(6)));
        assert!(!end.spares(Ends::UNCOUNTED, at(5)));
        let counted = LastEnd { number: Ends::new(1), ..end };
        assert!(!counted.spares(Ends::UNCOUNTED, at(9_000_000)));
    }

    #[test]
    fn the_epoch_is_in_the_number() {
        assert_eq!(Ends::new((7 << 32) + 12).epoch(), 7);
        assert_eq!(Ends::new(12).epoch(), 0);
        assert_eq!(Ends::UNCOUNTED.epoch(), 0);
    }
}
