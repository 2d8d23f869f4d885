//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0 §3): exactly what is implemented.
//!
//! They do not depend on the request. They are served only under the issuer's own path, because clients must
//! refuse any others (OpenID Connect Discovery §4.3).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use remint_protocol::authorize::{ACR_PASSWORD, Prompt};
use remint_protocol::claims::Claim;
use remint_protocol::client::{AuthMethod, GrantType, SubjectType};
use remint_protocol::response::{ResponseMode, ResponseType};
use remint_protocol::signing_key::SigningAlg;
use serde_json::json;

use crate::App;
use crate::browser::pages::Language;
use crate::config::Issuer;
use crate::endpoints::ENDPOINTS;

/// The claims of an ID token in addition to those about the person.
const ID_TOKEN_CLAIMS: [&str; 9] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid"];

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The paths of the metadata: at no other does the issuer match the URL that was asked.
///
/// Requests arrive without the issuer's path if a proxy strips it.
pub(crate) fn paths(issuer: &Issuer) -> BTreeSet<String> {
    let (own, endpoint) = (issuer.own_path(), issuer.endpoint());
    let mut all = BTreeSet::new();
    for path in [own, endpoint] {
        // OpenID Connect Discovery §4: appended to the issuer's path.
        all.insert(format!("{path}{OPENID}"));
    }
    // RFC 8414 §3.1: inserted before it; §5 has the same for the name of OpenID Connect.
    for name in [OAUTH, OPENID] {
        all.insert(format!("{name}{own}"));
    }
    if endpoint.is_empty() {
        all.insert(OAUTH.to_owned());
    }
    // No URI has braces (RFC 3986 §2), and routes mean something else by them.
    all.retain(|path| !path.contains(['{', '}']));
    all
}

pub(crate) async fn metadata(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (issuer, base) = (app.issuer().as_str(), app.issuer().base());
    let all: Vec<_> = AuthMethod::ALL.iter().map(|m| m.as_str()).collect();
    let confidential: Vec<_> =
        AuthMethod::ALL.iter().filter(|m| **m != AuthMethod::None).map(|m| m.as_str()).collect();
    // RFC 7591 §2.1: tokens from the authorization endpoint are the grant `implicit`.
    let implicit = ResponseType::ALL.iter().any(|kind| kind.has_tokens()).then_some("implicit");
    let grants: Vec<_> = GrantType::ALL.iter().map(|g| g.as_str()).chain(implicit).collect();
    let types: Vec<_> = ResponseType::ALL.iter().map(ToString::to_string).collect();
    let modes: Vec<_> = ResponseMode::ALL.iter().map(|m| m.as_str()).collect();
    let algs: Vec<_> = SigningAlg::ALL.iter().map(|alg| alg.as_str()).collect();
    let claims: Vec<_> =
        ID_TOKEN_CLAIMS.into_iter().chain(Claim::ALL.iter().map(|claim| claim.as_str())).collect();
    let subjects: Vec<_> = SubjectType::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut body = json!({
        "issuer": issuer,
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
        "subject_types_supported": subjects,
        "id_token_signing_alg_values_supported": algs,
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": true,
        "claims_supported": claims,
        "acr_values_supported": [ACR_PASSWORD],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "token_endpoint_auth_methods_supported": all,
        "revocation_endpoint_auth_methods_supported": all,
        "introspection_endpoint_auth_methods_supported": confidential,
    });
    for route in ENDPOINTS {
        if let (Some(member), Some(body)) = (route.member, body.as_object_mut()) {
            body.insert(member.to_owned(), format!("{base}{}", route.path).into());
        }
    }
    ([(header::CONTENT_TYPE, "application/json")], body.to_string())
}
