//! Cross-origin requests (the CORS protocol, Fetch §3.3): scripts of registered origins may call the
//! endpoints that applications in a browser need.
//!
//! The response names the requesting origin, byte for byte, and only if an enabled client registered it:
//! never `*`, never `null`, and never with credentials, because nothing here works by cookie. Other origins
//! get no such header at all, which a ready-made layer would not leave out. Endpoints that are pages, or lead
//! to one, are not under this layer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::App;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// Headers that clients send in addition to those that every script may send.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type");
/// Headers of responses in addition to those that every script may read.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("Retry-After, WWW-Authenticate, X-Request-Id");
/// The seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The layer around the endpoints that scripts may call.
pub(crate) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return vary(next.run(request).await);
    };
    let is_known = match origin.to_str() {
        Ok(text) => {
            app.origins().contains(text, app.store(), || app.clients().seen_revision()).await
        }
        Err(_) => false,
    };
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response =
        if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    if is_known {
        allow(response.headers_mut(), origin, is_preflight);
    }
    vary(response)
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
}

/// Keeps caches from reusing a response for another origin (RFC 9110 §12.5.5).
fn vary(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}
