//! The userinfo endpoint (OpenID Connect Core §5.3): who the user of an access token is, as far as its
//! scope tells.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, request::Parts};
use axum::response::{IntoResponse as _, Response};
use remint_protocol::form::Form;
use remint_protocol::reject::Why;
use remint_protocol::userinfo;
use serde_json::{Map, Value};

use crate::App;
use crate::http::bearer;
use crate::http::body::Received;
use crate::http::failure::{Failure, json};

pub(crate) async fn userinfo(State(app): State<Arc<App>>, request: Request) -> Response {
    let answered = if request.method() == Method::POST && has_body(&request) {
        match Received::read_form(&app, request).await {
            Ok(received) => match received.form() {
                Ok(form) => respond(&app, &received.head, &form).await,
                Err(failure) => Err(failure),
            },
            Err((_, failure)) => Err(failure),
        }
    } else {
        let (head, _) = request.into_parts();
        respond(&app, &head, &Form::default()).await
    };
    answered.unwrap_or_else(bearer::refuse)
}

/// Whether there is a body. §5.3.1 allows a POST without one, with the token in the header.
fn has_body(request: &Request) -> bool {
    use axum::body::HttpBody as _;
    !request.body().is_end_stream()
}

async fn respond(app: &App, head: &Parts, form: &Form<'_>) -> Result<Response, Failure> {
    let Some(text) = bearer::token(head, form)? else { return Ok(bearer::challenge()) };
    let now = app.clock().now();
    let shown = app.load_access_token(text).await?.ok_or(Why::AccessTokenDead)?;
    let owner = shown.owner.as_deref();
    let active = owner.and_then(|owner| shown.judge(app, &owner.client, now));
    let user_id = userinfo::user(&shown.token.subject, active.as_ref())?;
    let (owner, active) = owner.zip(active).ok_or(Why::AccessTokenDead)?;
    let family = shown.family.as_ref().map(|loaded| &loaded.family);
    let requested = userinfo::requested(family, &owner.client);
    // §5.3.2: the same `sub` as in the ID token.
    let sub = app.subject(&owner.client, user_id).await?;
    let mut claims = Map::from_iter([("sub".into(), Value::String(sub.into()))]);
    claims.extend(app.claims(user_id, &active.scope, &requested).await?);
    let body = serde_json::to_vec(&claims);
    Ok(json(body.map_err(|_| Failure::Internal("an answer does not encode"))?).into_response())
}
