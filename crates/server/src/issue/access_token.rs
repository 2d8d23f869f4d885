//! Access tokens as this server issues and takes them: opaque, or JWTs (RFC 9068) for clients that are
//! registered so. The endpoints need not know which.

use std::sync::Arc;

use remint_protocol::client::Client;
use remint_protocol::family::{Family, Loaded};
use remint_protocol::id_token::SubjectId;
use remint_protocol::introspect::{self, AccessState, Active};
use remint_protocol::jwt_access_token::{self, JwtAccessToken};
use remint_protocol::time::Timestamp;
use remint_protocol::token::{self, ACCESS_PREFIX, AccessToken, Subject, Unopened};

use crate::App;
use crate::http::failure::Failure;
use crate::issue::id_token::alg_of;
use crate::keys::signing::{Expected, NotVerified};
use crate::state::clients::Registered;

/// A presented access token of ours, with everything that decides about it.
pub(crate) struct Shown {
    pub(crate) token: AccessToken,
    /// The client that it was issued to, as registered today.
    pub(crate) owner: Option<Arc<Registered>>,
    /// The family that the user authorized, if there is a user.
    pub(crate) family: Option<Loaded>,
    is_denied: bool,
}

impl Shown {
    /// The token as `caller` may see it; `None` if it has ended, or they may not see it.
    pub(crate) fn judge(&self, app: &App, caller: &Client, now: Timestamp) -> Option<Active> {
        let owner = self.owner.as_deref();
        let state = AccessState {
            owner: owner.map(|owner| &owner.client),
            owner_policy: owner.map_or(app.policy(), |owner| &owner.policy),
            family: self.family.as_ref(),
            is_denied: self.is_denied,
        };
        introspect::access_token(caller, &self.token, state, now)
    }
}

impl App {
    /// Opens an access token of either format and loads what decides about it. `None` if it is not ours.
    /// Every endpoint that takes one calls this, and then [`Shown::judge`].
    pub(crate) async fn load_access_token(&self, text: &str) -> Result<Option<Shown>, Failure> {
        let Some(token) = self.open_access_token(text).await? else { return Ok(None) };
        let owner = self.client(token.client_id.as_str()).await?;
        let family = match token.subject {
            Subject::Client { .. } => None,
            Subject::User { family, .. } => match &owner {
                Some(owner) => self.clients().load_family(family, owner, self.store()).await?,
                None => self.store().load_family(family).await?,
            },
        };
        let is_denied = self.store().is_access_token_revoked(token.jti).await?;
        Ok(Some(Shown { token, owner, family, is_denied }))
    }

    /// The access token as the client gets it. `family` is what the user authorized, if there is a user.
    pub(crate) async fn seal_access_token(
        &self,
        client: &Client,
        token: &AccessToken,
        family: Option<&Family>,
    ) -> Result<String, Failure> {
        if client.relying_party.jwt_access_tokens {
            // Boxed: most tokens are opaque, and its future is large.
            return Box::pin(self.sign_access_token(client, token, family)).await;
        }
        token::seal_access(&self.keys(), token).ok_or(TOO_LONG)
    }

    async fn sign_access_token(
        &self,
        client: &Client,
        token: &AccessToken,
        family: Option<&Family>,
    ) -> Result<String, Failure> {
        let sub = match token.subject {
            Subject::User { user_id, .. } => self.subject(client, user_id).await?,
            // RFC 9068 §2.2: where there is no user, the client.
            Subject::Client { .. } => SubjectId::parse(client.id.as_str()).ok_or(TOO_LONG)?,
        };
        let issuer = self.issuer().as_str();
        let claims = JwtAccessToken::issue(&self.keys(), token, (issuer, sub), family);
        let claims = claims.ok_or(TOO_LONG)?;
        let signing = self.signing().await?;
        let text = signing.sign(alg_of(client), jwt_access_token::TYP, &claims, token.issued_at)?;
        // Never issue a token that is too long to be accepted.
        if text.len() <= token::MAX_LEN { Ok(text) } else { Err(TOO_LONG) }
    }

    /// Opens an access token of either format, whichever client it was issued to. `None` if it is not ours.
    /// The rules decide whether it is still valid.
    pub(crate) async fn open_access_token(
        &self,
        text: &str,
    ) -> Result<Option<AccessToken>, Failure> {
        if text.starts_with(ACCESS_PREFIX) {
            return opened(token::open_access(&self.keys(), text));
        }
        if text.len() > token::MAX_LEN || !text.contains('.') {
            return Ok(None);
        }
        let expected = Expected {
            typ: jwt_access_token::TYP,
            issuer: self.issuer().as_str(),
            may_be_expired: true,
            now: self.clock().now(),
        };
        match self.signing().await?.verify::<JwtAccessToken>(text, &expected) {
            Ok(claims) => opened(claims.open(&self.keys())),
            Err(NotVerified::KeyNotHere) => Err(Failure::KeyNotHere),
            Err(NotVerified::Garbage | NotVerified::Expired) => Ok(None),
        }
    }
}

const TOO_LONG: Failure = Failure::Internal("an access token does not fit its format");

fn opened(opened: Result<AccessToken, Unopened>) -> Result<Option<AccessToken>, Failure> {
    match opened {
        Ok(token) => Ok(Some(token)),
        Err(Unopened::Garbage) => Ok(None),
        Err(Unopened::UnknownKey) => Err(Failure::KeyNotHere),
    }
}
