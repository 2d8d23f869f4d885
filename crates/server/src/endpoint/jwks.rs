//! The set of public keys (RFC 7517 §5) that clients check our signatures with.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::App;
use crate::http::failure::Failure;
use crate::keys::signing::{Document, MAX_AGE};

pub(crate) async fn jwks(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let signing = match app.signing().await {
        Ok(signing) => signing,
        Err(why) => return Failure::from(why).into_response(),
    };
    match signing.jwks() {
        Ok(document) => respond(document, &headers),
        Err(why) => Failure::from(why).into_response(),
    }
}

fn respond(document: &Document, headers: &HeaderMap) -> Response {
    let cache = [
        (header::ETAG, document.etag.clone()),
        (header::CACHE_CONTROL, format!("public, max-age={}", MAX_AGE.as_secs())),
    ];
    if is_known(&document.etag, headers) {
        return (StatusCode::NOT_MODIFIED, cache).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (cache, kind, document.body.clone()).into_response()
}

/// Whether `If-None-Match` lists the tag, weak or not (RFC 9110 §13.1.2).
fn is_known(etag: &str, headers: &HeaderMap) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let mut each = listed.flat_map(|list| list.split(',')).map(str::trim);
    each.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}
