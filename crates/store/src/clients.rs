//! Clients.

use std::time::Duration;

use remint_protocol::client::{
    AuthMethod, Authorize, Client, GrantType, Links, RefreshTokens, RelyingParty,
};
use remint_protocol::client_id::ClientId;
use remint_protocol::ends::{Ends, LastEnd};
use remint_protocol::pkce::Pkce;
use remint_protocol::policy::{MaxLifetime, OnReuse, Overrides};
use remint_protocol::redirect_uri::RedirectUri;
use remint_protocol::resource::Resources;
use remint_protocol::response::{ResponseMode, ResponseType};
use remint_protocol::scope::Scope;
use remint_protocol::secret::SecretHash;
use remint_protocol::secret::StoredSecret;
use remint_protocol::time::Timestamp;

use crate::batch::{Outcome, Statement, Write};
use crate::meta::{raise_ends, raise_revision};
use crate::row::{Columns, Row, Value};
use crate::{Error, Store};

macro_rules! columns {
    () => {
        "id, name, auth_methods, secret_kid, secret_hash, previous_secret_kid, \
         previous_secret_hash, previous_secret_expires_at, grants, scope, resources, serves, \
         access_token_lifetime, refresh_token_lifetime, renew_refresh_token, extend_on_renewal, \
         refresh_token_max_lifetime, grace_period, on_reuse, revoke_access_token_on_refresh, \
         disabled_at, not_before, created_at, updated_at, redirect_uris, response_types, response_modes, pkce, plain_challenge, \
         repeat_redirect_uri, first_party, refresh_tokens, default_max_age, id_token_alg, \
         pairwise_sector, jwt_access_tokens, post_logout_redirect_uris, \
         backchannel_logout_uri, frontchannel_logout_uri, web_origins, client_uri, \
         policy_uri, tos_uri, ended"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM clients ", $rest)
    };
}

const FIND: Statement = Statement::new(select!("WHERE id = ?1"));
/// The client and the counters in one statement, and so of one moment.
const FIND_WITH_REVISION: Statement = Statement::new(concat!(
    "SELECT (SELECT value FROM meta WHERE name = 'revision'), \
     (SELECT value FROM meta WHERE name = 'ends'), ",
    columns!(),
    " FROM clients WHERE id = ?1"
));
const LIST: Statement = Statement::new(select!("WHERE id > ?1 ORDER BY id LIMIT ?2"));

/// The number of this moment ends everything that was issued to another client that had the id before.
const INSERT: Statement = Statement::new(concat!(
    "INSERT INTO clients (",
    columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, \
     ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, \
     ?37, ?38, ?39, ?40, ?41, ?42, ?43, (SELECT value FROM meta WHERE name = 'ends')) \
     ON CONFLICT (id) DO NOTHING",
));

/// Guarded by the time of the last change, so that two operators do not overwrite each other. Ended
/// sessions stay ended: ending them is no change in this sense, and what is saved may have been read
/// before it.
const UPDATE: Statement = Statement::new(
    "UPDATE clients SET name = ?2, auth_methods = ?3, secret_kid = ?4, secret_hash = ?5, \
     previous_secret_kid = ?6, previous_secret_hash = ?7, previous_secret_expires_at = ?8, \
     grants = ?9, scope = ?10, resources = ?11, serves = ?12, access_token_lifetime = ?13, \
     refresh_token_lifetime = ?14, renew_refresh_token = ?15, extend_on_renewal = ?16, \
     refresh_token_max_lifetime = ?17, grace_period = ?18, on_reuse = ?19, \
     revoke_access_token_on_refresh = ?20, disabled_at = ?21, updated_at = ?24, \
     not_before = CASE WHEN not_before < ?22 THEN ?22 ELSE not_before END, \
     redirect_uris = ?25, response_types = ?26, response_modes = ?27, pkce = ?28, \
     plain_challenge = ?29, repeat_redirect_uri = ?30, first_party = ?31, refresh_tokens = \
     ?32, default_max_age = ?33, id_token_alg = ?34, pairwise_sector = ?35, jwt_access_tokens \
     = ?36, post_logout_redirect_uris = ?37, backchannel_logout_uri = ?38, \
     frontchannel_logout_uri = ?39, web_origins = ?40, client_uri = ?41, policy_uri = ?42, \
     tos_uri = ?43 \
     WHERE id = ?1 AND created_at = ?23 AND updated_at = ?44",
);

