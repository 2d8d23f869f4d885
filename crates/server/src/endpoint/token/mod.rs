//! The token endpoint (RFC 6749 §3.2): parse once, authenticate, hand over to the grant.

mod authorization_code;
mod client_credentials;
mod password;
mod refresh;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::client::GrantType;
use remint_protocol::family_id::FamilyId;
use remint_protocol::reject::{Reject, Why};
use remint_protocol::resource::Resources;
use remint_protocol::scope::Scope;
use remint_protocol::tell;
use remint_protocol::user::UserId;

use crate::App;
use crate::http::body::Received;
use crate::http::client_request::ClientRequest;
use crate::http::failure::{Failure, json};
use crate::http::limits;
use crate::http::observe::source_of;

impl ClientRequest<'_> {
    fn scope(&self) -> Result<Option<Scope>, Reject> {
        let scope = self.form.find("scope").map(Scope::parse).transpose()?;
        // RFC 6749 §3.3: at least one scope token. Nothing but spaces asks for nothing.
        match scope {
            Some(scope) if scope.is_empty() => Err(Why::ScopeMalformed.into()),
            scope => Ok(scope),
        }
    }

    fn resources(&self) -> Result<Option<Resources>, Reject> {
        Resources::asked(self.form.all("resource"))
    }

    /// Logs that a user started a session.
    fn record_start(&self, user: UserId, family: FamilyId) {
        let session = self.app.sealed_family_id(family);
        tell!(
            SESSION_STARTED,
            actor = %Actor::User(user),
            on = %Object::Family(&session),
            outcome = audit::DONE,
            source = %self.caller.source,
            client_id = %self.caller.client().id,
            sub = %user,
            session,
            request_id = %self.request_id,
        );
    }

    /// Logs that a session was ended, because its token or code was replayed or forged.
    fn record_end(&self, family: FamilyId, why: Why) {
        let session = self.app.sealed_family_id(family);
        tell!(
            SESSION_ENDED,
            actor = %Actor::Server,
            on = %Object::Family(&session),
            outcome = audit::DONE,
            source = %self.caller.source,
            cause = why.name(),
            client_id = %self.caller.client().id,
            session,
            request_id = %self.request_id,
        );
    }
}

pub(crate) async fn token(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn respond(app: &App, request: Request) -> Result<Response, Failure> {
    let now = app.clock().now();
    let source = source_of(request.extensions());
    let taken = app.limits().token.take(source, now);
    let received = match (Received::read(app, request).await, &taken) {
        (Ok(received), _) => received,
        (Err(failure), Ok(_)) => return Err(failure),
        (Err(_), Err(wait)) => return Err(Failure::TooManyRequests(*wait)),
    };
    let taken = match taken {
        Ok(taken) => taken,
        Err(wait) => limits::take_refresh(app, &received, &received.form()?, now, wait)
            .map_err(Failure::TooManyRequests)?,
    };
    let request = ClientRequest::authenticate(app, &received, now).await?;
    let grant_type = request.form.find("grant_type").ok_or(Why::GrantTypeMissing)?;
    let response = match GrantType::parse(grant_type).ok_or(Why::GrantTypeUnknown)? {
        // Boxed: logins are rare and their future is large.
        GrantType::AuthorizationCode => Box::pin(authorization_code::grant(&request)).await?,
        GrantType::ClientCredentials => client_credentials::grant(&request).await?,
        GrantType::Password => Box::pin(password::grant(&request)).await?,
        GrantType::RefreshToken => {
            let refreshed = refresh::grant(&request).await?;
            taken.give_back();
            refreshed
        }
    };
    let body = serde_json::to_vec(&response)
        .map_err(|_| Failure::Internal("an answer does not encode"))?;
    Ok(json(body).into_response())
}
