//! Families: one row per session, changed in place at each refresh.

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client_id::ClientId;
use remint_protocol::ends::{Ends, LastEnd};
use remint_protocol::family::{Family, Loaded, Origin, RevokeReason, Rotation};
use remint_protocol::family_id::FamilyId;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::secret::SecretHash;
use remint_protocol::time::Timestamp;
use remint_protocol::user::{UserId, UserStanding};

use crate::batch::{Outcome, Statement, Write};
use crate::row::{Columns, Row, Value};
use crate::{Error, Store, users};

/// The row and the standing of its user. What is appended is of the same moment.
macro_rules! columns {
    ($($more:literal),*) => {
        concat!(
            "f.id, f.secret_hash, f.client_id, f.user_id, f.scope, f.resources, f.auth_time, \
             f.created_at, f.max_expires_at, f.generation, f.grace_floor, f.epoch, f.kid, \
             f.rotated_at, f.expires_at, f.confirmed, f.revoked_at, f.revoke_reason, \
             f.session_id, f.offline, f.acr, f.amr, f.claims, f.born, f.proven, \
             u.not_before, u.ended, u.disabled_at"
            $(, ", ", $more)*
        )
    };
}

/// With the standing of its client and the epoch.
macro_rules! with_client {
    ($($more:literal),*) => {
        columns!(
            "c.not_before",
            "c.ended",
            "(SELECT value FROM meta WHERE name = 'epoch')"
            $(, $more)*
        )
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            with_client!(),
            " FROM families f LEFT JOIN users u ON u.id = f.user_id \
             LEFT JOIN clients c ON c.id = f.client_id ",
            $rest
        )
    };
}

// Below the macros, which it uses.
mod listing;

pub use listing::{Filter, Page};

const LOAD: Statement = Statement::new(select!("WHERE f.id = ?1")).with_set(concat!(
    "SELECT ",
    with_client!("v.n"),
    " FROM unnest($1::bytea[]) WITH ORDINALITY AS v (id, n) \
     JOIN families f ON f.id = v.id LEFT JOIN users u ON u.id = f.user_id \
     LEFT JOIN clients c ON c.id = f.client_id"
));

/// Without its client, which is wide and known already; the epoch is in the number of ends.
const LOAD_OF_KNOWN_CLIENT: Statement = Statement::new(concat!(
    "SELECT ",
    columns!("(SELECT value FROM meta WHERE name = 'ends')"),
    " FROM families f LEFT JOIN users u ON u.id = f.user_id WHERE f.id = ?1"
))
.with_set(concat!(
    "SELECT ",
    columns!("(SELECT value FROM meta WHERE name = 'ends')", "v.n"),
    " FROM unnest($1::bytea[]) WITH ORDINALITY AS v (id, n) \
     JOIN families f ON f.id = v.id LEFT JOIN users u ON u.id = f.user_id"
));

/// One that is lost in a failover heals: its token is ahead of the row from an older epoch.
pub(crate) const ROTATE: Statement = Statement::new(
    "UPDATE families SET generation = ?3, epoch = ?4, kid = ?5, rotated_at = ?6, expires_at = ?7, \
     confirmed = 0 WHERE id = ?1 AND generation = ?2 AND revoked_at IS NULL",
)
.with_set(
    "UPDATE families f SET generation = v.generation, epoch = v.epoch, kid = v.kid, \
     rotated_at = v.rotated_at, expires_at = v.expires_at, confirmed = 0 \
     FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], \
     $6::bigint[], $7::bigint[]) WITH ORDINALITY \
     AS v (id, seen, generation, epoch, kid, rotated_at, expires_at, n) \
     WHERE f.id = v.id AND f.generation = v.seen AND f.revoked_at IS NULL RETURNING v.n",
)
.local_commit();

const CONFIRM: Statement = Statement::new(
    "UPDATE families SET confirmed = 1 WHERE id = ?1 AND generation = ?2 AND revoked_at IS NULL",
);

/// Written again where it is revoked already: an answer then waits for what the first one waited for.
/// A primary that crashed meanwhile may have it alone.
const REVOKE: Statement = Statement::new(
    "UPDATE families SET revoked_at = coalesce(revoked_at, ?2), \
     revoke_reason = coalesce(revoke_reason, ?3) WHERE id = ?1",
);

const REVOKE_SEEN: Statement = Statement::new(
    "UPDATE families SET revoked_at = ?2, revoke_reason = ?3 WHERE id = ?1 AND generation = ?4 \
     AND revoked_at IS NULL",
);

/// All that a user's sessions at a client still have.
const REVOKE_OF_USER_AT_CLIENT: Statement = Statement::new(
    "UPDATE families SET revoked_at = ?3, revoke_reason = ?4 WHERE user_id = ?1 AND client_id = ?2 \
     AND revoked_at IS NULL",
);

