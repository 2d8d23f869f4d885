//! The only reader of clocks. `now` is read once per request and handed down.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use remint_protocol::time::Timestamp;

/// The source of the time.
#[derive(Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock for tests that stands still until it is set. Milliseconds since the epoch.
    Manual(AtomicI64),
}

impl Clock {
    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_time(),
            Self::Manual(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A stopwatch for metrics.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}
