//! What an operator wants to know of a store.

use crate::batch::Statement;
use crate::row::Columns;
use crate::{Error, Store, migrate};

const TIMELINE: Statement = Statement::new("SELECT value FROM meta WHERE name = 'timeline'");

impl Store {
    /// The version of the schema that this program needs.
    pub fn newest_schema() -> i64 {
        migrate::newest()
    }

    /// The timeline of PostgreSQL with which the epoch rises; `None` where none is seen, because the
    /// store is a file, or a server that does not tell.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn timeline(&self) -> Result<Option<i64>, Error> {
        let row = self.read_one(&TIMELINE, &[]).await?;
        row.map(|row| Columns::new("meta", row).take("timeline")).transpose()
    }
}
