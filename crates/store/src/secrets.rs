//! The secrets that an installation keeps forever, sealed under a root key of the day.
//!
//! A secret is made once: whoever comes second gets [`Outcome::Conflict`] and finds the first. The
//! batches raise the revision first, as those of signing keys do.

use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::meta::raise_revision;
use crate::row::Columns;
use crate::{Error, Store};

const FIND: Statement = Statement::new(
    "SELECT name, created_at, root_kid, sealed, sealed_at FROM secrets WHERE name = ?1",
);

/// Not under a root key that is given up.
const INSERT: Statement = Statement::new(
    "INSERT INTO secrets (name, created_at, root_kid, sealed, sealed_at) \
     SELECT ?1, ?2, ?3, ?4, ?5 \
     WHERE EXISTS (SELECT 1 FROM keys k WHERE k.kid = ?3 AND k.retired_at IS NULL) \
     ON CONFLICT (name) DO NOTHING",
);

const RESEAL: Statement = Statement::new(
    "UPDATE secrets SET root_kid = ?3, sealed = ?4, sealed_at = ?5 \
     WHERE name = ?1 AND root_kid = ?2 \
     AND EXISTS (SELECT 1 FROM keys k WHERE k.kid = ?3 AND k.retired_at IS NULL)",
);

const DELETE_UNDER: Statement = Statement::new("DELETE FROM secrets WHERE root_kid = ?1");

#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&FIND, &INSERT, &RESEAL, &DELETE_UNDER];

/// The name of the salt of pairwise subjects.
pub const SUBJECT_SALT: &str = "subject_salt";

/// A secret, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// Its name.
    pub name: String,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The root key that seals it.
    pub root_kid: u8,
    /// The secret.
    pub sealed: Vec<u8>,
    /// The time at which it was sealed.
    pub sealed_at: Timestamp,
}

impl Store {
    /// Finds a secret.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find_secret(&self, name: &str) -> Result<Option<SealedSecret>, Error> {
        let Some(row) = self.read_one(&FIND, &[name.into()]).await? else { return Ok(None) };
        let mut c = Columns::new("secrets", row);
        Ok(Some(SealedSecret {
            name: c.take("name")?,
            created_at: c.take("created_at")?,
            root_kid: c.take("root_kid")?,
            sealed: c.take("sealed")?,
            sealed_at: c.take("sealed_at")?,
        }))
    }

    /// Adds a secret. `Conflict` when there is one of its name, or when its root key is not known or
    /// given up.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn add_secret(&self, secret: &SealedSecret) -> Result<Outcome, Error> {
        let values = vec![
            secret.name.as_str().into(),
            secret.created_at.into(),
            secret.root_kid.into(),
            secret.sealed.clone().into(),
            secret.sealed_at.into(),
        ];
        self.commit(vec![raise_revision(), Write::one(&INSERT, values)]).await
    }

    /// Puts a secret under another root key: `sealed` and `root_kid` of `secret`. `Conflict` when it is
    /// not under the root key `from` any more, or when the new one is given up.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn reseal_secret(&self, secret: &SealedSecret, from: u8) -> Result<Outcome, Error> {
        let values = vec![
            secret.name.as_str().into(),
            from.into(),
            secret.root_kid.into(),
            secret.sealed.clone().into(),
            secret.sealed_at.into(),
        ];
        self.commit(vec![raise_revision(), Write::one(&RESEAL, values)]).await
    }

    /// Deletes the secrets that are sealed under a root key: they are lost with it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_secrets_under(&self, root_kid: u8) -> Result<Outcome, Error> {
        let delete = Write::any(&DELETE_UNDER, vec![root_kid.into()]);
        self.commit(vec![raise_revision(), delete]).await
    }
}