/// One row where there is none, for the revision.
const LIST_WEB_ORIGINS: Statement = Statement::new(
    "SELECT m.value, c.web_origins FROM meta m LEFT JOIN clients c \
     ON c.web_origins <> '' AND c.disabled_at IS NULL \
     WHERE m.name = 'revision' ORDER BY c.id LIMIT ?1",
);

/// The number of this end, and for nodes of the version before, which know no numbers, its time.
macro_rules! end {
    ($now:literal) => {
        concat!(
            "ended = (SELECT value FROM meta WHERE name = 'ends'), not_before = CASE WHEN not_before < ",
            $now,
            " THEN ",
            $now,
            " ELSE not_before END"
        )
    };
}

const END_SESSIONS: Statement =
    Statement::new(concat!("UPDATE clients SET ", end!("?2"), " WHERE id = ?1"));
const END_ALL_SESSIONS: Statement = Statement::new(concat!("UPDATE clients SET ", end!("?1")));
const DELETE: Statement = Statement::new("DELETE FROM clients WHERE id = ?1");

#[cfg(test)]
pub(crate) const HOT: &[&Statement] =
    &[&FIND, &FIND_WITH_REVISION, &LIST, &INSERT, &UPDATE, &END_SESSIONS, &DELETE];
#[cfg(test)]
pub(crate) const COLD: &[&Statement] = &[&END_ALL_SESSIONS, &LIST_WEB_ORIGINS];

impl Store {
    /// Finds a client.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find_client(&self, id: &str) -> Result<Option<Client>, Error> {
        let Some(id) = ClientId::parse(id) else { return Ok(None) };
        self.read_one(&FIND, &[id.as_str().into()]).await?.map(client).transpose()
    }

    /// Finds a client, and says of which moment: a cache that has seen another revision must not keep it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn find_client_with_revision(&self, id: &str) -> Result<Option<FoundClient>, Error> {
        // What is no id is not looked up: PostgreSQL's text knows no NUL.
        let Some(id) = ClientId::parse(id) else { return Ok(None) };
        let id = Value::from(id.as_str());
        let Some(mut row) = self.read_one(&FIND_WITH_REVISION, &[id]).await? else {
            return Ok(None);
        };
        let rest = row.split_off(2);
        let mut c = Columns::new("meta", row);
        let (revision, ends) = (c.take("revision")?, c.take("ends")?);
        Ok(Some(FoundClient { client: client(rest)?, revision, ends }))
    }

    /// Lists at most `limit` clients after an id, in the order of their ids.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_clients(&self, after: &str, limit: u32) -> Result<Vec<Client>, Error> {
        let rows = self.read(&LIST, &[after.into(), limit.into()]).await?;
        rows.into_iter().map(client).collect()
    }

    /// The web origins of each enabled client that has some, of at most `limit` clients, and the
    /// revision that they are of.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list_web_origins(&self, limit: u32) -> Result<(Vec<Vec<String>>, i64), Error> {
        let mut revision = 0;
        let mut all = Vec::new();
        for row in self.read(&LIST_WEB_ORIGINS, &[limit.into()]).await? {
            let mut c = Columns::new("clients", row);
            revision = c.take("revision")?;
            let origins: Option<String> = c.take("web_origins")?;
            let origins = origins.unwrap_or_default();
            all.push(origins.split_ascii_whitespace().map(ToOwned::to_owned).collect());
        }
        Ok((all, revision))
    }

    /// Registers a client; `Conflict` when the id is taken. What users allowed another client that had the id
    /// before is not allowed to this one.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_client(&self, client: &Client) -> Result<Outcome, Error> {
        if self.find_client(client.id.as_str()).await?.is_none() {
            self.delete_consents_of_client(&client.id).await?;
        }
        self.commit(vec![raise_ends(), Write::one(&INSERT, values(client)), raise_revision()]).await
    }

    /// Replaces a client's registration, if nobody changed it since `seen_at`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn update_client(
        &self,
        client: &Client,
        seen_at: Timestamp,
    ) -> Result<Outcome, Error> {
        let mut values = values(client);
        values.push(seen_at.into());
        self.commit(vec![Write::one(&UPDATE, values), raise_revision()]).await
    }

    /// Ends all sessions that a client has.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn end_client_sessions(
        &self,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let end = Write::any(&END_SESSIONS, vec![id.as_str().into(), now.into()]);
        self.commit(vec![raise_ends(), end, raise_revision()]).await
    }

    /// Ends all sessions of every client.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn end_all_sessions(&self, now: Timestamp) -> Result<Outcome, Error> {
        let end = Write::any(&END_ALL_SESSIONS, vec![now.into()]);
        self.commit(vec![raise_ends(), end, raise_revision()]).await
    }

    /// Deletes a client, which ends all its sessions at once, and then their rows.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_client(&self, id: &ClientId) -> Result<Outcome, Error> {
        let delete = Write::one(&DELETE, vec![id.as_str().into()]);
        let outcome = self.commit(vec![raise_ends(), delete, raise_revision()]).await?;
        if outcome == Outcome::Done {
            self.delete_families_of_client(id).await?;
            self.delete_consents_of_client(id).await?;
        }
        Ok(outcome)
    }
}

