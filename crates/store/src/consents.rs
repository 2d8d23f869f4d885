//! Consents: one row for each pair of a user and a client.
//!
//! Taking it back leaves the row, empty, with the time: a code that was issued up to then begins nothing, not
//! even after the same is allowed again. Where nobody was asked, as for a first-party client, it leaves such
//! a row as well.

use remint_protocol::client_id::ClientId;
use remint_protocol::consent::Consent;
use remint_protocol::ends::Ends;
use remint_protocol::family::RevokeReason;
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;

use crate::batch::{Outcome, Statement, Write};
use crate::meta::raise_ends;
use crate::row::{Columns, Row, Value};
use crate::{Error, Store, families, users};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT user_id, client_id, scope, resources, given_at FROM consents ", $rest)
    };
}

const LOAD: Statement = Statement::new(select!("WHERE id = ?1 AND given_at > 0"));
const LIST_BY_USER: Statement = Statement::new(select!(
    "WHERE user_id = ?1 AND client_id > ?2 AND given_at > 0 ORDER BY client_id LIMIT ?3"
));
const LIST_BY_CLIENT: Statement = Statement::new(select!(
    "WHERE client_id = ?1 AND id > ?2 AND given_at > 0 ORDER BY client_id, id LIMIT ?3"
));
const FIND_BY_USER: Statement =
    Statement::new("SELECT id FROM consents WHERE user_id = ?1 LIMIT 1");
const FIND_BY_CLIENT: Statement =
    Statement::new("SELECT id FROM consents WHERE client_id = ?1 LIMIT 1");

/// For a pair of which nothing was seen that is allowed, and nothing is.
const GIVE: Statement = Statement::new(
    "INSERT INTO consents (id, user_id, client_id, scope, resources, given_at) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2) \
     ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, resources = excluded.resources, \
     given_at = excluded.given_at WHERE consents.given_at = 0",
);
/// Guarded by all that was seen, and added to: what was taken back meanwhile does not come back.
const CHANGE: Statement = Statement::new(
    "UPDATE consents SET scope = ?2, resources = ?3, given_at = ?4 \
     WHERE id = ?1 AND scope = ?5 AND resources = ?6 AND given_at = ?7 \
     AND EXISTS (SELECT 1 FROM users WHERE id = user_id)",
);

/// A row is made for those alone who are registered: the client's id may come from a form. A clock that went
/// backwards must not bring codes back.
const END: Statement = Statement::new(
    "INSERT INTO consents (id, user_id, client_id, scope, resources, given_at, not_before, ended) \
     SELECT ?1, ?2, ?3, '', '', 0, ?4, (SELECT value FROM meta WHERE name = 'ends') WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2) \
     AND EXISTS (SELECT 1 FROM clients WHERE id = ?3) \
     ON CONFLICT (id) DO UPDATE SET scope = '', resources = '', given_at = 0, not_before = \
     CASE WHEN consents.not_before < ?4 THEN ?4 ELSE consents.not_before END, \
     ended = excluded.ended",
);

/// In pieces, so that the writer is not busy with one deletion while requests wait.
const DELETE_SOME_OF_USER: Statement = Statement::new(
    "DELETE FROM consents WHERE id IN (SELECT id FROM consents WHERE user_id = ?1 LIMIT 500)",
);
const DELETE_SOME_OF_CLIENT: Statement = Statement::new(
    "DELETE FROM consents WHERE id IN (SELECT id FROM consents WHERE client_id = ?1 LIMIT 500)",
);

#[cfg(test)]
pub(crate) const HOT: &[&Statement] = &[
    &LOAD,
    &FIND_BY_USER,
    &FIND_BY_CLIENT,
    &GIVE,
    &CHANGE,
    &END,
    &DELETE_SOME_OF_USER,
    &DELETE_SOME_OF_CLIENT,
];
/// The first reads one person's rows and sorts them: they are few. The second is for operators.
#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&LIST_BY_USER, &LIST_BY_CLIENT];

