//! Authorization server metadata (RFC 8414): exactly what is there.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use remint_protocol::client::{AuthMethod, GrantType};
use serde_json::json;

use crate::App;

/// RFC 8414 §3.1: the path of an issuer that has one stands behind the well-known part.
pub(crate) async fn metadata_of_path(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
) -> Response {
    let issuer = app.config.server.issuer.as_str();
    let own = issuer.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    if own.is_some_and(|(_, own)| own == path) {
        metadata(State(app)).await.into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

pub(crate) async fn metadata(State(app): State<Arc<App>>) -> impl IntoResponse {
    let issuer = app.config.server.issuer.as_str();
    let all: Vec<_> = AuthMethod::ALL.iter().map(|m| m.as_str()).collect();
    let confidential: Vec<_> =
        AuthMethod::ALL.iter().filter(|m| **m != AuthMethod::None).map(|m| m.as_str()).collect();
    let grants: Vec<_> = GrantType::ALL.iter().map(|g| g.as_str()).collect();
    let body = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "token_endpoint_auth_methods_supported": all,
        "grant_types_supported": grants,
        // RFC 8414 §2 wants the member; there is no authorization endpoint to send one to.
        "response_types_supported": [],
        "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": all,
        "introspection_endpoint": format!("{issuer}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": confidential,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string())
}