/// A client, and the moment that it was read at.
#[derive(Clone, Debug)]
pub struct FoundClient {
    /// The client.
    pub client: Client,
    /// The revision then.
    pub revision: i64,
    /// The number of ends counted then.
    pub ends: Ends,
}

/// The columns in the order of `INSERT`.
fn values(client: &Client) -> Vec<Value> {
    let own = &client.overrides;
    let previous = client.previous_secret;
    let disabled_at = (!client.enabled).then_some(client.updated_at);
    let mut values = vec![
        client.id.as_str().into(),
        client.name.as_str().into(),
        words(client.auth_methods.iter().map(|m| m.as_str())).into(),
        client.secret.map(|s| s.kid).into(),
        client.secret.map(|s| s.hash.0).into(),
        previous.map(|(s, _)| s.kid).into(),
        previous.map(|(s, _)| s.hash.0).into(),
        previous.map(|(_, until)| until).into(),
        words(client.grants.iter().map(|g| g.as_str())).into(),
        client.scope.as_str().into(),
        client.resources.as_str().into(),
        client.serves.as_str().into(),
        own.access_token_lifetime.map(millis).into(),
        own.refresh_token_lifetime.map(millis).into(),
        own.renew_refresh_token.into(),
        own.extend_on_renewal.into(),
        own.refresh_token_max_lifetime.map(max_millis).into(),
        own.grace_period.map(millis).into(),
        own.on_reuse.map(OnReuse::as_str).into(),
        own.revoke_access_token_on_refresh.into(),
        disabled_at.into(),
        client.ended.at.into(),
        client.created_at.into(),
        client.updated_at.into(),
    ];
    values.extend(authorize_values(&client.authorize));
    values.extend(relying_party_values(&client.relying_party));
    values
}

fn authorize_values(authorize: &Authorize) -> [Value; 9] {
    let types: Vec<_> = authorize.response_types.iter().map(ToString::to_string).collect();
    [
        words(authorize.redirect_uris.iter().map(RedirectUri::as_str)).into(),
        types.join(",").into(),
        words(authorize.response_modes.iter().map(|m| m.as_str())).into(),
        authorize.pkce.as_str().into(),
        authorize.plain_challenge.into(),
        authorize.repeat_redirect_uri.into(),
        authorize.first_party.into(),
        authorize.refresh_tokens.as_str().into(),
        authorize.default_max_age.map(millis).into(),
    ]
}

fn relying_party_values(party: &RelyingParty) -> [Value; 10] {
    [
        party.id_token_alg.as_deref().into(),
        party.pairwise_sector.as_deref().into(),
        party.jwt_access_tokens.into(),
        words(party.post_logout_redirect_uris.iter().map(RedirectUri::as_str)).into(),
        party.backchannel_logout_uri.as_deref().into(),
        party.frontchannel_logout_uri.as_deref().into(),
        words(party.web_origins.iter().map(String::as_str)).into(),
        party.links.home.as_deref().into(),
        party.links.policy.as_deref().into(),
        party.links.terms.as_deref().into(),
    ]
}

fn client(row: Row) -> Result<Client, Error> {
    let mut c = Columns::new("clients", row);
    let mut client = Client {
        id: c.parse("id", |text: String| ClientId::parse(&text))?,
        name: c.take("name")?,
        auth_methods: c.parse("auth_methods", |text: String| each(&text, AuthMethod::parse))?,
        secret: secret(&mut c)?,
        previous_secret: previous_secret(&mut c)?,
        grants: c.parse("grants", |text: String| each(&text, GrantType::parse))?,
        scope: Scope::from_stored(c.take("scope")?),
        resources: Resources::from_stored(c.take("resources")?),
        serves: Resources::from_stored(c.take("serves")?),
        overrides: overrides(&mut c)?,
        enabled: c.take::<Option<Timestamp>>("disabled_at")?.is_none(),
        ended: LastEnd::uncounted(c.take("not_before")?),
        created_at: c.take("created_at")?,
        updated_at: c.take("updated_at")?,
        authorize: authorize(&mut c)?,
        relying_party: relying_party(&mut c)?,
    };
    client.ended.number = c.take("ended")?;
    Ok(client)
}

