//! Wrong guesses of passwords and client secrets, counted in buckets.

use std::time::Duration;

use remint_protocol::throttle::{Bucket, BucketKey, FORGET_AFTER, FailedAttempts, Pace};
use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::row::{Columns, Row, Value};
use crate::{Error, Store};

pub(crate) type Key = BucketKey;

const LOAD: Statement = Statement::new(
    "SELECT bucket, failures, last_at, trusted_until FROM guesses \
     WHERE bucket IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
);
/// The number of buckets that one statement loads: as many as a guess falls into, and one more.
const LOADED_AT_ONCE: usize = 8;

/// Adds to what is there now, not to what was read: guesses made at once all count.
const FAIL: Statement = Statement::new(
    "INSERT INTO guesses (bucket, failures, last_at, trusted_until) VALUES (?1, 1, ?2, 0) \
     ON CONFLICT (bucket) DO UPDATE SET last_at = ?2, failures = CASE \
     WHEN abs(?2 - guesses.last_at) >= ?3 THEN 1 ELSE guesses.failures + 1 END",
);

/// `Limit::wait` and `Limit::count` of a bucket whose waits double, in one step: touches no row where the
/// guess must wait. A wait of `first` times two to the power of what is above `free` is over when as many
/// halvings of the time since leave `first`.
const TAKE_DOUBLING: Statement = Statement::new(
    "INSERT INTO guesses (bucket, failures, last_at, trusted_until) VALUES (?1, 1, ?2, 0) \
     ON CONFLICT (bucket) DO UPDATE SET last_at = ?2, failures = CASE \
     WHEN abs(?2 - guesses.last_at) >= ?3 THEN 1 ELSE guesses.failures + 1 END \
     WHERE guesses.failures < ?4 OR abs(?2 - guesses.last_at) >= ?6 \
     OR abs(?2 - guesses.last_at) >> CAST(CASE WHEN guesses.failures >= ?4 + 30 THEN 30 \
     WHEN guesses.failures < ?4 THEN 0 ELSE guesses.failures - ?4 END AS INTEGER) >= ?5",
);

/// The same of a bucket that leaks one each `?3` milliseconds and holds `?4`.
const TAKE_LEAKING: Statement = Statement::new(
    "INSERT INTO guesses (bucket, failures, last_at, trusted_until) VALUES (?1, 1, ?2, 0) \
     ON CONFLICT (bucket) DO UPDATE SET failures = CASE \
     WHEN abs(?2 - guesses.last_at) / ?3 >= guesses.failures \
     OR abs(?2 - guesses.last_at) / ?3 >= ?4 THEN 1 \
     WHEN guesses.failures > ?4 THEN ?4 - abs(?2 - guesses.last_at) / ?3 + 1 \
     ELSE guesses.failures - abs(?2 - guesses.last_at) / ?3 + 1 END, last_at = CASE \
     WHEN guesses.last_at > ?2 OR abs(?2 - guesses.last_at) / ?3 >= guesses.failures \
     OR abs(?2 - guesses.last_at) / ?3 >= ?4 THEN ?2 \
     ELSE guesses.last_at + abs(?2 - guesses.last_at) / ?3 * ?3 END \
     WHERE guesses.failures < ?4 OR abs(?2 - guesses.last_at) >= ?3",
);

const GIVE_BACK: Statement =
    Statement::new("UPDATE guesses SET failures = failures - 1 WHERE bucket = ?1 AND failures > 0");

const RESET: Statement = Statement::new("UPDATE guesses SET failures = 0 WHERE bucket = ?1");

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
    "DELETE FROM guesses WHERE bucket > ?1 AND bucket <= ?2 AND abs(?4 - last_at) > ?3 \
     AND trusted_until < ?4",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[
    &LOAD,
    &FAIL,
    &TAKE_DOUBLING,
    &TAKE_LEAKING,
    &GIVE_BACK,
    &RESET,
    &TRUST,
    &FORGIVE,
    &LIST,
    &DELETE_FORGOTTEN,
];

pub(crate) fn trust(bucket: Key, until: Timestamp) -> Write {
    Write::one(&TRUST, vec![bucket.into(), until.into()])
}

