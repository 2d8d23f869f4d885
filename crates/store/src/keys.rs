//! Root keys as the store knows them: their numbers and fingerprints, never the keys themselves.

use remint_protocol::keyring::Fingerprint;
use remint_protocol::root_key::StoredRootKey;
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

/// Retired numbers that nothing refers to any more. A session's row computes the successor of a retried token
/// under its `kid`, and secrets and signing keys open under theirs: none of them may find another key there.
/// Whatever else was sealed by the old key of a number does not open under a new one, as it did not while the
/// number was retired; and a node or a backup that still has the old one has another fingerprint.
macro_rules! free {
    () => {
        "retired_at IS NOT NULL \
         AND kid NOT IN (SELECT f.kid FROM families f) \
         AND kid NOT IN (SELECT c.secret_kid FROM clients c WHERE c.secret_kid IS NOT NULL) \
         AND kid NOT IN (SELECT c.previous_secret_kid FROM clients c \
         WHERE c.previous_secret_kid IS NOT NULL) \
         AND kid NOT IN (SELECT s.root_kid FROM signing_keys s) \
         AND kid NOT IN (SELECT s.root_kid FROM secrets s)"
    };
}

const FREE: Statement =
    Statement::new(concat!("SELECT kid FROM keys WHERE ", free!(), " ORDER BY kid"));

/// After the old one was retired, whatever the clocks say: copies between stores tell them apart by that.
const REUSE: Statement = Statement::new(concat!(
    "UPDATE keys SET fingerprint = ?2, added_at = CASE WHEN retired_at >= ?3 THEN retired_at + 1 ELSE ?3 END, \
     activated_at = NULL, retired_at = NULL WHERE kid = ?1 AND ",
    free!()
));

/// A handful of rows, looked at when something changes.
#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&LIST, &INSERT, &ACTIVATE, &RETIRE, &FREE, &REUSE];

impl Store {
    /// Every root key that was ever made known, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_keys(&self) -> Result<Vec<StoredRootKey>, Error> {
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

    /// The numbers of retired keys that nothing refers to any more, in their order.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn free_key_numbers(&self) -> Result<Vec<u8>, Error> {
        let rows = self.read(&FREE, &[]).await?;
        rows.into_iter().map(|row| Columns::new("keys", row).take("kid")).collect()
    }

    /// Makes a new root key known under the number of a retired one; `Conflict` when the number is not free.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn reuse_key_number(
        &self,
        kid: u8,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![kid.into(), fingerprint.0.into(), now.into()];
        self.commit(vec![raise_revision(), Write::one(&REUSE, values)]).await
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

fn key(row: Row) -> Result<StoredRootKey, Error> {
    let mut c = Columns::new("keys", row);
    Ok(StoredRootKey {
        kid: c.take("kid")?,
        fingerprint: Fingerprint(c.take("fingerprint")?),
        added_at: c.take("added_at")?,
        activated_at: c.take("activated_at")?,
        retired_at: c.take("retired_at")?,
    })
}
