//! The keys that sign JWTs: public halves as they are, private halves sealed.
//!
//! Every key of an algorithm has a generation, one above the last. Whoever makes the next one says
//! which generation it is, and of two nodes that do so at once one gets [`Outcome::Conflict`] and finds
//! the other's key. The batches here raise the revision first: PostgreSQL then runs them one after
//! another, and what each of them checks is still true when it commits.

use remint_protocol::signing_key::SigningAlg;
use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::meta::raise_revision;
use crate::row::{Columns, Row};
use crate::{Error, Store};

const LIST: Statement = Statement::new(
    "SELECT kid, alg, generation, jwk, created_at, root_kid, sealed, sealed_at, signs_from, \
     published_until FROM signing_keys ORDER BY alg, generation",
);

/// Not under a root key that is given up, and not beside one of the same generation.
const INSERT: Statement = Statement::new(
    "INSERT INTO signing_keys (kid, alg, generation, jwk, created_at, root_kid, sealed, sealed_at, \
     signs_from) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 \
     WHERE EXISTS (SELECT 1 FROM keys k WHERE k.kid = ?6 AND k.retired_at IS NULL) \
     ON CONFLICT (alg, generation) DO NOTHING",
);

const REPLACE: Statement = Statement::new(
    "UPDATE signing_keys SET published_until = ?3 WHERE alg = ?1 AND generation < ?2 \
     AND (published_until IS NULL OR published_until > ?3)",
);

const RESEAL: Statement = Statement::new(
    "UPDATE signing_keys SET root_kid = ?3, sealed = ?4, sealed_at = ?5 \
     WHERE kid = ?1 AND root_kid = ?2 \
     AND EXISTS (SELECT 1 FROM keys k WHERE k.kid = ?3 AND k.retired_at IS NULL)",
);

const DELETE: Statement =
    Statement::new("DELETE FROM signing_keys WHERE kid = ?1 AND published_until < ?2");

const DELETE_UNDER: Statement = Statement::new("DELETE FROM signing_keys WHERE root_kid = ?1");

/// A handful of rows, looked at when something changes.
#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&LIST, &INSERT, &REPLACE, &RESEAL, &DELETE, &DELETE_UNDER];

/// A key that signs JWTs, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSigningKey {
    /// Its number in tokens and in the JWK set: the thumbprint of the public key (RFC 7638).
    pub kid: String,
    /// Its algorithm.
    pub alg: SigningAlg,
    /// The number of keys of the algorithm up to this one, from 1.
    pub generation: u32,
    /// The public half (RFC 7517).
    pub jwk: String,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The root key that seals the private half.
    pub root_kid: u8,
    /// The private half.
    pub sealed: Vec<u8>,
    /// The time at which it was sealed.
    pub sealed_at: Timestamp,
    /// The time from which it signs.
    pub signs_from: Timestamp,
    /// The time until which it is published; `None` while it has no successor.
    pub published_until: Option<Timestamp>,
}

impl Store {
    /// Every signing key, by algorithm and generation.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, Error> {
        self.read(&LIST, &[]).await?.into_iter().map(signing_key).collect()
    }

    /// Adds the next key of an algorithm, and says how long those before it stay. `Conflict` when
    /// there is one of its generation, or when its root key is not known or given up.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn add_signing_key(
        &self,
        key: &StoredSigningKey,
        others_published_until: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![
            key.kid.as_str().into(),
            key.alg.as_str().into(),
            key.generation.into(),
            key.jwk.as_str().into(),
            key.created_at.into(),
            key.root_kid.into(),
            key.sealed.clone().into(),
            key.sealed_at.into(),
            key.signs_from.into(),
        ];
        let replaced =
            vec![key.alg.as_str().into(), key.generation.into(), others_published_until.into()];
        let batch =
            vec![raise_revision(), Write::one(&INSERT, values), Write::any(&REPLACE, replaced)];
        self.commit(batch).await
    }

    /// Puts a key under another root key: `sealed` and `root_kid` of `key`. `Conflict` when it is not
    /// under the root key `from` any more, or when the new one is given up.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn reseal_signing_key(
        &self,
        key: &StoredSigningKey,
        from: u8,
    ) -> Result<Outcome, Error> {
        let values = vec![
            key.kid.as_str().into(),
            from.into(),
            key.root_kid.into(),
            key.sealed.clone().into(),
            key.sealed_at.into(),
        ];
        self.commit(vec![raise_revision(), Write::one(&RESEAL, values)]).await
    }

    /// Deletes a key that is not published any more. `Conflict` when it is, or is gone.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_signing_key(&self, kid: &str, now: Timestamp) -> Result<Outcome, Error> {
        let delete = Write::one(&DELETE, vec![kid.into(), now.into()]);
        self.commit(vec![raise_revision(), delete]).await
    }

    /// Deletes the keys that are sealed under a root key: what it sealed is lost with it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_signing_keys_under(&self, root_kid: u8) -> Result<Outcome, Error> {
        let delete = Write::any(&DELETE_UNDER, vec![root_kid.into()]);
        self.commit(vec![raise_revision(), delete]).await
    }
}

fn signing_key(row: Row) -> Result<StoredSigningKey, Error> {
    let mut c = Columns::new("signing_keys", row);
    Ok(StoredSigningKey {
        kid: c.take("kid")?,
        alg: c.parse("alg", |text: String| SigningAlg::parse(&text))?,
        generation: c.take("generation")?,
        jwk: c.take("jwk")?,
        created_at: c.take("created_at")?,
        root_kid: c.take("root_kid")?,
        sealed: c.take("sealed")?,
        sealed_at: c.take("sealed_at")?,
        signs_from: c.take("signs_from")?,
        published_until: c.take("published_until")?,
    })
}
