//! Bearer tokens at our own resources (RFC 6750): where they are read, and how refusals are reported.
//!
//! A token in the URL does not count as sent: logs and histories keep URLs.

use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse as _, Response};
use remint_protocol::form::Form;
use remint_protocol::reject::{Code, Reject, Why};

use crate::http::failure::{Failure, FailureReport};

/// The token of a request; `None` where there is none.
pub(crate) fn token<'a>(head: &'a Parts, form: &'a Form<'_>) -> Result<Option<&'a str>, Reject> {
    let mut headers = head.headers.get_all(header::AUTHORIZATION).iter();
    let in_header = headers.next();
    let in_body = form.find("access_token");
    // RFC 6750 §2: not more than one method in a request.
    match (in_header, headers.next(), in_body) {
        (None, _, in_body) => Ok(in_body),
        (Some(value), None, None) => {
            let text = value.to_str().map_err(|_| Why::AccessTokenMalformed)?;
            let (scheme, token) = text.split_once(' ').ok_or(Why::AccessTokenMalformed)?;
            // RFC 6750 §2.1: "Bearer" 1*SP b64token
            let token = token.trim_matches(' ');
            if !scheme.eq_ignore_ascii_case("Bearer") || !is_b64token(token) {
                return Err(Why::AccessTokenMalformed.into());
            }
            Ok(Some(token))
        }
        _ => Err(Why::AccessTokenMalformed.into()),
    }
}

/// RFC 6750 §2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// The response to a request without a token: the scheme alone (RFC 6750 §3.1).
pub(crate) fn challenge() -> Response {
    let value = HeaderValue::from_static("Bearer realm=\"remint\"");
    let mut response =
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, value)]).into_response();
    response.extensions_mut().insert(FailureReport::of(&Why::AccessTokenMissing.into()));
    response
}

/// Reports a refusal in the header (RFC 6750 §3), and in the body as everywhere.
pub(crate) fn refuse(failure: Failure) -> Response {
    let Failure::Reject(reject) = failure else { return failure.into_response() };
    let mut response = failure.into_response();
    if reject.code == Code::InvalidRequest {
        // RFC 6750 §3.1 has no other status for it.
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    let value = format!(
        "Bearer realm=\"remint\", error=\"{}\", error_description=\"{}\"",
        reject.code.as_str(),
        reject.description()
    );
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}
