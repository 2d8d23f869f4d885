//! The outbox for back-channel logout: one row for each client still to be notified. It also lists the
//! front-channel URLs of a session.
//!
//! A notice is written together with what ends the session, so that neither is there without the other,
//! whoever ends it. Several nodes may look for what is due: whoever takes a notice has it until its next
//! attempt would be due. What a failover loses of that is told twice.

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client_id::ClientId;
use remint_protocol::logout_notice::{LogoutNotice, misdated};
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;

use crate::batch::{Outcome, Statement, Write};
use crate::row::{Columns, Row};
use crate::{Error, Store};

/// For each client that wants to be told and has got tokens in a session which is not over yet.
macro_rules! write_down {
    ($which:literal) => {
        concat!(
            "INSERT INTO logout_notices (client_id, session_id, user_id, created_at, attempts, due_at) \
             SELECT f.client_id, f.session_id, f.user_id, ?2, 0, ?2 FROM families f \
             JOIN users u ON u.id = f.user_id JOIN browser_sessions s ON s.id = f.session_id \
             JOIN clients c ON c.id = f.client_id \
             WHERE f.user_id = ?1 AND u.disabled_at IS NULL AND s.proven >= u.ended \
             AND (s.proven > 0 OR s.auth_time > u.not_before) \
             AND s.ended_at IS NULL AND c.backchannel_logout_uri IS NOT NULL ",
            $which,
            "ON CONFLICT (client_id, session_id) DO NOTHING"
        )
    };
}

const WRITE_OF_SESSION: Statement = Statement::new(write_down!("AND f.session_id = ?3 "));
const WRITE_OF_USER: Statement = Statement::new(write_down!(""));

/// From one client to the next in the index, whatever each has waiting: it costs a few steps for each client,
/// not for each notice. Both engines take the clients in order, and stop when there are enough.
const LIST_CLIENTS: Statement = Statement::new(
    "WITH RECURSIVE waiting (client_id) AS ( \
     SELECT (SELECT n.client_id FROM logout_notices n WHERE n.client_id > ?1 \
     ORDER BY n.client_id LIMIT 1) \
     UNION ALL \
     SELECT (SELECT n.client_id FROM logout_notices n WHERE n.client_id > waiting.client_id \
     ORDER BY n.client_id LIMIT 1) FROM waiting WHERE waiting.client_id IS NOT NULL) \
     SELECT client_id FROM waiting WHERE (SELECT n.due_at FROM logout_notices n \
     WHERE n.client_id = waiting.client_id ORDER BY n.due_at LIMIT 1) <= ?2 OR EXISTS \
     (SELECT 1 FROM logout_notices n WHERE n.client_id = waiting.client_id AND n.due_at > ?4 \
     AND n.due_at < ?5) \
     LIMIT ?3",
);

const LIST_DUE: Statement = Statement::new(
    "SELECT client_id, session_id, user_id, created_at, attempts, due_at FROM logout_notices \
     WHERE client_id = ?1 AND (due_at <= ?2 OR (due_at > ?4 AND due_at < ?5)) ORDER BY due_at LIMIT ?3",
);

/// Guarded by the time at which it was due: of several nodes one takes it.
const TAKE: Statement = Statement::new(
    "UPDATE logout_notices SET attempts = ?4, due_at = ?5 \
     WHERE client_id = ?1 AND session_id = ?2 AND due_at = ?3",
)
.local_commit();
const POSTPONE: Statement =
    Statement::new("UPDATE logout_notices SET due_at = ?3 WHERE client_id = ?1 AND due_at <= ?2")
        .local_commit();
const DELETE: Statement =
    Statement::new("DELETE FROM logout_notices WHERE client_id = ?1 AND session_id = ?2")
        .local_commit();

/// A notice that was given up is due at a time that never comes, and stays for a while.
const GIVE_UP: Statement = Statement::new(
    "UPDATE logout_notices SET due_at = ?3 WHERE client_id = ?1 AND session_id = ?2",
)
.local_commit();
const FORGET: Statement = Statement::new(
    "DELETE FROM logout_notices WHERE client_id = ?1 AND due_at >= ?2 AND due_at < ?3",
)
.local_commit();
const LIST: Statement = Statement::new(
    "SELECT client_id, session_id, user_id, created_at, attempts, due_at FROM logout_notices \
     WHERE (client_id, session_id) > (?1, ?2) ORDER BY client_id, session_id LIMIT ?3",
);

