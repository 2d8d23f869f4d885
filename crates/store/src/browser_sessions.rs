//! The sessions of browsers: one row for each, whose secret is drawn anew at every sign-in.

use std::time::Duration;

use remint_protocol::browser_session::{BrowserSession, BrowserSessionId, SEEN_EVERY};
use remint_protocol::code::SessionStanding;
use remint_protocol::ends::Ends;
use remint_protocol::secret::SecretHash;
use remint_protocol::time::Timestamp;
use remint_protocol::user::{UserId, UserStanding, Username};

use crate::batch::{Batch, Outcome, Statement, Write};
use crate::row::{Columns, Row, Value};
use crate::users::VerifiedPassword;
use crate::{Error, Store, families, logout_notices, users};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.user_id, s.created_at, s.secret_hash, s.auth_time, s.expires_at, s.amr, \
             s.user_agent, s.source, s.seen_at, s.ended_at, s.proven, \
             u.not_before, u.ended, u.disabled_at, u.username, \
             (SELECT value FROM meta WHERE name = 'ends') \
             FROM browser_sessions s LEFT JOIN users u ON u.id = s.user_id ",
            $rest
        )
    };
}

const LOAD: Statement = Statement::new(select!("WHERE s.id = ?1"));
const LIST_BY_USER: Statement =
    Statement::new(select!("WHERE s.user_id = ?1 AND s.id > ?2 ORDER BY s.id LIMIT ?3"));

/// As `BrowserSession::is_alive`, or what is over would take the places of what is not.
const LIST_LIVE: Statement = Statement::new(select!(
    "WHERE s.user_id = ?1 AND s.ended_at IS NULL AND s.expires_at > ?2 AND s.seen_at > ?3 \
     AND u.disabled_at IS NULL AND s.proven >= u.ended \
     AND (s.proven > 0 OR s.auth_time > u.not_before) ORDER BY s.seen_at DESC LIMIT ?4"
));

const INSERT: Statement = Statement::new(
    "INSERT INTO browser_sessions (id, user_id, created_at, secret_hash, auth_time, expires_at, amr, \
     user_agent, source, seen_at, proven) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 \
     WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2 AND disabled_at IS NULL AND ended <= ?11) \
     ON CONFLICT (id) DO NOTHING",
);

/// Guarded by the secret that was presented: of two sign-ins at once one wins.
const RENEW: Statement = Statement::new(
    "UPDATE browser_sessions SET secret_hash = ?3, auth_time = ?4, expires_at = ?5, amr = ?6, \
     user_agent = ?7, source = ?8, seen_at = ?9, proven = ?10 WHERE id = ?1 AND secret_hash = ?2 \
     AND ended_at IS NULL \
     AND EXISTS (SELECT 1 FROM users WHERE id = user_id AND disabled_at IS NULL AND ended <= ?10)",
);

/// A failover that loses it only makes a session idle a minute sooner. It moves on, and back only from where
/// a clock that was wrong has put it.
const SEE: Statement = Statement::new(
    "UPDATE browser_sessions SET seen_at = ?2 WHERE id = ?1 AND ended_at IS NULL \
     AND (seen_at < ?2 OR seen_at > ?3)",
)
.local_commit();

const END: Statement = Statement::new(
    "UPDATE browser_sessions SET ended_at = coalesce(ended_at, ?3) WHERE id = ?1 AND user_id = ?2",
);

/// Changes nothing, but waits for whoever is ending the session, and lets them wait: PostgreSQL would let
/// both happen at once, and neither would see the other.
const HOLD: Statement =
    Statement::new("UPDATE browser_sessions SET seen_at = seen_at WHERE id = ?1");

