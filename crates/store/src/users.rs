//! Users.

use std::fmt;

use remint_protocol::ends::{Ends, LastEnd};
use remint_protocol::time::Timestamp;
use remint_protocol::user::{UserId, Username};

use crate::batch::{Batch, Outcome, Statement, Write};
use crate::meta::raise_ends;
use crate::row::{Columns, Row};
use crate::{Error, Store, guesses, logout_notices};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, password_hash, disabled_at, not_before, ended, created_at, updated_at, \
             profile, (SELECT value FROM meta WHERE name = 'ends') FROM users ",
            $rest
        )
    };
}

const LOAD: Statement = Statement::new(select!("WHERE id = ?1"));
const FIND: Statement = Statement::new(select!("WHERE username = ?1"));
const LIST: Statement = Statement::new(select!("WHERE username > ?1 ORDER BY username LIMIT ?2"));

const INSERT: Statement = Statement::new(
    "INSERT INTO users (id, username, password_hash, not_before, created_at, updated_at) \
     VALUES (?1, ?2, ?3, 0, ?4, ?4) ON CONFLICT DO NOTHING",
);

/// Ends all that a user has: writes the number of this end, and for nodes of the version before, which know
/// no numbers, a time after every proof that any row has, whatever clock told it.
macro_rules! end {
    ($now:literal) => {
        concat!(
            "ended = (SELECT value FROM meta WHERE name = 'ends'), not_before = (SELECT max(moments.at) \
             FROM (SELECT not_before + 1 AS at FROM users WHERE id = ?1 UNION ALL SELECT CAST(",
            $now,
            " AS BIGINT) UNION ALL SELECT max(auth_time) FROM browser_sessions WHERE user_id = ?1 \
             UNION ALL SELECT max(auth_time) FROM families WHERE user_id = ?1) AS moments)"
        )
    };
}

const SET_PASSWORD: Statement = Statement::new(concat!(
    "UPDATE users SET password_hash = ?2, updated_at = ?3, ",
    end!("?3"),
    " WHERE id = ?1"
));
/// Waits for whoever is changing the user, and lets them wait: PostgreSQL would let both happen at once, and
/// neither would see the other.
const HOLD_AS_SEEN: Statement = Statement::new(
    "UPDATE users SET updated_at = updated_at WHERE id = ?1 AND ended <= ?2 \
     AND disabled_at IS NULL",
);
const REPLACE_HASH: Statement =
    Statement::new("UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2");
const DISABLE: Statement =
    Statement::new("UPDATE users SET disabled_at = ?2, updated_at = ?2 WHERE id = ?1");
const ENABLE: Statement =
    Statement::new("UPDATE users SET disabled_at = NULL, updated_at = ?2 WHERE id = ?1");
const END_SESSIONS: Statement =
    Statement::new(concat!("UPDATE users SET ", end!("?2"), " WHERE id = ?1"));
const SET_PROFILE: Statement =
    Statement::new("UPDATE users SET profile = ?2, updated_at = ?3 WHERE id = ?1 AND profile = ?4");
const DELETE: Statement = Statement::new("DELETE FROM users WHERE id = ?1");

/// Changes nothing, but waits for others who hold the user, and lets them wait: PostgreSQL would let what
/// they do happen at once, and neither would see the other.
const HOLD: Statement = Statement::new("UPDATE users SET not_before = not_before WHERE id = ?1");

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[
    &LOAD,
    &FIND,
    &LIST,
    &INSERT,
    &SET_PASSWORD,
    &HOLD_AS_SEEN,
    &REPLACE_HASH,
    &DISABLE,
    &ENABLE,
    &END_SESSIONS,
    &SET_PROFILE,
    &DELETE,
    &HOLD,
];

/// A user as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Never used again, not even for the same name.
    pub id: UserId,
    /// The name that they sign in with.
    pub username: Username,
    /// The password as a PHC string (argon2id).
    pub password_hash: String,
    /// The time at which they were disabled, if they are.
    pub disabled_at: Option<Timestamp>,
    /// The last time that everything they had was ended.
    pub ended: LastEnd,
    /// The number of ends that the store had counted when this was read: a proof of the password that was
    /// read along is of that moment.
    pub ends: Ends,
    /// The time at which they were created.
    pub created_at: Timestamp,
    /// The time of their last change.
    pub updated_at: Timestamp,
    /// Their claims, as a JSON object.
    pub profile: String,
}

/// A password that was just proven, for what begins with it.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedPassword {
    /// The user.
    pub user: UserId,
    /// The number of ends counted when the password was read: one of this user since then undoes the proof.
    pub ends: Ends,
    /// The bucket of the account and source, and until when slips from there count against themselves alone.
    pub trust: (guesses::Key, Timestamp),
}

impl VerifiedPassword {
    /// Makes the guard that has to hold for anything to start with it.
    pub(crate) fn holds(&self) -> Write {
        hold_as_seen(self.user, self.ends)
    }

    /// Makes the write that remembers the source as a known one.
    pub(crate) fn is_trusted(self) -> Write {
        let (bucket, until) = self.trust;
        guesses::trust(bucket, until)
    }
}