impl Store {
    /// Loads the content of each of the buckets, in their order.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_guesses(&self, buckets: &[BucketKey]) -> Result<Vec<FailedAttempts>, Error> {
        let found = self.find_guesses(buckets).await?;
        Ok(buckets.iter().map(|key| held(&found, *key)).collect())
    }

    async fn find_guesses(
        &self,
        buckets: &[BucketKey],
    ) -> Result<Vec<(BucketKey, FailedAttempts)>, Error> {
        let mut found = Vec::with_capacity(buckets.len());
        for piece in buckets.chunks(LOADED_AT_ONCE) {
            let Some(last) = piece.last() else { continue };
            let padded = piece.iter().chain(std::iter::repeat(last)).take(LOADED_AT_ONCE);
            let values: Vec<Value> = padded.map(|key| (*key).into()).collect();
            let rows = self.read(&LOAD, &values).await?;
            found.extend(rows.into_iter().map(guesses).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(found)
    }

    /// Counts a guess in each bucket before it is judged, or in none: [`Outcome::Conflict`] where one of
    /// them makes it wait. Guesses that are made at once, at one node or at several, each find the ones
    /// before them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn take_guess(
        &self,
        buckets: &[Bucket<'_>],
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let mut all: Vec<_> = buckets.iter().map(|bucket| (bucket.key(), bucket.limit())).collect();
        // Always in the same order, so that no two of them wait for each other.
        all.sort_unstable_by_key(|(key, _)| *key);
        let take = |(key, limit): (BucketKey, remint_protocol::throttle::Limit)| {
            let (free, first) = (limit.free.into(), millis(limit.first_wait));
            match limit.pace {
                Pace::Leaking => {
                    Write::one(&TAKE_LEAKING, vec![key.into(), now.into(), first, free])
                }
                Pace::Doubling => {
                    let (forget, longest) = (millis(FORGET_AFTER), millis(limit.max_wait));
                    let values = vec![key.into(), now.into(), forget, free, first, longest];
                    Write::one(&TAKE_DOUBLING, values)
                }
            }
        };
        self.commit(all.into_iter().map(take).collect()).await
    }

    /// Gives back what a guess took that turned out right, and forgets all of the bucket that is the
    /// guesser's own, where there is one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn give_back_guess(
        &self,
        own: Option<BucketKey>,
        common: &[BucketKey],
    ) -> Result<Outcome, Error> {
        let mut all: Vec<_> = common.iter().map(|key| (*key, &GIVE_BACK)).collect();
        all.extend(own.map(|key| (key, &RESET)));
        all.sort_unstable_by_key(|(key, _)| *key);
        let writes = all.into_iter().map(|(key, write)| Write::any(write, vec![key.into()]));
        self.commit(writes.collect()).await
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
        let forget = millis(FORGET_AFTER);
        let fail =
            |key: &BucketKey| Write::one(&FAIL, vec![(*key).into(), now.into(), forget.clone()]);
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
        let forgotten = |g: &FailedAttempts| now.distance(g.last_at) > FORGET_AFTER;
        if piece.iter().any(|(_, g)| forgotten(g) && g.trusted_until < now) {
            let values = vec![start, (*last).into(), millis(FORGET_AFTER), now.into()];
            self.commit(vec![Write::any(&DELETE_FORGOTTEN, values)]).await?;
        }
        let is_full = u32::try_from(piece.len()).is_ok_and(|found| found == limit);
        Ok(Some(*last).filter(|_| is_full))
    }
}

fn held(found: &[(BucketKey, FailedAttempts)], key: BucketKey) -> FailedAttempts {
    found
        .iter()
        .find(|(found, _)| *found == key)
        .map_or_else(FailedAttempts::default, |found| found.1)
}

fn millis(span: Duration) -> Value {
    Value::Int(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

fn guesses(row: Row) -> Result<(BucketKey, FailedAttempts), Error> {
    let mut c = Columns::new("guesses", row);
    let key = c.take("bucket")?;
    let failures = c.take("failures")?;
    let last_at = c.take("last_at")?;
    let trusted_until = c.take("trusted_until")?;
    Ok((key, FailedAttempts { failures, last_at, trusted_until }))
}
