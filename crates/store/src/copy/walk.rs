//! Walking through a table in the order of its keys, a piece at a time.

use std::collections::VecDeque;

use super::{CopyError, Side};
use crate::Store;
use crate::batch::Statement;
use crate::row::{Row, Value};

/// A statement that reads a piece of a table after a key, asked again and again until the end.
pub(super) struct Walk<'a> {
    store: &'a Store,
    side: Side,
    statement: &'static Statement,
    after: Value,
    most: u32,
    rows: VecDeque<Row>,
    is_over: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        (store, side): (&'a Store, Side),
        statement: &'static Statement,
        after: Value,
        most: u32,
    ) -> Self {
        Self { store, side, statement, after, most, rows: VecDeque::new(), is_over: false }
    }

    /// The next rows, no more than asked for; none after the last.
    pub(super) async fn piece(&mut self) -> Result<Vec<Row>, CopyError> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let values = [self.after.clone(), self.most.into()];
        let rows = self.store.read(self.statement, &values).await.map_err(self.side.failed())?;
        self.is_over = u32::try_from(rows.len()).is_ok_and(|found| found < self.most);
        if let Some(key) = rows.last().and_then(|row| row.first()) {
            self.after = key.clone();
        }
        Ok(rows)
    }

    /// The row of a key. Keys are asked for in their order.
    pub(super) async fn find(&mut self, key: &Value) -> Result<Option<Row>, CopyError> {
        loop {
            while let Some(at) = self.rows.front().and_then(|row| row.first()) {
                if at == key {
                    return Ok(self.rows.pop_front());
                }
                if is_before(key, at) {
                    return Ok(None);
                }
                self.rows.pop_front();
            }
            if self.is_over {
                return Ok(None);
            }
            self.rows = self.piece().await?.into();
        }
    }
}

/// As both engines compare: bytes, and text by its bytes.
fn is_before(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Text(a), Value::Text(b)) => a < b,
        (Value::Blob(a), Value::Blob(b)) => a < b,
        _ => false,
    }
}
