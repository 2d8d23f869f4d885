//! Counters of the writers of either engine, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets in [`Stats::groups`].
pub const GROUP_BUCKETS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The counters of the writers, for metrics.
#[derive(Debug, Default)]
pub struct Stats {
    /// Commits by the number of batches in them, counted when they begin: one counter for each of
    /// [`GROUP_BUCKETS`].
    pub groups: [AtomicU64; GROUP_BUCKETS.len()],
    /// Batches in them.
    pub batches: AtomicU64,
    /// Commits that failed.
    pub failures: AtomicU64,
    /// Connections that were made to PostgreSQL.
    pub connects: AtomicU64,
}

impl Stats {
    /// Counts a commit that begins.
    pub(crate) fn begin(&self, batches: usize) {
        let size = batches as u64;
        let bucket = GROUP_BUCKETS.iter().position(|bound| size <= *bound);
        if let Some(counter) = bucket.and_then(|i| self.groups.get(i)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.batches.fetch_add(size, Ordering::Relaxed);
    }

    /// Counts a connection that was made.
    pub(crate) fn connect(&self) {
        self.connects.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a commit that failed.
    pub(crate) fn fail(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}
