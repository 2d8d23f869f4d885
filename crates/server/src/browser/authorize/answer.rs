//! The authorization response (RFC 6749 §4.1.2): the parameters, and the way that they travel.

use axum::http::{HeaderValue, header, request::Parts};
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use remint_protocol::authorize::Target;
use remint_protocol::redirect_uri::host_or_scheme;
use remint_protocol::reject::Reject;
use remint_protocol::response::ResponseMode;

use super::redirect;
use crate::App;
use crate::browser::pages::Language;
use crate::browser::pages::form_post::FormPost;

/// All but what RFC 3986 §2.3 leaves as it is.
pub(crate) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters of an answer, in order.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// Sends the answer on its way. `state` and `iss` go with every one (RFC 9207 §2).
pub(super) fn send(
    app: &App,
    head: &Parts,
    target: &Target,
    mut parameters: Parameters,
) -> Response {
    parameters.extend(target.state.clone().map(|state| ("state", state)));
    parameters.push(("iss", app.issuer().as_str().to_owned()));
    match target.mode {
        ResponseMode::Query => {
            let joint = if target.uri.contains('?') { '&' } else { '?' };
            // A browser would carry a fragment of our own URL over to the client's page, where it could
            // pass for a part of the answer. An empty one in its place ends that.
            see_other(&format!("{}{joint}{}#_", target.uri, encode(&parameters)))
        }
        ResponseMode::Fragment => see_other(&format!("{}#{}", target.uri, encode(&parameters))),
        ResponseMode::FormPost => {
            let fields = parameters.into_iter().map(|(name, value)| (name.to_owned(), value));
            let page = FormPost {
                redirect_uri: target.uri.clone(),
                fields: fields.collect(),
                client: host_or_scheme(&target.uri),
            };
            app.pages().respond(Language::of_request(head), &page)
        }
    }
}

/// An error for the client (RFC 6749 §4.1.2.1).
pub(super) fn refuse(app: &App, head: &Parts, target: &Target, reject: Reject) -> Response {
    let parameters = vec![
        ("error", reject.code.as_str().to_owned()),
        ("error_description", reject.description().to_owned()),
    ];
    send(app, head, target, parameters)
}

fn encode(parameters: &Parameters) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A redirect by GET to a place that is known to be good.
pub(crate) fn see_other(location: &str) -> Response {
    // Redirection URIs have visible ASCII characters alone, and ours are made of such.
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    let mut response = redirect(location);
    let none = HeaderValue::from_static("no-referrer");
    response.headers_mut().insert(header::REFERRER_POLICY, none);
    response
}
