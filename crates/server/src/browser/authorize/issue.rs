//! The response to an authorization request: a code and, for those who asked for the implicit or the hybrid
//! flow, tokens (OpenID Connect Core §3.1–3.3).

use axum::http::request::Parts;
use axum::response::Response;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::authorize::ACR_PASSWORD;
use remint_protocol::code::{AuthorizationCode, RedirectHash};
use remint_protocol::family::Origin;
use remint_protocol::grant::{Grant, Issuing, NewFamilyIds};
use remint_protocol::reject::Why;
use remint_protocol::scope::Scope;
use remint_protocol::tell;
use remint_store::Outcome;

use super::answer::{Parameters, send};
use super::{Authorization, Refusal};
use crate::App;
use crate::browser::session::{Browser, Person};
use crate::entropy;
use crate::http::failure::Failure;
use crate::issue::id_token::{IdTokenParams, SignedIn};

impl Authorization {
    /// Answers with what was asked for.
    pub(super) async fn issue(
        &self,
        app: &App,
        browser: &Browser,
        head: &Parts,
    ) -> Result<Response, Refusal> {
        let person = browser.person.as_ref().ok_or(Why::LoginRequired)?;
        let kind = self.request.response_type;
        let mut parameters = Parameters::new();
        let code = if kind.code { Some(self.code(app, person)?) } else { None };
        parameters.extend(code.clone().map(|code| ("code", code)));
        let access = if kind.token { Some(self.access_token(app, person).await?) } else { None };
        if let Some((access, lifetime)) = access.clone() {
            parameters.push(("access_token", access));
            parameters.push(("token_type", "Bearer".into()));
            parameters.push(("expires_in", lifetime.to_string()));
            parameters.push(("scope", self.request.scope.as_str().to_owned()));
        }
        if kind.id_token {
            // OpenID Connect Core §5.4: where there is no access token to ask the userinfo endpoint
            // with, the claims of the scope are in the ID token.
            let nothing = Scope::default();
            let scope = if kind.code || kind.token { &nothing } else { &self.request.scope };
            let with = IdTokenParams {
                scope,
                requested: &self.request.requested,
                nonce: self.request.nonce.as_deref(),
                access_token: access.as_ref().map(|(token, _)| token.as_str()),
                code: code.as_deref(),
            };
            let signed_in = SignedIn::at(&person.session);
            let id_token = app.id_token(self.client(), &signed_in, &with, self.now).await?;
            parameters.push(("id_token", id_token));
        }
        self.record(person, browser);
        Ok(send(app, head, &self.target, parameters))
    }

    fn code(&self, app: &App, person: &Person) -> Result<String, Failure> {
        let NewFamilyIds { id, secret } = entropy::family()?;
        let code = AuthorizationCode {
            family: id,
            secret,
            user_id: person.session.user_id,
            browser_session: person.session.id,
            auth_time: person.session.auth_time,
            issued_at: self.now,
            born: person.ends,
            redirect_uri: RedirectHash::of(&self.target.uri),
            redirect_uri_sent: self.target.is_sent,
            challenge: self.request.challenge,
            amr: person.session.amr.clone(),
            scope: self.request.scope.clone(),
            resources: self.request.resources.clone(),
            nonce: self.request.nonce.clone(),
            claims: self.request.requested.to_text(),
        };
        let sealed = code.seal(&app.keys(), &self.client().id, &person.session.secret_hash);
        sealed.ok_or(Failure::Internal("a code does not fit its format"))
    }

    /// An access token of its own, with a session of its own that ends with it: what comes through the
    /// browser never comes with a refresh token (RFC 6749 §4.2.2).
    async fn access_token(&self, app: &App, person: &Person) -> Result<(String, i64), Failure> {
        let (client, policy) = (self.client(), &self.registered.policy);
        let grant = Grant {
            user_id: person.session.user_id,
            scope: self.request.scope.clone(),
            resources: self.request.resources.clone(),
            auth_time: person.session.auth_time,
            born: person.ends,
            proven: person.session.proven,
            origin: Origin {
                browser_session: Some(person.session.id),
                acr: ACR_PASSWORD.into(),
                amr: person.session.amr.clone(),
                claims: self.request.requested.to_text(),
                ..Origin::default()
            },
        };
        let seal = app.seal().await?;
        let (mut family, access) = grant.start_family(
            client,
            &entropy::family()?,
            Issuing { policy, seal, now: self.now },
        );
        family.expires_at = access.expires_at;
        let lifetime = access.expires_at.left(self.now).as_secs();
        let access = access.into_token(client.id.clone(), entropy::jti()?, self.now);
        let text = app.seal_access_token(client, &access, Some(&family)).await?;
        let session = person.session.secret_hash;
        match app.store().insert_family_at_browser(&family, session).await? {
            Outcome::Done => Ok((text, i64::try_from(lifetime).unwrap_or(i64::MAX))),
            Outcome::Conflict => Err(Why::LoginRequired.into()),
        }
    }

    fn record(&self, person: &Person, browser: &Browser) {
        tell!(
            AUTHORIZATION_GRANTED,
            actor = %Actor::User(person.session.user_id),
            on = %Object::Client(&self.client().id),
            outcome = audit::DONE,
            source = %browser.source,
            client_id = %self.client().id,
            sub = %person.session.user_id,
            response_type = %self.request.response_type,
            request_id = %browser.request_id,
        );
    }
}
