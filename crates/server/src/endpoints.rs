//! The endpoints, each declared once: its paths, its methods, who may call it, where clients find it, and the
//! handler. The router, the labels of metrics and log, the metadata (RFC 8414) and the table at the head of
//! `docs/endpoints.md` come from here.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;

use crate::App;
use crate::browser::pages::{account as account_page, consent, sign_in, sign_out};
use crate::browser::{account, authorize, home, logout};
use crate::endpoint::{health, introspect, jwks, revoke, token, userinfo};
use crate::http::limits;
use crate::telemetry::Endpoint;

/// The callers that an endpoint is open to across origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Scripts of the origins that clients have registered.
    Registered,
    /// No script of another origin.
    Never,
}

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its label in metrics and log.
    pub label: Endpoint,
    /// Its path, below that of the issuer; `{file}` stands for one segment.
    pub path: &'static str,
    /// Further paths that lead there.
    pub aliases: &'static [&'static str],
    /// Its methods, in small letters.
    pub methods: &'static [&'static str],
    /// The scripts that may call it.
    pub cors: Cors,
    /// The member of the metadata that names it.
    pub member: Option<&'static str>,
    /// Its meaning, in Markdown.
    pub about: &'static str,
    handler: fn(&Arc<App>) -> MethodRouter<Arc<App>>,
}

impl Route {
    /// Its path and the further ones.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.path).chain(self.aliases.iter().copied())
    }

    pub(crate) fn handler(&self, app: &Arc<App>) -> MethodRouter<Arc<App>> {
        (self.handler)(app)
    }
}

macro_rules! optional {
    () => {
        None
    };
    ($member:literal) => {
        Some($member)
    };
}

macro_rules! endpoints {
    ($(
        $(#[doc = $about:literal])*
        $label:ident $cors:ident at $path:expr, $(also $($alias:literal)+,)? $(named $member:literal,)?
            $(through $layer:path,)? { $($method:ident: $handler:path),+ }
    )*) => {
        /// Every endpoint, but for the metadata, whose paths depend on the issuer's.
        pub const ENDPOINTS: &[Route] = &[$(Route {
            label: Endpoint::$label,
            path: $path,
            aliases: &[$($($alias),+)?],
            methods: &[$(stringify!($method)),+],
            cors: Cors::$cors,
            member: optional!($($member)?),
            about: concat!($($about),*),
            handler: |_app| {
                MethodRouter::new()$(.$method($handler))+
                    $(.layer(from_fn_with_state(Arc::clone(_app), $layer)))?
            },
        }),*];
    };
}

// label, cors, path, further paths, member of the metadata, a layer around it, and a handler for each method
endpoints! {
    /// [tokens](#the-token-endpoint), RFC 6749 §3.2
    Token Registered at "/oauth2/token", also "/oauth2/token/" "/oauth2endpoints/token", named "token_endpoint",
        { post: token::token }
    /// [the authorization endpoint](#the-authorization-endpoint), RFC 6749 §3.1, OpenID Connect Core §3
    Authorize Never at "/oauth2/authorize", also "/oauth2endpoints/authorize", named "authorization_endpoint", through limits::authorize,
        { get: authorize::authorize, post: authorize::authorize_by_form }
    /// where the pages lead back to
    Authorize Never at authorize::CONTINUE, { get: authorize::continuation }
    /// the sign-in [page](pages.md)
    Authorize Never at sign_in::PATH, { get: authorize::show_sign_in, post: authorize::sign_in }
    /// the consent [page](pages.md)
    Authorize Never at consent::PATH, { get: authorize::show_consent, post: authorize::answer_consent }
    /// [the claims about the user](#userinfo), OpenID Connect Core §5.3
    Userinfo Registered at "/oauth2/userinfo", also "/oauth2endpoints/userinfo", named "userinfo_endpoint",
        { get: userinfo::userinfo, post: userinfo::userinfo }
    /// [the state of a token](#introspection), RFC 7662
    Introspect Never at "/oauth2/introspect", named "introspection_endpoint",
        { post: introspect::introspect }
    /// [the end of a token](#revocation), RFC 7009
    Revoke Registered at "/oauth2/revoke", also "/oauth2endpoints/revoke", named "revocation_endpoint",
        { post: revoke::revoke }
    /// [the public keys](#public-keys) that sign, RFC 7517
    Jwks Registered at "/oauth2/jwks", named "jwks_uri", { get: jwks::jwks }
    /// [signing out](#signing-out), OpenID Connect RP-Initiated Logout
    Logout Never at sign_out::PATH, named "end_session_endpoint",
        { get: logout::ask, post: logout::sign_out }
    /// the [account page](pages.md): the person's sessions and applications
    Account Never at account_page::PATH, { get: account::show }
    /// ends a session, from the account page
    Account Never at account_page::END_SESSION, { get: account::back, post: account::end_session }
    /// ends what an application has, from the account page
    Account Never at account_page::END_APPLICATION, { get: account::back, post: account::end_application }
    /// changes the password, from the account page
    Account Never at account_page::CHANGE_PASSWORD, { get: account::back, post: account::change_password }
    /// signs out, from the account page
    Account Never at account_page::SIGN_OUT, { get: account::back, post: account::sign_out }
    /// leads to `/account`, or to `pages.home`
    Home Never at "/", { get: home::home }
    /// the style sheet and the pictures of the pages
    Assets Never at "/assets/{file}", { get: home::asset }
    /// [whether the process runs](operations.md#health)
    Health Never at "/health/live", { get: health::live }
    /// [whether requests can be served](operations.md#health)
    Health Never at "/health/ready", { get: health::ready }
}

/// Finds the label of a path below the issuer's. What is below an endpoint's path counts as that endpoint.
pub(crate) fn label_of(path: &str) -> Endpoint {
    let path = path.trim_end_matches('/');
    let known = ENDPOINTS.iter().find(|route| route.paths().any(|known| known == path));
    if let Some(route) = known {
        return route.label;
    }
    match path {
        "" => Endpoint::Home,
        path if path.contains("/.well-known/") => Endpoint::Metadata,
        path if path.starts_with("/account/") => Endpoint::Account,
        path if path.starts_with("/assets/") => Endpoint::Assets,
        path if path.starts_with("/health") => Endpoint::Health,
        path if path == "/playground" || path.starts_with("/playground/") => Endpoint::Playground,
        _ => Endpoint::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_path_is_declared_twice() {
        let all: Vec<_> = ENDPOINTS.iter().flat_map(Route::paths).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn every_path_has_the_label_of_its_endpoint() {
        for route in ENDPOINTS {
            for path in route.paths().filter(|path| !path.contains("/token/") && *path != "/") {
                assert_eq!(label_of(path), route.label, "{path}");
            }
        }
        for (path, label) in [
            ("/oauth2/token/", Endpoint::Token),
            ("", Endpoint::Home),
            ("/assets/pages.css", Endpoint::Assets),
            ("/account/anything", Endpoint::Account),
            ("/tenant/.well-known/openid-configuration", Endpoint::Metadata),
            ("/playground/callback", Endpoint::Playground),
            ("/health", Endpoint::Health),
            ("/oauth2/tokens", Endpoint::Other),
        ] {
            assert_eq!(label_of(path), label, "{path}");
        }
    }
}
