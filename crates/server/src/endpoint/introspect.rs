//! The introspection endpoint (RFC 7662).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_protocol::introspect::{self, Active};
use remint_protocol::reject::Why;
use remint_protocol::time::Timestamp;
use remint_protocol::token::{self, REFRESH_PREFIX, RefreshToken};
use serde::Serialize;

use crate::App;
use crate::http::body::Received;
use crate::http::client_auth::Caller;
use crate::http::client_request::ClientRequest;
use crate::http::failure::{Failure, json};

pub(crate) async fn introspect(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn respond(app: &App, request: Request) -> Result<Response, Failure> {
    let received = Received::read(app, request).await?;
    let ClientRequest { form, caller, now, .. } =
        ClientRequest::authenticate(app, &received, app.clock().now()).await?;
    // RFC 7662 §2.1: the caller must be authorized, which one without credentials cannot be.
    if caller.client().is_public() {
        return Err(Why::CallerPublic.into());
    }
    let text = form.find("token").ok_or(Why::TokenMissing)?;
    // The prefix says what it is; `token_type_hint` could only mislead (RFC 7662 §2.1: a hint).
    let active = if text.starts_with(REFRESH_PREFIX) {
        let active = refresh_token(app, &caller, text, now).await?;
        active.map(|active| (active, Arc::clone(&caller.registered)))
    } else {
        let shown = app.load_access_token(text).await?;
        let active = shown.as_ref().and_then(|shown| shown.judge(app, caller.client(), now));
        active.zip(shown.and_then(|shown| shown.owner))
    };
    let Some((active, owner)) = active else {
        return Ok(json(r#"{"active":false}"#).into_response());
    };
    // The subject as the token's own client knows it, whoever asks.
    let sub = match active.subject {
        Some(user) => app.subject(&owner.client, user).await?.into(),
        None => active.client_id.as_str().to_owned(),
    };
    let body = serde_json::to_vec(&Members::new(app, &active, sub));
    let body = body.map_err(|_| Failure::Internal("an answer does not encode"))?;
    Ok(json(body).into_response())
}

async fn refresh_token(
    app: &App,
    caller: &Caller,
    text: &str,
    now: Timestamp,
) -> Result<Option<Active>, Failure> {
    let Some(token) = open_refresh(app, caller, text)? else { return Ok(None) };
    let loaded = app.clients().load_family(token.family, &caller.registered, app.store()).await?;
    Ok(introspect::refresh_token(caller.client(), &token, loaded.as_ref(), now))
}

/// Opens a refresh token of the caller; `None` for any other text, which is no failure here.
pub(crate) fn open_refresh(
    app: &App,
    caller: &Caller,
    text: &str,
) -> Result<Option<RefreshToken>, Failure> {
    match token::open_refresh(&app.keys(), text, &caller.client().id) {
        Ok(token) => Ok(Some(token)),
        Err(token::Unopened::Garbage) => Ok(None),
        Err(token::Unopened::UnknownKey) => Err(Failure::KeyNotHere),
    }
}

/// The members of the response (RFC 7662 §2.2). Empty ones are left out.
#[derive(Serialize)]
struct Members<'a> {
    active: bool,
    client_id: &'a str,
    sub: String,
    iss: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl<'a> Members<'a> {
    fn new(app: &'a App, active: &'a Active, sub: String) -> Self {
        Self {
            active: true,
            client_id: active.client_id.as_str(),
            sub,
            iss: app.issuer().as_str(),
            iat: active.issued_at.as_secs(),
            exp: active.expires_at.as_secs(),
            // RFC 7662 §2.2: the type of an access token; a refresh token has none.
            token_type: active.jti.map(|_| "Bearer"),
            scope: active.scope.as_str(),
            aud: active.resources.iter().collect(),
            jti: active.jti.map(|jti| URL_SAFE_NO_PAD.encode(jti.0)),
        }
    }
}
