//! Wrong guesses of passwords and client secrets, counted in buckets.

use remint_protocol::guess::{BucketKey, FORGET_AFTER, Guesses};
use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::row::{Columns, Row, Value};
use crate::{Error, Store};

pub(crate) type Key = BucketKey;

const LOAD: Statement = Statement::new(
    "SELECT bucket, failures, last_at, trusted_until FROM guesses WHERE bucket IN (?1, ?2, ?3)",
);

/// Adds to what is there now, not to what was read: guesses made at once all count.
const FAIL: Statement = Statement::new(
    "INSERT INTO guesses (bucket, failures, last_at, trusted_until) VALUES (?1, 1, ?2, 0) \
     ON CONFLICT (bucket) DO UPDATE SET last_at = ?2, failures = CASE \
     WHEN guesses.last_at <= ?3 THEN 1 ELSE guesses.failures + 1 END",
);

const TRUST: Statement = Statement::new(
    "INSERT INTO guesses (bucket, failures, last_at, trusted_until) VALUES (?1, 0, 0, ?2) \
     ON CONFLICT (bucket) DO UPDATE SET failures = 0, trusted_until = ?2",
);

const FORGIVE: Statement = Statement::new("DELETE FROM guesses WHERE bucket = ?1");

const LIST: Statement = Statement::new(
    "SELECT bucket, failures, last_at, trusted_until FROM guesses WHERE bucket > ?1 \
     ORDER BY bucket LIMIT ?2",
);

/// As `DELETE_EXPIRED` of families: the piece bounds how long the writer is busy with it.
const DELETE_FORGOTTEN: Statement = Statement::new(
    "DELETE FROM guesses WHERE bucket > ?1 AND bucket <= ?2 AND last_at < ?3 AND trusted_until < ?4",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[&LOAD, &FAIL, &TRUST, &FORGIVE, &LIST, &DELETE_FORGOTTEN];

pub(crate) fn trust(bucket: Key, until: Timestamp) -> Write {
    Write::one(&TRUST, vec![bucket.into(), until.into()])
}

impl Store {
    /// What three buckets hold.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_guesses(&self, buckets: [BucketKey; 3]) -> Result<[Guesses; 3], Error> {
        let rows = self.read(&LOAD, &buckets.map(Into::into)).await?;
        let found = rows.into_iter().map(guesses).collect::<Result<Vec<_>, _>>()?;
        let holds =
            |key| found.iter().find(|(k, _)| *k == key).map_or_else(Guesses::default, |f| f.1);
        Ok(buckets.map(holds))
    }

    /// Counts one wrong guess in each bucket.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn count_wrong_guess(
        &self,
        buckets: &[BucketKey],
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let forgotten = now.before(FORGET_AFTER);
        let fail =
            |key: &BucketKey| Write::one(&FAIL, vec![(*key).into(), now.into(), forgotten.into()]);
        self.commit(buckets.iter().map(fail).collect()).await
    }

    /// Forgets the wrong guesses of a bucket: a right one has followed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn forgive_guesses(&self, bucket: BucketKey) -> Result<Outcome, Error> {
        self.commit(vec![Write::any(&FORGIVE, vec![bucket.into()])]).await
    }

    /// Looks at no more than `limit` buckets after `after`, and removes those that mean nothing any
    /// more. Gives where the next piece starts; `None` after the last one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_forgotten_guesses(
        &self,
        after: Option<BucketKey>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<BucketKey>, Error> {
        // Every key is greater than no bytes at all.
        let start = after.map_or_else(|| Value::Blob(Vec::new()), Value::from);
        let rows = self.read(&LIST, &[start.clone(), limit.into()]).await?;
        let piece = rows.into_iter().map(guesses).collect::<Result<Vec<_>, _>>()?;
        let Some((last, _)) = piece.last() else { return Ok(None) };
        let forgotten = now.before(FORGET_AFTER);
        if piece.iter().any(|(_, g)| g.last_at < forgotten && g.trusted_until < now) {
            let values = vec![start, (*last).into(), forgotten.into(), now.into()];
            self.commit(vec![Write::any(&DELETE_FORGOTTEN, values)]).await?;
        }
        let is_full = u32::try_from(piece.len()).is_ok_and(|found| found == limit);
        Ok(Some(*last).filter(|_| is_full))
    }
}

fn guesses(row: Row) -> Result<(BucketKey, Guesses), Error> {
    let mut c = Columns::new("guesses", row);
    let key = c.take("bucket")?;
    let failures = c.take("failures")?;
    let last_at = c.take("last_at")?;
    let trusted_until = c.take("trusted_until")?;
    Ok((key, Guesses { failures, last_at, trusted_until }))
}
