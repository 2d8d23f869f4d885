//! Subject identifiers, by which a client knows a user (OpenID Connect Core §8).
//!
//! The salt of pairwise subjects is in the store, sealed. It is made when a server first maintains its keys,
//! long before a client needs it, and resealed under each root key that becomes active.

use std::sync::Arc;

use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client::Client;
use remint_protocol::id_token::SubjectId;
use remint_protocol::subject::{self, SubjectSalt};
use remint_protocol::tell;
use remint_protocol::time::Timestamp;
use remint_protocol::token::Unopened;
use remint_protocol::user::UserId;
use remint_store::{Error, Outcome, SUBJECT_SALT, SealedSecret};

use crate::App;
use crate::entropy;
use crate::http::failure::Failure;

impl App {
    /// The `sub` of a user for a client.
    pub(crate) async fn subject(
        &self,
        client: &Client,
        user: UserId,
    ) -> Result<SubjectId, Failure> {
        let subject = match &client.relying_party.pairwise_sector {
            None => subject::public(user),
            Some(sector) => self.subject_salt().await?.pairwise(sector, user),
        };
        subject.ok_or(Failure::Internal("a subject is no subject"))
    }

    /// The `sid` of a browser session for a client; pairwise if the client has a sector.
    pub(crate) async fn sid(
        &self,
        client: &Client,
        session: BrowserSessionId,
    ) -> Result<String, Failure> {
        match &client.relying_party.pairwise_sector {
            None => Ok(session.sid()),
            Some(sector) => {
                let sid = self.subject_salt().await?.pairwise_sid(sector, session);
                sid.ok_or(Failure::Internal("a session has no sid"))
            }
        }
    }

    /// Whether a `sid` from an ID token of ours means the session. `client` is the one that it was issued to.
    /// Tokens from before it got a sector, or sectors a `sid` of their own, have the public one.
    pub(crate) async fn is_sid_of(
        &self,
        client: Option<&Client>,
        session: BrowserSessionId,
        sid: &str,
    ) -> Result<bool, Failure> {
        if session.sid() == sid {
            return Ok(true);
        }
        match client {
            Some(client) => Ok(self.sid(client, session).await? == sid),
            None => Ok(false),
        }
    }

    async fn subject_salt(&self) -> Result<Arc<SubjectSalt>, Failure> {
        if let Some(salt) = self.salt().get() {
            return Ok(salt);
        }
        let now = self.clock().now();
        let stored = match self.store().find_secret(SUBJECT_SALT).await? {
            Some(stored) => stored,
            None => make(self, now).await?,
        };
        let salt = SubjectSalt::open(&self.keys(), &stored.sealed).map(Arc::new);
        let salt = salt.map_err(|why| match why {
            Unopened::UnknownKey => Failure::KeyNotHere,
            Unopened::Garbage => Failure::Internal("the salt of subjects does not open"),
        })?;
        self.salt().set(Some(Arc::clone(&salt)));
        Ok(salt)
    }
}

/// Makes the salt, or finds the one that somebody else made meanwhile.
async fn make(app: &App, now: Timestamp) -> Result<SealedSecret, Failure> {
    let salt = SubjectSalt::new(entropy::bytes()?);
    let made = sealed(app, &salt, now, now).ok_or(Failure::KeyNotHere)?;
    if app.store().add_secret(&made).await? == Outcome::Done {
        tell!(
            SUBJECT_SALT_MADE,
            actor = %Actor::Server,
            on = %Object::SubjectSalt,
            outcome = audit::DONE,
            source = audit::LOCAL,
        );
        return Ok(made);
    }
    app.store().find_secret(SUBJECT_SALT).await?.ok_or(Failure::Contended)
}

fn sealed(
    app: &App,
    salt: &SubjectSalt,
    created_at: Timestamp,
    sealed_at: Timestamp,
) -> Option<SealedSecret> {
    let keys = app.keys();
    Some(SealedSecret {
        name: SUBJECT_SALT.into(),
        created_at,
        root_kid: keys.active(),
        sealed: salt.seal(&keys)?,
        sealed_at,
    })
}

/// Ensures that there is a salt, sealed under the active root key.
pub(crate) async fn maintain(app: &App, now: Timestamp) -> Result<(), Error> {
    let Some(stored) = app.store().find_secret(SUBJECT_SALT).await? else {
        return match make(app, now).await {
            Err(Failure::Store(error)) => Err(error),
            // Tried again when it is needed, or in a minute.
            Ok(_) | Err(_) => Ok(()),
        };
    };
    if stored.root_kid == app.keys().active() {
        return Ok(());
    }
    // If its root key is not here, another node must reseal it.
    let Ok(salt) = SubjectSalt::open(&app.keys(), &stored.sealed) else { return Ok(()) };
    if let Some(moved) = sealed(app, &salt, stored.created_at, now)
        && app.store().reseal_secret(&moved, stored.root_kid).await? == Outcome::Done
    {
        tell!(
            SUBJECT_SALT_MOVED,
            actor = %Actor::Server,
            on = %Object::SubjectSalt,
            outcome = audit::DONE,
            source = audit::LOCAL,
            root_kid = moved.root_kid,
        );
    }
    Ok(())
}

/// Switches to the salt in the store: a copy from another store may have brought a new one.
pub(crate) async fn reload(app: &App) {
    match app.store().find_secret(SUBJECT_SALT).await {
        Ok(Some(stored)) => {
            if let Ok(salt) = SubjectSalt::open(&app.keys(), &stored.sealed) {
                app.salt().set(Some(Arc::new(salt)));
            }
        }
        Ok(None) => app.salt().set(None),
        Err(error) => tracing::warn!(%error, "the salt of subjects stays as it was"),
    }
}
