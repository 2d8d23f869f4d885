//! Waiting for what happens by itself.

use std::thread;
use std::time::Duration;

/// The pause between two looks.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// Asks again and again until the answer is yes, for two minutes.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    (0..12_000).any(|_| is_so() || (thread::sleep(PAUSE), false).1)
}