fn hold_as_seen(id: UserId, ends: Ends) -> Write {
    Write::one(&HOLD_AS_SEEN, vec![id.0.into(), ends.into()])
}

fn set_password(id: UserId, password_hash: &str, now: Timestamp) -> Batch {
    let values = vec![id.0.into(), password_hash.into(), now.into()];
    let notices = logout_notices::of_user(id, now);
    vec![hold(id), notices, raise_ends(), Write::one(&SET_PASSWORD, values)]
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password's hash is what a guesser wants.
        write!(f, "User({}, {:?})", self.id, self.username)
    }
}

impl Store {
    /// Finds a user by name.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find_user(&self, username: &Username) -> Result<Option<User>, Error> {
        self.read_one(&FIND, &[username.as_str().into()]).await?.map(user).transpose()
    }

    /// Loads a user by id.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_user(&self, id: UserId) -> Result<Option<User>, Error> {
        self.read_one(&LOAD, &[id.0.into()]).await?.map(user).transpose()
    }

    /// Lists at most `limit` users after a name, in the order of their names.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_users(&self, after: &str, limit: u32) -> Result<Vec<User>, Error> {
        let rows = self.read(&LIST, &[after.into(), limit.into()]).await?;
        rows.into_iter().map(user).collect()
    }

    /// Creates a user; `Conflict` when the name is taken.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_user(
        &self,
        id: UserId,
        username: &Username,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![id.0.into(), username.as_str().into(), password_hash.into(), now.into()];
        self.commit(vec![Write::one(&INSERT, values)]).await
    }

    /// Changes a password, which ends all the user's sessions. Clients that want to be told will be.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_password(
        &self,
        id: UserId,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        self.commit(set_password(id, password_hash, now)).await
    }

    /// Changes the password of a user who has just proven the one before; `Conflict` where that, or anything else
    /// that ends sessions, was changed or the user disabled since they were `seen`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_password(
        &self,
        seen: &User,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let mut batch = vec![hold_as_seen(seen.id, seen.ends)];
        batch.extend(set_password(seen.id, password_hash, now));
        self.commit(batch).await
    }

    /// Replaces the hash of the same password by a stronger one; sessions live on.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn replace_password_hash(
        &self,
        id: UserId,
        old: &str,
        new: &str,
    ) -> Result<Outcome, Error> {
        self.commit(vec![Write::one(&REPLACE_HASH, vec![id.0.into(), old.into(), new.into()])])
            .await
    }

    /// Disables or enables a user. A disabled user's tokens are dead until they are enabled again; clients that
    /// want to be told of that will be.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_user_enabled(
        &self,
        id: UserId,
        enabled: bool,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![id.0.into(), now.into()];
        let batch = if enabled {
            vec![Write::one(&ENABLE, values)]
        } else {
            vec![logout_notices::of_user(id, now), Write::one(&DISABLE, values)]
        };
        self.commit(batch).await
    }

    /// Replaces a user's claims, if nobody changed them since they were `seen`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_user_profile(
        &self,
        id: UserId,
        (seen, profile): (&str, &str),
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![id.0.into(), profile.into(), now.into(), seen.into()];
        self.commit(vec![Write::one(&SET_PROFILE, values)]).await
    }

    /// Ends all sessions that a user has. Clients that want to be told will be.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn end_user_sessions(&self, id: UserId, now: Timestamp) -> Result<Outcome, Error> {
        let end = Write::any(&END_SESSIONS, vec![id.0.into(), now.into()]);
        self.commit(vec![hold(id), logout_notices::of_user(id, now), raise_ends(), end]).await
    }

    /// Deletes a user, which ends all their sessions at once, and then their rows. Clients are not told: end
    /// the sessions first where they should be.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_user(&self, id: UserId) -> Result<Outcome, Error> {
        let outcome = self.commit(vec![Write::one(&DELETE, vec![id.0.into()])]).await?;
        if outcome == Outcome::Done {
            self.delete_families_of_user(id).await?;
            self.delete_browser_sessions_of_user(id).await?;
            self.delete_consents_of_user(id).await?;
        }
        Ok(outcome)
    }
}

/// Before what must not happen while something that the user has is ended.
pub(crate) fn hold(id: UserId) -> Write {
    Write::any(&HOLD, vec![id.0.into()])
}

/// The time and the number of the last end, as they stand beside each other; `None` where there is no row.
pub(crate) fn last_end(c: &mut Columns) -> Result<Option<LastEnd>, Error> {
    let at: Option<Timestamp> = c.take("not_before")?;
    let number: Option<Ends> = c.take("ended")?;
    Ok(at.zip(number).map(|(at, number)| LastEnd { number, at }))
}

fn user(row: Row) -> Result<User, Error> {
    let mut c = Columns::new("users", row);
    Ok(User {
        id: UserId(c.take("id")?),
        username: c.parse("username", |text: String| Username::parse(&text))?,
        password_hash: c.take("password_hash")?,
        disabled_at: c.take("disabled_at")?,
        ended: c.require("not_before", last_end)?,
        created_at: c.take("created_at")?,
        updated_at: c.take("updated_at")?,
        profile: c.take("profile")?,
        ends: c.take("ends")?,
    })
}