/// Ends the families that belong to a browser session.
const REVOKE_OF_BROWSER_SESSION: Statement = Statement::new(
    "UPDATE families SET revoked_at = ?3, revoke_reason = ?4 WHERE user_id = ?1 AND session_id = ?2 \
     AND offline = 0 AND revoked_at IS NULL",
);

/// In pieces, so that the writer is not busy with one deletion while requests wait.
const DELETE_SOME_OF_USER: Statement = Statement::new(
    "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE user_id = ?1 LIMIT 500)",
);
const DELETE_SOME_OF_CLIENT: Statement = Statement::new(
    "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE client_id = ?1 LIMIT 500)",
);

/// A family of a browser session that is not over yet stays: its client is to be notified of the end.
const DELETE_EXPIRED: Statement = Statement::new(
    "DELETE FROM families WHERE id > ?1 AND id <= ?2 AND expires_at < ?3 AND NOT EXISTS \
     (SELECT 1 FROM browser_sessions s WHERE s.id = families.session_id AND s.ended_at IS NULL \
     AND s.expires_at >= ?3)",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[
    &LOAD,
    &LOAD_OF_KNOWN_CLIENT,
    &ROTATE,
    &CONFIRM,
    &REVOKE,
    &REVOKE_SEEN,
    &REVOKE_OF_USER_AT_CLIENT,
    &REVOKE_OF_BROWSER_SESSION,
    &listing::LIST,
    &listing::LIST_BY_USER,
    &listing::LIST_BY_CLIENT,
    &listing::LIST_LIVE,
    &DELETE_SOME_OF_USER,
    &DELETE_SOME_OF_CLIENT,
    &DELETE_EXPIRED,
];

/// A client as it was read when so many ends were counted.
#[derive(Clone, Copy, Debug)]
pub struct KnownClient<'a> {
    /// The client.
    pub id: &'a ClientId,
    /// The last end of all its sessions.
    pub ended: LastEnd,
    /// The number of ends counted when that was read.
    pub ends: Ends,
}

/// Something was ended since the client was read, or the family is another client's: both are to be read anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated;

impl Store {
    /// Loads a family and the standing of its user and its client: one primary-key read.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_family(&self, id: FamilyId) -> Result<Option<Loaded>, Error> {
        self.read_one(&LOAD, &[id.0.into()]).await?.map(loaded).transpose()
    }

    /// Loads a family of a client that is known, and the standing of its user: one primary-key read, which
    /// does not read the client again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_family_of(
        &self,
        id: FamilyId,
        client: &KnownClient<'_>,
    ) -> Result<Result<Option<Loaded>, Outdated>, Error> {
        let Some(row) = self.read_one(&LOAD_OF_KNOWN_CLIENT, &[id.0.into()]).await? else {
            return Ok(Ok(None));
        };
        let mut c = Columns::new("families", row);
        let (family, user) = family_and_user(&mut c)?;
        let ends: Ends = c.take("ends")?;
        if ends != client.ends || family.client_id != *client.id {
            return Ok(Err(Outdated));
        }
        let (client, epoch) = (Some(client.ended), ends.epoch());
        Ok(Ok(Some(Loaded { family, user, client, epoch })))
    }

    /// Moves a family to its next generation, if it still has the one that was decided upon and is
    /// not revoked.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rotate(&self, rotation: &Rotation) -> Result<Outcome, Error> {
        let values = vec![
            rotation.family.0.into(),
            rotation.from.into(),
            rotation.to.into(),
            rotation.epoch.into(),
            rotation.kid.into(),
            rotation.at.into(),
            rotation.expires_at.into(),
        ];
        self.commit(vec![Write::one(&ROTATE, values)]).await
    }

    /// Remembers that the current token was used, which ends its predecessor's grace.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn confirm(&self, id: FamilyId, generation: u32) -> Result<Outcome, Error> {
        self.commit(vec![Write::one(&CONFIRM, vec![id.0.into(), generation.into()])]).await
    }

    /// Ends a family. One that is over stays as it is: the first reason counts.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_family(
        &self,
        id: FamilyId,
        reason: RevokeReason,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![id.0.into(), now.into(), reason.code().into()];
        self.commit(vec![Write::any(&REVOKE, values)]).await
    }

    /// Ends a family, if it still has the generation that was decided upon.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_family_seen_at(
        &self,
        (id, generation): (FamilyId, u32),
        reason: RevokeReason,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![id.0.into(), now.into(), reason.code().into(), generation.into()];
        self.commit(vec![Write::one(&REVOKE_SEEN, values)]).await
    }

    /// Removes all families of a user who is no more.
    pub(crate) async fn delete_families_of_user(&self, id: UserId) -> Result<(), Error> {
        self.delete_families(Filter::User(id), &DELETE_SOME_OF_USER, id.0.into()).await
    }

    /// Removes all families of a client that is no more.
    pub(crate) async fn delete_families_of_client(&self, id: &ClientId) -> Result<(), Error> {
        self.delete_families(Filter::Client(id), &DELETE_SOME_OF_CLIENT, id.as_str().into()).await
    }

    async fn delete_families(
        &self,
        of: Filter<'_>,
        statement: &'static Statement,
        whose: Value,
    ) -> Result<(), Error> {
        while !self.list_families(of, None, 1).await?.families.is_empty() {
            self.commit(vec![Write::any(statement, vec![whose.clone()])]).await?;
        }
        Ok(())
    }

    /// Removes the families between two ids that expired before `before`, but for those of browser sessions
    /// that are not over. The sweep calls this for one bounded piece after another.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_expired_families(
        &self,
        after: Option<FamilyId>,
        to: FamilyId,
        before: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![start(after), to.0.into(), before.into()];
        self.commit(vec![Write::any(&DELETE_EXPIRED, values)]).await
    }
}

