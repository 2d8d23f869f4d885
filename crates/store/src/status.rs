//! The facts about a store that an operator wants to know.

use crate::{Store, migrate};

impl Store {
    /// The version of the schema that this program needs.
    pub fn newest_schema() -> i64 {
        migrate::newest()
    }

    /// The timeline of PostgreSQL with which the epoch rises, as the newest connection saw it; `None`
    /// where none is seen, because the store is a file, or a server that does not tell. What the
    /// database remembers of another server's does not count.
    pub fn timeline(&self) -> Option<i64> {
        self.backend.timeline()
    }
}
