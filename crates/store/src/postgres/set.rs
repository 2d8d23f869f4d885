//! Many requests of one kind as one statement over arrays.

use tokio_postgres::types::ToSql;

use super::connection::{Connection, Failed};
use crate::batch::Statement;
use crate::row::{Row, Value};

/// The values of requests, the columns of the arrays.
pub(super) struct Set<'a> {
    statement: &'static Statement,
    columns: Vec<Vec<&'a Value>>,
}

impl<'a> Set<'a> {
    /// Requests of one statement in the order given.
    pub(super) fn new(
        statement: &'static Statement,
        requests: impl Iterator<Item = &'a [Value]>,
    ) -> Self {
        let mut columns: Vec<Vec<&Value>> = Vec::new();
        for values in requests {
            columns.resize_with(values.len(), Vec::new);
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
        Self { statement, columns }
    }

    /// Runs them together; each row of the answer comes with the place of its request, from 0.
    pub(super) async fn run(&self, connection: &Connection) -> Result<Vec<(usize, Row)>, Failed> {
        let sql = self.statement.set.unwrap_or(self.statement.sql);
        let parameters: Vec<_> = self.columns.iter().map(|c| c as &(dyn ToSql + Sync)).collect();
        let rows = connection.query(sql, &parameters).await?;
        rows.into_iter().map(numbered).collect()
    }
}

fn numbered(mut row: Row) -> Result<(usize, Row), Failed> {
    match row.pop() {
        Some(Value::Int(number)) if number > 0 => {
            Ok((usize::try_from(number).unwrap_or(usize::MAX) - 1, row))
        }
        _ => Err(Failed::Refused("a row came without the number of its request".into())),
    }
}
