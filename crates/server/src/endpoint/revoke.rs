//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::family::RevokeReason;
use remint_protocol::reject::Why;
use remint_protocol::revoke::{self, Revocation};
use remint_protocol::tell;
use remint_protocol::time::Timestamp;
use remint_protocol::token::{REFRESH_PREFIX, Subject};

use crate::App;
use crate::endpoint::introspect::open_refresh;
use crate::http::body::Received;
use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;

pub(crate) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn respond(app: &App, request: Request) -> Result<Response, Failure> {
    let received = Received::read(app, request).await?;
    let ClientRequest { form, caller, now, request_id, .. } =
        ClientRequest::authenticate(app, &received, app.clock().now()).await?;
    let text = form.find("token").ok_or(Why::TokenMissing)?;
    // The prefix says what it is, so a wrong `token_type_hint` does no harm (RFC 7009 §2.1).
    let revocation = if text.starts_with(REFRESH_PREFIX) {
        match open_refresh(app, &caller, text)? {
            None => None,
            Some(token) => {
                let loaded = app.store().load_family(token.family).await?;
                revoke::refresh_token(caller.client(), &token, loaded.as_ref().map(|l| &l.family))
            }
        }
    } else {
        match app.open_access_token(text).await? {
            Some(token) => {
                let loaded = match token.subject {
                    Subject::User { family, .. } => app.store().load_family(family).await?,
                    Subject::Client { .. } => None,
                };
                let family = loaded.as_ref().map(|loaded| &loaded.family);
                revoke::access_token(caller.client(), &token, family, now)
            }
            None => None,
        }
    };
    if let Some(revocation) = revocation {
        execute(app, revocation, now).await?;
        let session = match revocation {
            Revocation::Family(id) | Revocation::Access { family: Some(id), .. } => {
                Some(app.sealed_family_id(id))
            }
            Revocation::Access { family: None, .. } => None,
        };
        tell!(
            TOKEN_REVOKED,
            actor = %Actor::Client(&caller.client().id),
            on = %session.as_deref().map_or(Object::AccessToken, Object::Family),
            outcome = audit::DONE,
            source = %caller.source,
            client_id = %caller.client().id,
            session,
            %request_id,
        );
    }
    // RFC 7009 §2.2: 200 whether or not there was anything to revoke.
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

async fn execute(app: &App, revocation: Revocation, now: Timestamp) -> Result<(), Failure> {
    match revocation {
        Revocation::Family(id) => app.store().revoke_family(id, RevokeReason::Client, now).await?,
        Revocation::Access { jti, expires_at, .. } => {
            app.store().revoke_access_token(jti, expires_at).await?
        }
    };
    Ok(())
}