fn authorize(c: &mut Columns) -> Result<Authorize, Error> {
    Ok(Authorize {
        redirect_uris: c
            .parse("redirect_uris", |text: String| each(&text, RedirectUri::from_stored))?,
        response_types: c.parse("response_types", |text: String| {
            let types = text.split(',').filter(|text| !text.is_empty());
            types.map(ResponseType::parse).collect()
        })?,
        response_modes: c
            .parse("response_modes", |text: String| each(&text, ResponseMode::parse))?,
        pkce: c.parse("pkce", |text: String| Pkce::parse(&text))?,
        plain_challenge: c.take("plain_challenge")?,
        repeat_redirect_uri: c.take("repeat_redirect_uri")?,
        first_party: c.take("first_party")?,
        refresh_tokens: c.parse("refresh_tokens", |text: String| RefreshTokens::parse(&text))?,
        default_max_age: c.take::<Option<u64>>("default_max_age")?.map(Duration::from_millis),
    })
}

fn relying_party(c: &mut Columns) -> Result<RelyingParty, Error> {
    Ok(RelyingParty {
        id_token_alg: c.take("id_token_alg")?,
        pairwise_sector: c.take("pairwise_sector")?,
        jwt_access_tokens: c.take("jwt_access_tokens")?,
        post_logout_redirect_uris: c.parse("post_logout_redirect_uris", |text: String| {
            each(&text, RedirectUri::from_stored)
        })?,
        backchannel_logout_uri: c.take("backchannel_logout_uri")?,
        frontchannel_logout_uri: c.take("frontchannel_logout_uri")?,
        web_origins: c.parse("web_origins", |text: String| each(&text, |o| Some(o.to_owned())))?,
        links: Links {
            home: c.take("client_uri")?,
            policy: c.take("policy_uri")?,
            terms: c.take("tos_uri")?,
        },
    })
}

fn overrides(c: &mut Columns) -> Result<Overrides, Error> {
    Ok(Overrides {
        access_token_lifetime: c
            .take::<Option<u64>>("access_token_lifetime")?
            .map(Duration::from_millis),
        refresh_token_lifetime: c
            .take::<Option<u64>>("refresh_token_lifetime")?
            .map(Duration::from_millis),
        renew_refresh_token: c.take("renew_refresh_token")?,
        extend_on_renewal: c.take("extend_on_renewal")?,
        refresh_token_max_lifetime: c
            .take::<Option<i64>>("refresh_token_max_lifetime")?
            .map(max_lifetime),
        grace_period: c.take::<Option<u64>>("grace_period")?.map(Duration::from_millis),
        on_reuse: c.parse("on_reuse", |text: Option<String>| match text {
            None => Some(None),
            Some(text) => OnReuse::parse(&text).map(Some),
        })?,
        revoke_access_token_on_refresh: c.take("revoke_access_token_on_refresh")?,
    })
}

fn secret(c: &mut Columns) -> Result<Option<StoredSecret>, Error> {
    let kid: Option<u8> = c.take("secret_kid")?;
    let hash: Option<[u8; 32]> = c.take("secret_hash")?;
    Ok(kid.zip(hash).map(|(kid, hash)| StoredSecret { kid, hash: SecretHash(hash) }))
}

fn previous_secret(c: &mut Columns) -> Result<Option<(StoredSecret, Timestamp)>, Error> {
    let stored = secret(c)?;
    let until: Option<Timestamp> = c.take("previous_secret_expires_at")?;
    Ok(stored.zip(until))
}

fn words<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<Vec<_>>().join(" ")
}

fn each<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split_ascii_whitespace().map(parse).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn max_millis(max: MaxLifetime) -> i64 {
    match max {
        MaxLifetime::Endless => -1,
        MaxLifetime::Of(lifetime) => millis(lifetime),
    }
}

fn max_lifetime(stored: i64) -> MaxLifetime {
    u64::try_from(stored)
        .map_or(MaxLifetime::Endless, |ms| MaxLifetime::Of(Duration::from_millis(ms)))
}
