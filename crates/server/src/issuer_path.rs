//! The issuer's path, which proxies in front take away or keep: everything is served either way.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::Layer as _;
use tower::util::MapRequestLayer;

use crate::config::Issuer;
use crate::endpoints::label_of;
use crate::telemetry::Endpoint;

/// Serves everything below the issuer's path too, for proxies that keep it. Requests without it are served as
/// they are.
pub(crate) fn below(router: Router, issuer: &Issuer) -> Router {
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
    let is_ours = |path: &str| !matches!(label_of(path), Endpoint::Other | Endpoint::Home);
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
