//! Telling a client that a session is over (OpenID Connect Back-Channel Logout 1.0 §2.5–2.8): how often it
//! is tried, and what an answer means.
//!
//! A client that does not answer is tried again a few times, further and further apart, and then given
//! up. One that answers with a redirect has refused: the token is for the registered URL and no other.

use std::time::Duration;

use crate::browser_session::BrowserSessionId;
use crate::client_id::ClientId;
use crate::time::Timestamp;
use crate::user::UserId;

/// The times between an attempt and the next one, should that be needed. Each is longer than an attempt may
/// take, because it is also the time for which whoever makes the attempt has the notice alone.
pub const PAUSES: [Duration; 5] = [
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_mins(15),
];

/// The longest that an attempt may take.
pub const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);

/// The time after a session's end at which it is no news any more.
pub const GIVE_UP_AFTER: Duration = Duration::from_hours(1);

/// The time for which a notice that was given up is kept, for operators to see.
pub const REMEMBERED: Duration = Duration::from_hours(7 * 24);

/// A notice that was given up is due at a time that never comes: this, and when it was given up.
const NEVER: i64 = 1 << 60;

/// The times at which none is due that is to be tried: further ahead than any pause lasts, by a clock that was
/// wrong, and not given up. Such a notice is due now.
pub fn misdated(now: Timestamp) -> (Timestamp, Timestamp) {
    let longest = PAUSES.into_iter().max().unwrap_or_default();
    (now.after(longest), Timestamp::from_millis(NEVER))
}

/// The times at which those are due that were given up longer ago than they are kept.
pub fn forgotten(now: Timestamp) -> (Timestamp, Timestamp) {
    (Timestamp::from_millis(NEVER), never(now.before(REMEMBERED)))
}

const fn never(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(NEVER.saturating_add(at.as_millis()))
}

/// A client that is to be told of the end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// The client to notify.
    pub client_id: ClientId,
    /// The browser session that is over.
    pub browser_session: BrowserSessionId,
    /// The user whose session it was.
    pub user_id: UserId,
    /// The time at which it ended.
    pub created_at: Timestamp,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The time of the next attempt.
    pub due_at: Timestamp,
}

impl LogoutNotice {
    /// The notice as it is while an attempt is made at `now`; `None` where it is to be given up.
    pub fn attempted(&self, now: Timestamp) -> Option<Self> {
        if now.left(self.created_at) >= GIVE_UP_AFTER {
            return None;
        }
        let pause = PAUSES.get(usize::try_from(self.attempts).ok()?)?;
        let (attempts, due_at) = (self.attempts + 1, now.after(*pause));
        Some(Self { attempts, due_at, ..self.clone() })
    }

    /// The notice as it is once nobody tries any more.
    #[must_use]
    pub fn given_up(&self, now: Timestamp) -> Self {
        Self { due_at: never(now), ..self.clone() }
    }

    /// Returns the time at which it was given up, if it was.
    pub fn given_up_at(&self) -> Option<Timestamp> {
        let at = self.due_at.as_millis().checked_sub(NEVER).filter(|millis| *millis >= 0);
        at.map(Timestamp::from_millis)
    }

    /// Whether the attempt that is being made is the last one.
    pub fn is_last_attempt(&self) -> bool {
        usize::try_from(self.attempts).map_or(true, |attempts| attempts >= PAUSES.len())
    }
}

/// The response of a client to a logout token. Only the status counts; the body is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The session is over there too.
    Accepted,
    /// It will say the same next time.
    Rejected,
    /// It may do better later.
    Retry,
}

impl Delivery {
    /// By the status of the answer. What is in the answer beside it is nobody's business.
    pub const fn of(status: u16) -> Self {
        match status {
            // §2.8: 200; some frameworks make 204 of an empty answer.
            200..=299 => Self::Accepted,
            // RFC 6585 §4: too many requests; RFC 9110 §15.5.9: we were too slow.
            408 | 429 | 500.. => Self::Retry,
            _ => Self::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> LogoutNotice {
        LogoutNotice {
            client_id: ClientId::parse("shop").unwrap(),
            browser_session: BrowserSessionId([1; 16]),
            user_id: UserId([2; 16]),
            created_at: Timestamp::from_millis(1_000_000),
            attempts: 0,
            due_at: Timestamp::from_millis(1_000_000),
        }
    }

    #[test]
    fn checklist_78_attempts_are_bounded_and_further_and_further_apart() {
        let mut notice = notice();
        let mut times = Vec::new();
        while let Some(attempted) = notice.attempted(notice.due_at) {
            times.push(notice.due_at.distance(notice.created_at).as_secs());
            assert_eq!(attempted.is_last_attempt(), times.len() == PAUSES.len());
            notice = attempted;
        }
        assert_eq!(times, [0, 15, 75, 375, 1275]);
        assert!(PAUSES.is_sorted() && PAUSES[0] > LONGEST_ATTEMPT);
    }

    #[test]
    fn what_ended_an_hour_ago_is_told_to_nobody() {
        let notice = notice();
        let hour = notice.created_at.after(GIVE_UP_AFTER);
        assert!(notice.attempted(hour.before(Duration::from_millis(1))).is_some());
        assert_eq!(notice.attempted(hour), None);
    }

    #[test]
    fn what_was_given_up_is_never_due_and_remembered_for_a_week() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let given_up = notice().given_up(now);
        assert_eq!((notice().given_up_at(), given_up.given_up_at()), (None, Some(now)));
        assert!(given_up.due_at > Timestamp::from_millis(253_402_300_799_000), "the year 9999");
        let is_forgotten = |at: Timestamp| {
            let (first, last) = forgotten(at);
            (first..last).contains(&given_up.due_at)
        };
        assert!(!is_forgotten(now.after(REMEMBERED)));
        assert!(is_forgotten(now.after(REMEMBERED + Duration::from_millis(1))));
    }

    #[test]
    fn only_what_may_go_better_later_is_tried_again() {
        for (status, heard) in [
            (200, Delivery::Accepted),
            (204, Delivery::Accepted),
            (301, Delivery::Rejected),
            (302, Delivery::Rejected),
            (307, Delivery::Rejected),
            (400, Delivery::Rejected),
            (404, Delivery::Rejected),
            (408, Delivery::Retry),
            (429, Delivery::Retry),
            (500, Delivery::Retry),
            (503, Delivery::Retry),
            (599, Delivery::Retry),
            (100, Delivery::Rejected),
        ] {
            assert_eq!(Delivery::of(status), heard, "{status}");
        }
    }
}