/// In pieces, so that the writer is not busy with one deletion while requests wait.
const DELETE_SOME_OF_USER: Statement = Statement::new(
    "DELETE FROM browser_sessions WHERE id IN \
     (SELECT id FROM browser_sessions WHERE user_id = ?1 LIMIT 500)",
);
const DELETE_SOME_EXPIRED: Statement = Statement::new(
    "DELETE FROM browser_sessions WHERE id IN \
     (SELECT id FROM browser_sessions WHERE expires_at < ?1 LIMIT 500)",
);
const FIND_EXPIRED: Statement =
    Statement::new("SELECT id FROM browser_sessions WHERE expires_at < ?1 LIMIT 1");

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[
    &LOAD,
    &LIST_BY_USER,
    &LIST_LIVE,
    &INSERT,
    &RENEW,
    &SEE,
    &END,
    &HOLD,
    &DELETE_SOME_OF_USER,
    &DELETE_SOME_EXPIRED,
    &FIND_EXPIRED,
];

/// A session, and its user as they are today; `None` for one who was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The session.
    pub session: BrowserSession,
    /// The user today.
    pub user: Option<(Username, UserStanding)>,
    /// The number of ends that the store had counted when this was read.
    pub ends: Ends,
}

/// The columns that each sign-in writes anew.
fn proof(session: &BrowserSession) -> [Value; 8] {
    [
        session.secret_hash.0.into(),
        session.auth_time.into(),
        session.expires_at.into(),
        session.amr.as_str().into(),
        session.user_agent.as_str().into(),
        session.source.as_str().into(),
        session.seen_at.into(),
        session.proven.into(),
    ]
}

/// Makes the batch of a write that starts with a verified password, if there was one.
fn begun(proven: Option<VerifiedPassword>, write: Write) -> Batch {
    let holds = proven.as_ref().map(VerifiedPassword::holds);
    holds.into_iter().chain([write]).chain(proven.map(VerifiedPassword::is_trusted)).collect()
}

impl Store {
    /// Loads a session.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_browser_session(
        &self,
        id: BrowserSessionId,
    ) -> Result<Option<Visitor>, Error> {
        self.read_one(&LOAD, &[id.0.into()]).await?.map(visitor).transpose()
    }

    /// Lists at most `limit` sessions of a user after an id, in the order of their ids.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_browser_sessions(
        &self,
        user: UserId,
        after: Option<BrowserSessionId>,
        limit: u32,
    ) -> Result<Vec<BrowserSession>, Error> {
        let after = after.map_or_else(Vec::new, |id| id.0.to_vec());
        let values = [user.0.into(), crate::row::Value::Blob(after), limit.into()];
        let rows = self.read(&LIST_BY_USER, &values).await?;
        rows.into_iter().map(|row| visitor(row).map(|visitor| visitor.session)).collect()
    }

    /// Lists at most `limit` sessions of a user that are alive and were used within `idle`, those first that
    /// were used last.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_live_browser_sessions(
        &self,
        user: UserId,
        (now, idle): (Timestamp, Duration),
        limit: u32,
    ) -> Result<Vec<Visitor>, Error> {
        let values = [user.0.into(), now.into(), now.before(idle).into(), limit.into()];
        self.read(&LIST_LIVE, &values).await?.into_iter().map(visitor).collect()
    }

    /// Begins a session, unless its user was disabled, deleted or signed out everywhere meanwhile, or what
    /// was proven holds no more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn insert_browser_session(
        &self,
        session: &BrowserSession,
        proven: Option<VerifiedPassword>,
    ) -> Result<Outcome, Error> {
        let own = [session.id.0.into(), session.user_id.0.into(), session.created_at.into()];
        let values = own.into_iter().chain(proof(session)).collect();
        self.commit(begun(proven, Write::one(&INSERT, values))).await
    }

    /// Gives a session whose user has proven again who they are a new secret, if it still has the one that
    /// was `seen`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn renew_browser_session(
        &self,
        seen: SecretHash,
        session: &BrowserSession,
        proven: Option<VerifiedPassword>,
    ) -> Result<Outcome, Error> {
        let guard = [session.id.0.into(), seen.0.into()];
        let values = guard.into_iter().chain(proof(session)).collect();
        self.commit(begun(proven, Write::one(&RENEW, values))).await
    }

    /// Remembers that a session was used.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn see_browser_session(
        &self,
        id: BrowserSessionId,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![id.0.into(), now.into(), now.after(SEEN_EVERY).into()];
        self.commit(vec![Write::any(&SEE, values)]).await
    }

    /// Ends a session of a user, and with it the families that do not outlive it. Clients that want to be told
    /// will be.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn end_browser_session(
        &self,
        (user, id): (UserId, BrowserSessionId),
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let end = Write::any(&END, vec![id.0.into(), user.0.into(), now.into()]);
        let tell = logout_notices::of_browser_session((user, id), now);
        let revoke = families::revoke_with_browser_session((user, id), now);
        // Held first, so that whom to tell is asked when no family can join any more.
        self.commit(vec![hold(id), tell, end, revoke]).await
    }

    /// Removes all sessions of a user who is no more.
    pub(crate) async fn delete_browser_sessions_of_user(&self, user: UserId) -> Result<(), Error> {
        while !self.list_browser_sessions(user, None, 1).await?.is_empty() {
            self.commit(vec![Write::any(&DELETE_SOME_OF_USER, vec![user.0.into()])]).await?;
        }
        Ok(())
    }

    /// Removes some sessions that ended at their latest before `before`, and says whether there may be more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_expired_browser_sessions(&self, before: Timestamp) -> Result<bool, Error> {
        if self.read_one(&FIND_EXPIRED, &[before.into()]).await?.is_none() {
            return Ok(false);
        }
        self.commit(vec![Write::any(&DELETE_SOME_EXPIRED, vec![before.into()])]).await?;
        Ok(true)
    }
}

