//! The start of a family, guarded by everything that it stands on: its user, its client, what the user allows
//! the client, and the browser session in which it was authorized.

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client_id::ClientId;
use remint_protocol::code::Standing;
use remint_protocol::family::Family;
use remint_protocol::secret::SecretHash;
use remint_protocol::user::UserId;

use crate::batch::{Batch, Outcome, Statement, Write};
use crate::row::Columns;
use crate::users::VerifiedPassword;
use crate::{Error, Store, browser_sessions, consents, users};

/// Guarded by the ends that were counted when the user proved who they are and when they authorized it, not by
/// those at the moment at which the row is made: a code that waited while the password was changed or access
/// was ended begins nothing. What is authorized by the request that begins it is so now. What was authorized
/// at a browser needs the session there as it was then, still signed in, and consent still, but at a
/// first-party client. Mirrors `consent::is_needed` and `LastEnd::spares`.
const INSERT: Statement = Statement::new(
    "INSERT INTO families (id, secret_hash, client_id, user_id, scope, resources, auth_time, acr, \
     amr, created_at, max_expires_at, generation, grace_floor, epoch, kid, rotated_at, expires_at, \
     confirmed, session_id, offline, claims, born, proven) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?17, ?18, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?19, ?20, \
     ?21, n.born, CAST(?24 AS BIGINT) FROM (SELECT CASE WHEN CAST(?22 AS BIGINT) > 0 THEN \
     CAST(?22 AS BIGINT) ELSE m.value END AS born FROM meta m WHERE m.name = 'ends') AS n \
     WHERE EXISTS (SELECT 1 FROM users WHERE id = ?4 AND disabled_at IS NULL \
     AND ended <= ?24 AND (CAST(?24 AS BIGINT) > 0 OR not_before < ?7)) \
     AND EXISTS (SELECT 1 FROM clients WHERE id = ?3 AND disabled_at IS NULL AND ended <= n.born) \
     AND NOT EXISTS (SELECT 1 FROM consents WHERE id = ?23 AND ended > n.born) \
     AND (EXISTS (SELECT 1 FROM browser_sessions WHERE id = ?19 AND user_id = ?4 \
     AND secret_hash = ?25 AND ended_at IS NULL) OR ?19 IS NULL) \
     AND (?19 IS NULL OR EXISTS (SELECT 1 FROM consents WHERE id = ?23 AND given_at > 0) \
     OR EXISTS (SELECT 1 FROM clients WHERE id = ?3 AND first_party = 1)) \
     ON CONFLICT (id) DO NOTHING",
);

/// One row always: that of the epoch.
const LOAD_CODE_STANDING: Statement = Statement::new(
    "SELECT s.user_id, s.secret_hash, s.proven, s.ended_at, \
     c.scope, c.resources, c.given_at, c.ended, m.value FROM meta m \
     LEFT JOIN browser_sessions s ON s.id = ?1 LEFT JOIN consents c ON c.id = ?2 \
     WHERE m.name = 'epoch'",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[&INSERT, &LOAD_CODE_STANDING];

impl Store {
    /// Begins a family that is authorized by the request at hand, unless there is one of its id, or its user or
    /// its client was disabled, deleted or ended meanwhile, or what was proven holds no more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn insert_family(
        &self,
        family: &Family,
        proven: Option<VerifiedPassword>,
    ) -> Result<Outcome, Error> {
        let holds = proven.as_ref().map(VerifiedPassword::holds);
        let begun = holds.into_iter().chain(begin(family, None));
        self.commit(begun.chain(proven.map(VerifiedPassword::is_trusted)).collect()).await
    }

    /// Begins a family that was authorized at a browser, unless there is one of its id, or anything that it
    /// stands on ended since: its user, its client, what the user allows the client, or the browser's session,
    /// whose secret must still have the hash `session`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn insert_family_at_browser(
        &self,
        family: &Family,
        session: SecretHash,
    ) -> Result<Outcome, Error> {
        self.commit(begin(family, Some(session))).await
    }

    /// Loads what a code stands on: the browser's session, what the user allows the client, and the epoch,
    /// all of one moment.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_code_standing(
        &self,
        session: BrowserSessionId,
        (user, client): (UserId, &ClientId),
    ) -> Result<Standing, Error> {
        let values = [session.0.into(), consents::key(user, client)];
        let missing = Error::Corrupt { table: "meta", column: "epoch" };
        let row = self.read_one(&LOAD_CODE_STANDING, &values).await?.ok_or(missing)?;
        let mut c = Columns::new("browser_sessions", row);
        let session = browser_sessions::standing(&mut c)?;
        let (consent, consent_ended) = consents::standing(&mut c, (user, client))?;
        Ok(Standing { browser_session: session, consent, consent_ended, epoch: c.take("epoch")? })
    }
}

/// Makes the batch that starts a family. Whoever ends its browser session or its application's access at the
/// same moment is waited for, or waits and finds it. The user is held before the session, as by a sign-in: in
/// another order the two could wait for each other.
fn begin(family: &Family, session: Option<SecretHash>) -> Batch {
    let values = vec![
        family.id.0.into(),
        family.secret_hash.0.into(),
        family.client_id.as_str().into(),
        family.user_id.0.into(),
        family.scope.as_str().into(),
        family.resources.as_str().into(),
        family.auth_time.into(),
        family.created_at.into(),
        family.max_expires_at.into(),
        family.generation.into(),
        family.grace_floor.into(),
        family.epoch.into(),
        family.kid.into(),
        family.rotated_at.into(),
        family.expires_at.into(),
        family.confirmed.into(),
        family.origin.acr.as_str().into(),
        family.origin.amr.as_str().into(),
        family.origin.browser_session.map(|session| session.0).into(),
        family.origin.offline.into(),
        family.origin.claims.as_str().into(),
        family.born.into(),
        consents::key(family.user_id, &family.client_id),
        family.proven.into(),
        session.map(|hash| hash.0).into(),
    ];
    let held = family.origin.browser_session.map(browser_sessions::hold);
    let first = [users::hold(family.user_id)].into_iter();
    first.chain(held).chain([Write::one(&INSERT, values)]).collect()
}
