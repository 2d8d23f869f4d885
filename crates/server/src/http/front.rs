//! The parties in front of this server: proxies that keep the issuer's path or strip it, proxies that end
//! TLS, and browsers that remember for a year that there is TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower::Layer as _;
use tower::util::MapRequestLayer;

use crate::App;
use crate::config::{Config, Issuer, Plain, is_loopback_host};
use crate::http::client_ip::Peer;
use crate::http::failure::FailureReport;
use crate::telemetry::Endpoint;

/// Serves everything below the issuer's path too, for proxies that keep it. Requests without it are served as
/// they are.
pub(crate) fn below_issuer(router: Router, issuer: &Issuer) -> Router {
    let path = issuer.path().to_owned();
    if path.is_empty() {
        return router;
    }
    let without = move |mut request: Request| {
        if let Some(uri) = strip(request.uri(), &path) {
            *request.uri_mut() = uri;
        }
        request
    };
    Router::new().fallback_service(MapRequestLayer::new(without).layer(router))
}

/// The URI without the issuer's path; `None` if it is absent, or if the whole path is an endpoint of ours.
fn strip(uri: &Uri, base: &str) -> Option<Uri> {
    let path = uri.path();
    let rest = path.strip_prefix(base)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    // The issuer's path may be that of an endpoint, and the proxy in front one that took it away.
    let is_ours = |path: &str| !matches!(Endpoint::of(path), Endpoint::Other | Endpoint::Home);
    if rest != "/" && is_ours(path) && !is_ours(rest) {
        return None;
    }
    let rest = if rest.is_empty() { "/" } else { rest };
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}")),
        None => PathAndQuery::try_from(rest),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.ok()?);
    Uri::from_parts(parts).ok()
}

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
        || Endpoint::of(request.uri().path()) == Endpoint::Health
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuers_path_is_taken_away_but_never_twice_and_not_from_our_own_paths() {
        for (base, uri, expected) in [
            ("/auth", "/auth/oauth2/token?a=b", "/oauth2/token?a=b"),
            ("/auth", "/oauth2/token", "/oauth2/token"),
            ("/auth", "/auth", "/"),
            ("/auth", "/auth/", "/"),
            ("/auth", "/auth?a=b", "/?a=b"),
            ("/auth", "/authority/login", "/authority/login"),
            ("/auth", "/auth/auth/login", "/auth/login"),
            ("/auth", "/auth//login", "//login"),
            ("/account", "/account/account", "/account"),
            ("/account", "/account/sign-out", "/account/sign-out"),
            ("/account", "/account", "/account"),
            ("/oauth2", "/oauth2/token", "/oauth2/token"),
            ("/oauth2", "/oauth2/oauth2/token", "/oauth2/token"),
            ("/oauth2", "/oauth2/login", "/login"),
            ("/assets", "/assets/assets/x.css", "/assets/x.css"),
            ("/assets", "/assets/login", "/login"),
            ("/assets", "/assets/x.css", "/assets/x.css"),
            ("/health", "/health/live", "/health/live"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let stripped = strip(&uri, base).unwrap_or_else(|| uri.clone());
            assert_eq!(stripped.to_string(), expected, "{base}: {uri}");
        }
    }
}