/// Before what must not happen while the session ends.
pub(crate) fn hold(id: BrowserSessionId) -> Write {
    Write::any(&HOLD, vec![id.0.into()])
}

/// Reads the facts about a session that a code depends on; `None` if there is none.
pub(crate) fn standing(c: &mut Columns) -> Result<Option<SessionStanding>, Error> {
    let user: Option<[u8; 16]> = c.take("user_id")?;
    let hash: Option<[u8; 32]> = c.take("secret_hash")?;
    let proven: Option<Ends> = c.take("proven")?;
    let is_ended = c.take::<Option<Timestamp>>("ended_at")?.is_some();
    let all = user.zip(hash).zip(proven);
    Ok(all.map(|((user, hash), proven)| {
        let (user_id, secret_hash) = (UserId(user), SecretHash(hash));
        SessionStanding { user_id, secret_hash, proven, is_ended }
    }))
}

fn visitor(row: Row) -> Result<Visitor, Error> {
    let mut c = Columns::new("browser_sessions", row);
    let session = BrowserSession {
        id: BrowserSessionId(c.take("id")?),
        user_id: UserId(c.take("user_id")?),
        created_at: c.take("created_at")?,
        secret_hash: SecretHash(c.take("secret_hash")?),
        auth_time: c.take("auth_time")?,
        expires_at: c.take("expires_at")?,
        amr: c.take("amr")?,
        user_agent: c.take("user_agent")?,
        source: c.take("source")?,
        seen_at: c.take("seen_at")?,
        ended_at: c.take("ended_at")?,
        proven: c.take("proven")?,
    };
    let ended = users::last_end(&mut c)?;
    let disabled_at: Option<Timestamp> = c.take("disabled_at")?;
    let name: Option<String> = c.take("username")?;
    let user = match ended.zip(name) {
        None => None,
        Some((ended, name)) => {
            let name = Username::parse(&name).ok_or_else(|| c.corrupt("username"))?;
            Some((name, UserStanding { enabled: disabled_at.is_none(), ended }))
        }
    };
    Ok(Visitor { session, user, ends: c.take("ends")? })
}