const LIST_FRONTCHANNEL: Statement = Statement::new(
    "SELECT DISTINCT c.id FROM families f JOIN clients c ON c.id = f.client_id \
     WHERE f.user_id = ?1 AND f.session_id = ?2 AND c.disabled_at IS NULL \
     AND c.frontchannel_logout_uri IS NOT NULL LIMIT ?3",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[
    &WRITE_OF_SESSION,
    &WRITE_OF_USER,
    &LIST_CLIENTS,
    &LIST_DUE,
    &TAKE,
    &POSTPONE,
    &DELETE,
    &GIVE_UP,
    &FORGET,
    &LIST,
    &LIST_FRONTCHANNEL,
];

/// Goes before what ends a session.
pub(crate) fn of_browser_session(
    (user, session): (UserId, BrowserSessionId),
    now: Timestamp,
) -> Write {
    Write::any(&WRITE_OF_SESSION, vec![user.0.into(), now.into(), session.0.into()])
}

/// Goes before what ends all sessions of a user.
pub(crate) fn of_user(user: UserId, now: Timestamp) -> Write {
    Write::any(&WRITE_OF_USER, vec![user.0.into(), now.into()])
}

impl Store {
    /// Lists at most `limit` of the clients that have a notice due, in the order of their ids, from the one
    /// that comes next after `last`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_clients_to_tell(
        &self,
        last: Option<&ClientId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClientId>, Error> {
        // Every id comes after the empty one, which is none.
        let last = last.map_or("", ClientId::as_str);
        let (far, never) = misdated(now);
        let values = [last.into(), now.into(), limit.into(), far.into(), never.into()];
        let rows = self.read(&LIST_CLIENTS, &values).await?;
        let client = |row| {
            let mut c = Columns::new("logout_notices", row);
            c.parse("client_id", |text: String| ClientId::parse(&text))
        };
        rows.into_iter().map(client).collect()
    }

    /// Lists at most `limit` of a client's notices that are due, those first that have been for longest.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_due_logout_notices(
        &self,
        client: &ClientId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LogoutNotice>, Error> {
        let (far, never) = misdated(now);
        let values = [client.as_str().into(), now.into(), limit.into(), far.into(), never.into()];
        let rows = self.read(&LIST_DUE, &values).await?;
        rows.into_iter().map(notice).collect()
    }

    /// Takes a notice that was seen to be due at a time, as it is while an attempt is made; `Conflict` when
    /// somebody else has taken it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn take_logout_notice(
        &self,
        seen: Timestamp,
        attempted: &LogoutNotice,
    ) -> Result<Outcome, Error> {
        let values = vec![
            attempted.client_id.as_str().into(),
            attempted.browser_session.0.into(),
            seen.into(),
            attempted.attempts.into(),
            attempted.due_at.into(),
        ];
        self.commit(vec![Write::one(&TAKE, values)]).await
    }

    /// Puts off what a client is to be told now, because it does not answer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn postpone_logout_notices(
        &self,
        client: &ClientId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![client.as_str().into(), now.into(), until.into()];
        self.commit(vec![Write::any(&POSTPONE, values)]).await
    }

    /// Tries no more, and keeps the notice for operators to see.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn give_up_logout_notice(&self, given_up: &LogoutNotice) -> Result<Outcome, Error> {
        let (client, session) = (given_up.client_id.as_str(), given_up.browser_session.0);
        let values = vec![client.into(), session.into(), given_up.due_at.into()];
        self.commit(vec![Write::any(&GIVE_UP, values)]).await
    }

    /// Removes those notices of a client that are due from one time to before another.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn forget_logout_notices(
        &self,
        client: &ClientId,
        (first, last): (Timestamp, Timestamp),
    ) -> Result<Outcome, Error> {
        let values = vec![client.as_str().into(), first.into(), last.into()];
        self.commit(vec![Write::any(&FORGET, values)]).await
    }

    /// Lists at most `limit` notices, whether they wait or were given up, that come next after one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_logout_notices(
        &self,
        after: Option<&LogoutNotice>,
        limit: u32,
    ) -> Result<Vec<LogoutNotice>, Error> {
        let client = after.map_or("", |last| last.client_id.as_str());
        let session = after.map_or([0; 16], |last| last.browser_session.0);
        let rows = self.read(&LIST, &[client.into(), session.into(), limit.into()]).await?;
        rows.into_iter().map(notice).collect()
    }

    /// Removes a notice: the client was told, or need not be any more.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_logout_notice(&self, notice: &LogoutNotice) -> Result<Outcome, Error> {
        let values = vec![notice.client_id.as_str().into(), notice.browser_session.0.into()];
        self.commit(vec![Write::any(&DELETE, values)]).await
    }

    /// Lists at most `limit` of the clients with a front-channel logout URL that have got tokens in a session.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_frontchannel_clients(
        &self,
        (user, session): (UserId, BrowserSessionId),
        limit: u32,
    ) -> Result<Vec<ClientId>, Error> {
        let values = [user.0.into(), session.0.into(), limit.into()];
        let rows = self.read(&LIST_FRONTCHANNEL, &values).await?;
        let client =
            |row| Columns::new("clients", row).parse("id", |id: String| ClientId::parse(&id));
        rows.into_iter().map(client).collect()
    }
}

fn notice(row: Row) -> Result<LogoutNotice, Error> {
    let mut c = Columns::new("logout_notices", row);
    Ok(LogoutNotice {
        client_id: c.parse("client_id", |text: String| ClientId::parse(&text))?,
        browser_session: BrowserSessionId(c.take("session_id")?),
        user_id: UserId(c.take("user_id")?),
        created_at: c.take("created_at")?,
        attempts: c.take("attempts")?,
        due_at: c.take("due_at")?,
    })
}