impl Store {
    /// Loads the consent of a user to a client.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn load_consent(
        &self,
        user: UserId,
        client: &ClientId,
    ) -> Result<Option<Consent>, Error> {
        self.read_one(&LOAD, &[key(user, client)]).await?.map(consent).transpose()
    }

    /// Lists at most `limit` of what a user allowed after a client, in the order of the clients' ids.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_consents(
        &self,
        user: UserId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Consent>, Error> {
        let values = [user.0.into(), after.into(), limit.into()];
        self.read(&LIST_BY_USER, &values).await?.into_iter().map(consent).collect()
    }

    /// Lists at most `limit` of what users allowed a client after a user, in the order of the users' ids.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_consents_to(
        &self,
        client: &ClientId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Consent>, Error> {
        let after = after.map_or_else(|| Value::Blob(Vec::new()), |user| key(user, client));
        let values = [client.as_str().into(), after, limit.into()];
        self.read(&LIST_BY_CLIENT, &values).await?.into_iter().map(consent).collect()
    }

    /// Remembers what a user allowed a client, in place of what was `seen` before, unless that has changed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn save_consent(
        &self,
        given: &Consent,
        seen: Option<&Consent>,
    ) -> Result<Outcome, Error> {
        let id = key(given.user_id, &given.client_id);
        let content = |of: &Consent| {
            [of.scope.as_str().into(), of.resources.as_str().into(), of.given_at.into()]
        };
        let (statement, mut values) = match seen {
            Some(_) => (&CHANGE, vec![id]),
            None => {
                let pair = [given.user_id.0.into(), given.client_id.as_str().into()];
                (&GIVE, [id].into_iter().chain(pair).collect())
            }
        };
        values.extend(content(given));
        values.extend(seen.into_iter().flat_map(content));
        self.commit(vec![Write::one(statement, values)]).await
    }

    /// Takes back what a user allowed a client, and ends all that the client has of them, whether they were
    /// asked for it or not: its sessions, and the codes that were issued up to now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_consent(
        &self,
        (user, client): (UserId, &ClientId),
        reason: RevokeReason,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let values = vec![key(user, client), user.0.into(), client.as_str().into(), now.into()];
        let revoke = families::revoke_at_client((user, client), reason, now);
        // Held first, so that what a code begins at this moment is there to be revoked, or is refused.
        self.commit(vec![users::hold(user), raise_ends(), Write::any(&END, values), revoke]).await
    }

    /// Removes all that a user who is no more allowed.
    pub(crate) async fn delete_consents_of_user(&self, user: UserId) -> Result<(), Error> {
        let id = Value::from(user.0);
        while self.read_one(&FIND_BY_USER, std::slice::from_ref(&id)).await?.is_some() {
            self.commit(vec![Write::any(&DELETE_SOME_OF_USER, vec![id.clone()])]).await?;
        }
        Ok(())
    }

    /// Removes all that a client which is no more was allowed.
    pub(crate) async fn delete_consents_of_client(&self, client: &ClientId) -> Result<(), Error> {
        let id = Value::from(client.as_str());
        while self.read_one(&FIND_BY_CLIENT, std::slice::from_ref(&id)).await?.is_some() {
            self.commit(vec![Write::any(&DELETE_SOME_OF_CLIENT, vec![id.clone()])]).await?;
        }
        Ok(())
    }
}

/// The key of the pair. The user's id has a fixed length, so no two pairs have the same bytes.
pub(crate) fn key(user: UserId, client: &ClientId) -> Value {
    let mut bytes = user.0.to_vec();
    bytes.extend_from_slice(client.as_str().as_bytes());
    Value::Blob(bytes)
}

/// Reads the facts about the pair that a code depends on: the consent, and the last time that all was ended.
pub(crate) fn standing(
    c: &mut Columns,
    (user_id, client_id): (UserId, &ClientId),
) -> Result<(Option<Consent>, Ends), Error> {
    let scope: Option<String> = c.take("scope")?;
    let resources: Option<String> = c.take("resources")?;
    let given_at: Option<Timestamp> = c.take("given_at")?;
    let ended: Option<Ends> = c.take("ended")?;
    let all = scope.zip(resources).zip(given_at.filter(|at| *at > Timestamp::default()));
    let consent = all.map(|((scope, resources), given_at)| Consent {
        user_id,
        client_id: client_id.clone(),
        scope: Scope::from_stored(scope),
        resources: Resources::from_stored(resources),
        given_at,
    });
    Ok((consent, ended.unwrap_or_default()))
}

fn consent(row: Row) -> Result<Consent, Error> {
    let mut c = Columns::new("consents", row);
    Ok(Consent {
        user_id: UserId(c.take("user_id")?),
        client_id: c.parse("client_id", |text: String| ClientId::parse(&text))?,
        scope: Scope::from_stored(c.take("scope")?),
        resources: Resources::from_stored(c.take("resources")?),
        given_at: c.take("given_at")?,
    })
}
