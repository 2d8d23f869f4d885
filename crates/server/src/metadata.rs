//! Authorization server metadata (RFC 8414): exactly what is there.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use remint_protocol::authorize::{ACR_PASSWORD, Prompt};
use remint_protocol::claims::Claim;
use remint_protocol::client::{AuthMethod, GrantType};
use remint_protocol::response::{ResponseMode, ResponseType};
use remint_protocol::signing_key::SigningAlg;
use serde_json::json;

use crate::App;
use crate::pages::Language;

/// What an ID token says beside what it says of the person.
const ID_TOKEN_CLAIMS: [&str; 9] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid"];

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

/// OpenID Connect Discovery 1.0 §3.
pub(crate) async fn openid(State(app): State<Arc<App>>) -> impl IntoResponse {
    metadata(State(app)).await
}

pub(crate) async fn metadata(State(app): State<Arc<App>>) -> impl IntoResponse {
    let issuer = app.config.server.issuer.as_str();
    let all: Vec<_> = AuthMethod::ALL.iter().map(|m| m.as_str()).collect();
    let confidential: Vec<_> =
        AuthMethod::ALL.iter().filter(|m| **m != AuthMethod::None).map(|m| m.as_str()).collect();
    let grants: Vec<_> = GrantType::ALL.iter().map(|g| g.as_str()).collect();
    let types: Vec<_> = ResponseType::ALL.iter().map(ToString::to_string).collect();
    let modes: Vec<_> = ResponseMode::ALL.iter().map(|m| m.as_str()).collect();
    let algs: Vec<_> = SigningAlg::ALL.iter().map(|alg| alg.as_str()).collect();
    let claims: Vec<_> =
        ID_TOKEN_CLAIMS.into_iter().chain(Claim::ALL.iter().map(|claim| claim.as_str())).collect();
    let body = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "userinfo_endpoint": format!("{issuer}/oauth2/userinfo"),
        "jwks_uri": format!("{issuer}/oauth2/jwks"),
        "end_session_endpoint": format!("{issuer}/oidc/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "scopes_supported":
            ["openid", "profile", "email", "address", "phone", "offline_access"],
        "response_types_supported": types,
        "response_modes_supported": modes,
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": Prompt::VALUES,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algs,
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": true,
        "claims_supported": claims,
        "acr_values_supported": [ACR_PASSWORD],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "token_endpoint_auth_methods_supported": all,
        "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": all,
        "introspection_endpoint": format!("{issuer}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": confidential,
    });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string())
}
