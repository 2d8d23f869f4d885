//! The parties in front of this server: proxies that keep the issuer's path or strip it, proxies that end
//! TLS, and browsers that remember for a year that there is TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::App;
use crate::config::{Config, Plain, is_loopback_host};
use crate::http::client_ip::Peer;
use crate::http::failure::FailureReport;
use crate::state::request_ids::Observed;
use crate::telemetry::Endpoint;

/// Refuses peers on a network other than trusted proxies, if a proxy ends TLS: tokens must not cross it in
/// clear (RFC 6749 §3.2). Health probes may come from anywhere.
pub(crate) async fn refuse_strangers(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Response {
    static WAS_SAID: AtomicBool = AtomicBool::new(false);
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    let may_pass = app.config().http.plain != Plain::BehindProxy
        || Observed::endpoint_of(request.extensions()) == Some(Endpoint::Health)
        || peer.is_none_or(|ip| ip.is_loopback() || app.config().http.trusted_proxies.contains(ip));
    if may_pass {
        return next.run(request).await;
    }
    let peer = peer.map(|ip| ip.to_string()).unwrap_or_default();
    if WAS_SAID.swap(true, Ordering::Relaxed) {
        tracing::debug!(peer, "a request in clear was refused");
    } else {
        tracing::warn!(
            peer,
            "a request in clear was refused, because it is not from http.trusted_proxies; further ones are \
             told at debug"
        );
    }
    let text = "This server takes requests from its proxy alone, because it speaks no TLS itself. Use its public \
                URL.\n";
    let mut response =
        (StatusCode::FORBIDDEN, [(header::CACHE_CONTROL, "no-store")], text).into_response();
    response.extensions_mut().insert(FailureReport::NOT_FROM_PROXY);
    response
}

/// Whether a browser is told to speak nothing but TLS to this host for a year (RFC 6797): not for this
/// machine's own name, which all servers of a developer share.
pub(crate) fn is_strict(config: &Config, headers: &HeaderMap) -> bool {
    let issuer = &config.server.issuer;
    if !issuer.is_https() || issuer.is_loopback() {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    !authority.is_some_and(|a| is_loopback_host(a.host().trim_matches(['[', ']'])))
}
