//! What is known of root keys: their numbers and fingerprints, never the keys themselves.

use remint_protocol::keyring::Fingerprint;
use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::meta::raise_revision;
use crate::row::{Columns, Row};
use crate::{Error, Store};

// Batches raise the revision first, as those of signing keys do: PostgreSQL runs them one after another.

const LIST: Statement = Statement::new(
    "SELECT kid, fingerprint, added_at, activated_at, retired_at FROM keys ORDER BY kid",
);

const INSERT: Statement = Statement::new(
    "INSERT INTO keys (kid, fingerprint, added_at) VALUES (?1, ?2, ?3) ON CONFLICT (kid) DO NOTHING",
);

/// After every other, whatever the clocks of those who activated them said.
const ACTIVATE: Statement = Statement::new(
    "UPDATE keys SET activated_at = (SELECT CASE WHEN max(k.activated_at) >= ?2 \
     THEN max(k.activated_at) + 1 ELSE ?2 END FROM keys k) \
     WHERE kid = ?1 AND retired_at IS NULL",
);

/// Not the one that seals, nor one that a signing key or a secret is sealed under.
const RETIRE: Statement = Statement::new(
    "UPDATE keys SET retired_at = ?2 WHERE kid = ?1 AND retired_at IS NULL \
     AND EXISTS (SELECT 1 FROM keys k WHERE k.retired_at IS NULL \
     AND k.activated_at > coalesce(keys.activated_at, 0)) \
     AND NOT EXISTS (SELECT 1 FROM signing_keys s WHERE s.root_kid = keys.kid) \
     AND NOT EXISTS (SELECT 1 FROM secrets s WHERE s.root_kid = keys.kid)",
);

/// A handful of rows, looked at when something changes.
#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&LIST, &INSERT, &ACTIVATE, &RETIRE];

/// What is known of a root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Its number.
    pub kid: u8,
    /// Tells whether a key of that number is this one.
    pub fingerprint: Fingerprint,
    /// When it was made known.
    pub added_at: Timestamp,
    /// When it was told to seal; of several, the latest does.
    pub activated_at: Option<Timestamp>,
    /// When it was given up: what it sealed is garbage.
    pub retired_at: Option<Timestamp>,
}

impl Store {
    /// Every root key that was ever made known, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_keys(&self) -> Result<Vec<StoredKey>, Error> {
        self.read(&LIST, &[]).await?.into_iter().map(key).collect()
    }

    /// Makes a root key known; `Conflict` when one of that number is.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn add_key(
        &self,
        kid: u8,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![kid.into(), fingerprint.0.into(), now.into()];
        self.commit(vec![raise_revision(), Write::one(&INSERT, values)]).await
    }

    /// Lets a key seal from now on; `Conflict` when it is unknown or retired.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn activate_key(&self, kid: u8, now: Timestamp) -> Result<Outcome, Error> {
        let activate = Write::one(&ACTIVATE, vec![kid.into(), now.into()]);
        self.commit(vec![raise_revision(), activate]).await
    }

    /// Gives a key up; `Conflict` when it is unknown, retired, the one that seals, or one that
    /// a signing key or a secret is sealed under.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn retire_key(&self, kid: u8, now: Timestamp) -> Result<Outcome, Error> {
        let retire = Write::one(&RETIRE, vec![kid.into(), now.into()]);
        self.commit(vec![raise_revision(), retire]).await
    }
}

fn key(row: Row) -> Result<StoredKey, Error> {
    let mut c = Columns::new("keys", row);
    Ok(StoredKey {
        kid: c.take("kid")?,
        fingerprint: Fingerprint(c.take("fingerprint")?),
        added_at: c.take("added_at")?,
        activated_at: c.take("activated_at")?,
        retired_at: c.take("retired_at")?,
    })
}
