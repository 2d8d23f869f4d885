//! Access tokens that were revoked one by one. All others need no row.

use remint_protocol::time::Timestamp;
use remint_protocol::token::Jti;

use crate::batch::{Outcome, Statement, Write};
use crate::{Error, Store};

const LOAD: Statement = Statement::new("SELECT 1 FROM revoked_access_tokens WHERE jti = ?1");

/// Written again where it is there already, as for families.
const INSERT: Statement = Statement::new(
    "INSERT INTO revoked_access_tokens (jti, expires_at) VALUES (?1, ?2) \
     ON CONFLICT (jti) DO UPDATE SET expires_at = excluded.expires_at",
);

const FIND_EXPIRED: Statement =
    Statement::new("SELECT 1 FROM revoked_access_tokens WHERE expires_at < ?1 LIMIT 1");

const DELETE_EXPIRED: Statement = Statement::new(
    "DELETE FROM revoked_access_tokens WHERE jti IN (SELECT jti FROM revoked_access_tokens \
     WHERE expires_at < ?1 LIMIT 1000)",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[&LOAD, &INSERT, &FIND_EXPIRED, &DELETE_EXPIRED];

impl Store {
    /// Whether this very access token was revoked.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn is_access_token_revoked(&self, jti: Jti) -> Result<bool, Error> {
        Ok(self.read_one(&LOAD, &[jti.0.into()]).await?.is_some())
    }

    /// Revokes an access token until it would have expired.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_access_token(
        &self,
        jti: Jti,
        expires_at: Timestamp,
    ) -> Result<Outcome, Error> {
        self.commit(vec![Write::any(&INSERT, vec![jti.0.into(), expires_at.into()])]).await
    }

    /// Forgets some of the revoked access tokens that are expired by now. Says whether there were
    /// any, and so whether there may be more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_expired_access_tokens(&self, now: Timestamp) -> Result<bool, Error> {
        // A server with nothing to do writes nothing.
        if self.read_one(&FIND_EXPIRED, &[now.into()]).await?.is_none() {
            return Ok(false);
        }
        self.commit(vec![Write::any(&DELETE_EXPIRED, vec![now.into()])]).await?;
        Ok(true)
    }
}
