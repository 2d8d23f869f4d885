//! Renders a failure as a page, for the person at the browser.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use remint_protocol::form::Form;
use remint_protocol::reject::Why;

use crate::App;
use crate::browser::pages::Language;
use crate::browser::pages::error::{ErrorPage, Fault, Parameter, Trouble};
use crate::http::failure::Failure;
use crate::state::request_ids::RequestId;

/// Renders a failure as a page.
pub(crate) fn render(app: &App, head: &Parts, failure: &Failure) -> Response {
    let request_id = RequestId::of(&head.extensions).to_string();
    let page = ErrorPage { trouble: trouble(failure), request_id };
    failure.shown_by(app.pages().respond(Language::of_request(head), &page))
}

/// Answers for addresses where there is nothing: with a page for people, and for programs with the status alone.
pub(crate) async fn not_found(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let accept = head.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let request_id = RequestId::of(&head.extensions).to_string();
    let page = ErrorPage { trouble: Trouble::NotFound, request_id };
    app.pages().respond(Language::of_request(&head), &page)
}

/// The parameters of a request. One that was sent twice is named where it is known: what is not might be
/// anything.
pub(crate) fn form(raw: &str) -> Result<Form<'_>, Failure> {
    Form::parse(raw.as_bytes()).map_err(|reject| {
        let repeated = Form::repeated(raw.as_bytes()).and_then(|name| Parameter::named(&name));
        repeated.map_or(reject.into(), Failure::Repeated)
    })
}

const fn trouble(failure: &Failure) -> Trouble {
    match failure {
        Failure::Reject(reject) => of_cause(reject.why),
        Failure::Repeated(parameter) => Trouble::Request(*parameter, Fault::Repeated),
        Failure::BodyTooLarge
        | Failure::BodyTooSlow
        | Failure::BodyBroken
        | Failure::PasswordUnfit => Trouble::Unreadable,
        Failure::FormExpired => Trouble::Forbidden,
        Failure::Throttled(wait) => Trouble::TooMany(*wait),
        Failure::TooManyRequests(wait) => Trouble::TooManyRequests(*wait),
        Failure::Overloaded
        | Failure::KeyNotHere
        | Failure::NoSigningKey
        | Failure::StoreBehind
        | Failure::Contended
        | Failure::Store(remint_store::Error::Unavailable { .. }) => {
            Trouble::Unavailable(Duration::from_secs(1))
        }
        Failure::Store(remint_store::Error::Corrupt { .. }) | Failure::Internal(_) => {
            Trouble::Internal
        }
    }
}

/// Finds the parameter at fault, if there is one.
const fn of_cause(why: Why) -> Trouble {
    let (parameter, fault) = match why {
        Why::AuthorizeClientMissing => (Parameter::ClientId, Fault::Missing),
        Why::AuthorizeClientUnknown => (Parameter::ClientId, Fault::Unregistered),
        Why::RedirectUriMissing => (Parameter::RedirectUri, Fault::Missing),
        Why::RedirectUriUnknown | Why::RedirectUriNotRegistered => {
            (Parameter::RedirectUri, Fault::Unregistered)
        }
        Why::StateTooLong => (Parameter::State, Fault::TooLong),
        Why::PostLogoutRedirectUriUnknown => {
            (Parameter::PostLogoutRedirectUri, Fault::Unregistered)
        }
        Why::IdTokenHintInvalid => (Parameter::IdTokenHint, Fault::Malformed),
        _ => return Trouble::Unreadable,
    };
    Trouble::Request(parameter, fault)
}
