//! A batch as a transaction of its own.

use futures_util::future::join_all;

use super::connection::{Connection, Failed};
use crate::batch::{Batch, Expect, Outcome, Write};

pub(super) async fn run(connection: &mut Connection, batch: &Batch) -> Result<Outcome, Failed> {
    for write in batch {
        connection.prepare(write.statement.sql).await?;
    }
    if let [write] = &batch[..] {
        // One statement is whole by itself; of several rows that it should not have touched there is
        // at most one, by its key.
        let touched = connection.execute(write.statement, &write.values).await?;
        return Ok(outcome(holds(write, touched)));
    }
    let result = attempt(connection, batch).await;
    match &result {
        Ok(Outcome::Done) => connection.client().batch_execute("COMMIT").await?,
        Ok(Outcome::Conflict) | Err(Failed::Rolled(_) | Failed::Refused(_)) => {
            connection.client().batch_execute("ROLLBACK").await?;
        }
        Err(Failed::Broken(_)) => {}
    }
    result
}

/// All statements in one round trip. After one that failed the rest fail too, so the first error is
/// the one that says why.
async fn attempt(connection: &Connection, batch: &Batch) -> Result<Outcome, Failed> {
    connection.client().batch_execute("BEGIN").await?;
    let writes = batch.iter().map(|write| connection.execute(write.statement, &write.values));
    let touched: Vec<u64> = join_all(writes).await.into_iter().collect::<Result<_, _>>()?;
    Ok(outcome(batch.iter().zip(touched).all(|(write, touched)| holds(write, touched))))
}

const fn holds(write: &Write, touched: u64) -> bool {
    match write.expect {
        Expect::Any => true,
        Expect::OneRow => touched == 1,
    }
}

const fn outcome(holds: bool) -> Outcome {
    if holds { Outcome::Done } else { Outcome::Conflict }
}