pub(crate) fn revoke_at_client(
    (user, client): (UserId, &ClientId),
    reason: RevokeReason,
    now: Timestamp,
) -> Write {
    let values = vec![user.0.into(), client.as_str().into(), now.into(), reason.code().into()];
    Write::any(&REVOKE_OF_USER_AT_CLIENT, values)
}

/// Ends what belongs to a browser's session and does not outlive it.
pub(crate) fn revoke_with_browser_session(
    (user, session): (UserId, BrowserSessionId),
    now: Timestamp,
) -> Write {
    let reason = RevokeReason::SignOut.code();
    let values = vec![user.0.into(), session.0.into(), now.into(), reason.into()];
    Write::any(&REVOKE_OF_BROWSER_SESSION, values)
}

/// Every id is greater than no bytes at all.
fn start(after: Option<FamilyId>) -> Value {
    after.map_or_else(|| Value::Blob(Vec::new()), |id| id.0.into())
}

fn loaded(row: Row) -> Result<Loaded, Error> {
    let mut c = Columns::new("families", row);
    let (family, user) = family_and_user(&mut c)?;
    Ok(Loaded { family, user, client: users::last_end(&mut c)?, epoch: c.take("epoch")? })
}

fn family_and_user(c: &mut Columns) -> Result<(Family, Option<UserStanding>), Error> {
    let mut family = Family {
        id: FamilyId(c.take("id")?),
        secret_hash: SecretHash(c.take("secret_hash")?),
        client_id: c.parse("client_id", |text: String| ClientId::parse(&text))?,
        user_id: UserId(c.take("user_id")?),
        scope: Scope::from_stored(c.take("scope")?),
        resources: Resources::from_stored(c.take("resources")?),
        auth_time: c.take("auth_time")?,
        origin: Origin::default(),
        born: Ends::UNCOUNTED,
        proven: Ends::UNCOUNTED,
        created_at: c.take("created_at")?,
        max_expires_at: c.take("max_expires_at")?,
        generation: c.take("generation")?,
        grace_floor: c.take("grace_floor")?,
        epoch: c.take("epoch")?,
        kid: c.take("kid")?,
        rotated_at: c.take("rotated_at")?,
        expires_at: c.take("expires_at")?,
        confirmed: c.take("confirmed")?,
        revoked: revoked(c)?,
    };
    family.origin = Origin {
        browser_session: c.take::<Option<_>>("session_id")?.map(BrowserSessionId),
        offline: c.take("offline")?,
        acr: c.take("acr")?,
        amr: c.take("amr")?,
        claims: c.take("claims")?,
    };
    (family.born, family.proven) = (c.take("born")?, c.take("proven")?);
    let ended = users::last_end(c)?;
    let disabled_at: Option<Timestamp> = c.take("disabled_at")?;
    let user = ended.map(|ended| UserStanding { enabled: disabled_at.is_none(), ended });
    Ok((family, user))
}

fn revoked(c: &mut Columns) -> Result<Option<(Timestamp, RevokeReason)>, Error> {
    let at: Option<Timestamp> = c.take("revoked_at")?;
    let reason: Option<i64> = c.take("revoke_reason")?;
    match (at, reason) {
        (None, None) => Ok(None),
        (Some(at), Some(code)) => RevokeReason::from_code(code)
            .map(|reason| Some((at, reason)))
            .ok_or_else(|| c.corrupt("revoke_reason")),
        _ => Err(c.corrupt("revoked_at")),
    }
}
