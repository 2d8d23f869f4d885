//! ID tokens as this server issues them: who signed in, and the client's own algorithm.

use std::collections::BTreeSet;
use std::time::Duration;

use remint_protocol::authorize::ACR_PASSWORD;
use remint_protocol::browser_session::{BrowserSession, BrowserSessionId};
use remint_protocol::claims::{Claim, Profile};
use remint_protocol::claims_parameter::Requested;
use remint_protocol::client::Client;
use remint_protocol::family::Family;
use remint_protocol::id_token::{self, HashedWith, IdToken, Identity};
use remint_protocol::scope::Scope;
use remint_protocol::signing_key::SigningAlg;
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::App;
use crate::http::failure::Failure;
use crate::keys::signing::{Expected, NotVerified};

/// The sign-in of a person: its time and method.
pub(crate) struct SignedIn<'a> {
    user_id: UserId,
    auth_time: Timestamp,
    amr: &'a str,
    acr: &'a str,
    session: Option<BrowserSessionId>,
}

impl<'a> SignedIn<'a> {
    pub(crate) fn at(session: &'a BrowserSession) -> Self {
        Self {
            user_id: session.user_id,
            auth_time: session.auth_time,
            acr: ACR_PASSWORD,
            amr: &session.amr,
            session: Some(session.id),
        }
    }

    pub(crate) fn of(family: &'a Family) -> Self {
        Self {
            user_id: family.user_id,
            auth_time: family.auth_time,
            acr: &family.origin.acr,
            amr: &family.origin.amr,
            session: family.origin.browser_session,
        }
    }
}

/// The parameters of an ID token.
#[derive(Clone, Copy)]
pub(crate) struct IdTokenParams<'a> {
    /// The scope whose claims it has.
    pub(crate) scope: &'a Scope,
    /// The claims that were asked for one by one.
    pub(crate) requested: &'a Requested,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) access_token: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
}

/// An ID token with claims about the person in addition to its own.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    token: &'a IdToken,
    #[serde(flatten)]
    claims: &'a Map<String, Value>,
}

impl App {
    /// Issues an ID token.
    pub(crate) async fn id_token(
        &self,
        client: &Client,
        signed_in: &SignedIn<'_>,
        with: &IdTokenParams<'_>,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let alg = alg_of(client);
        let together =
            HashedWith { nonce: with.nonce, access_token: with.access_token, code: with.code };
        let identity = self.identity(client, signed_in).await?;
        let claims = self.claims(signed_in.user_id, with.scope, &with.requested.id_token).await?;
        let token = identity.issue(alg, &together, now, self.id_token_lifetime());
        let whole = Whole { token: &token, claims: &claims };
        Ok(self.signing().await?.sign(alg, id_token::TYP, &whole, now)?)
    }

    /// The claims about a user that may be released.
    pub(crate) async fn claims(
        &self,
        user: UserId,
        scope: &Scope,
        requested: &BTreeSet<Claim>,
    ) -> Result<Map<String, Value>, Failure> {
        if requested.is_empty() && !Claim::ALL.iter().any(|claim| scope.contains(claim.scope())) {
            return Ok(Map::new());
        }
        let Some(user) = self.store().load_user(user).await? else { return Ok(Map::new()) };
        let corrupt = remint_store::Error::Corrupt { table: "users", column: "profile" };
        let profile = Profile::parse(&user.profile).map_err(|_| corrupt)?;
        Ok(profile.released(scope, requested))
    }

    async fn identity(
        &self,
        client: &Client,
        signed_in: &SignedIn<'_>,
    ) -> Result<Identity, Failure> {
        let sub = self.subject(client, signed_in.user_id).await?;
        let sid = match signed_in.session {
            Some(session) => Some(self.sid(client, session).await?),
            None => None,
        };
        let issuer = self.issuer().as_str();
        Ok(Identity {
            auth_time: Some(signed_in.auth_time),
            acr: Some(signed_in.acr.to_owned()).filter(|acr| !acr.is_empty()),
            amr: signed_in.amr.split_ascii_whitespace().map(ToOwned::to_owned).collect(),
            sid,
            ..Identity::new(issuer, sub, client.id.as_str())
        })
    }

    /// The claims of an ID token that comes back as a hint, however old it is (OpenID Connect Core
    /// §3.1.2.1).
    pub(crate) async fn id_token_hint(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<IdToken>, Failure> {
        let expected = Expected {
            typ: id_token::TYP,
            issuer: self.issuer().as_str(),
            may_be_expired: true,
            now,
        };
        match self.signing().await?.verify(text, &expected) {
            Ok(claims) => Ok(Some(claims)),
            Err(NotVerified::KeyNotHere) => Err(Failure::KeyNotHere),
            Err(NotVerified::Garbage | NotVerified::Expired) => Ok(None),
        }
    }

    const fn id_token_lifetime(&self) -> Duration {
        self.config().tokens.id_token_lifetime
    }
}

/// The algorithm that signs for a client; RS256 by default (OpenID Connect Dynamic Client Registration §2).
pub(crate) fn alg_of(client: &Client) -> SigningAlg {
    let own = client.relying_party.id_token_alg.as_deref();
    own.and_then(SigningAlg::parse).unwrap_or(SigningAlg::Rs256)
}
