//! Rate limits per source, in memory: off by default.
//!
//! A source that has no room is refused before anything is read for it. Two things have limits of their own,
//! whatever others send from the same address: a refresh token that was issued here, and a browser that has
//! signed in. A refresh that succeeds does not count.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use remint_protocol::client_auth;
use remint_protocol::client_id::ClientId;
use remint_protocol::form::Form;
use remint_protocol::time::Timestamp;
use remint_protocol::token;

use crate::App;
use crate::browser::error_page;
use crate::browser::session::Browser;
use crate::http::body::Received;
use crate::http::failure::Failure;
use crate::http::notes;
use crate::http::observe::source_of;
use crate::state::limits::Counted;

/// Counts a request without room at its source against its session's own limit, if it refreshes a token that
/// was issued here. Otherwise it must `wait`.
pub(crate) fn take_refresh<'a>(
    app: &'a App,
    received: &Received,
    form: &Form<'_>,
    now: Timestamp,
    wait: Duration,
) -> Result<Counted<'a>, Duration> {
    let family = || {
        let authorization = received.authorization().ok()?;
        let credentials = client_auth::read(authorization, form).ok()?;
        let client = ClientId::parse(&credentials.client_id)?;
        let text = form
            .find("refresh_token")
            .filter(|_| form.find("grant_type").is_some_and(|grant| grant == "refresh_token"))?;
        Some(token::open_refresh(&app.keys(), text, &client).ok()?.family)
    };
    family().map_or(Err(wait), |family| app.limits().token.take_own(family.0, now))
}

/// Limits requests to the authorization endpoint.
pub(crate) async fn authorize(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    let now = app.clock().now();
    let source = source_of(request.extensions());
    let Err(wait) = app.limits().authorize.take(source, now) else {
        return next.run(request).await;
    };
    let (head, body) = request.into_parts();
    // Whoever has signed in at this browser has a limit of their own.
    let person = Browser::read(&app, &head, now).await.ok().and_then(|browser| browser.person);
    let own = person.map(|person| person.session.id.0);
    let taken = own.map_or(Err(wait), |own| app.limits().authorize.take_own(own, now).map(drop));
    match taken {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(wait) => {
            notes::parameters(head.uri.query().unwrap_or_default());
            error_page::render(&app, &head, &Failure::TooManyRequests(wait))
        }
    }
}
