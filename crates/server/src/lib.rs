//! Remint over HTTP: endpoints, configuration, background work.
//!
//! A request is: read, decide, write. The endpoints know the order; what is allowed is decided in
//! `remint-protocol`, what is remembered is in `remint-store`.

mod access_token;
mod account;
mod app;
mod authorize;
mod backchannel;
mod bearer;
mod body;
mod browser;
mod client_auth;
pub mod clock;
pub mod config;
mod cookie_names;
mod cors;
mod device;
pub mod entropy;
mod failure;
mod field;
mod front;
mod frontchannel;
mod health;
mod home;
mod host;
mod id_token;
mod introspect;
mod jwks;
mod key_file;
pub mod keys;
mod limits;
mod login;
mod logout;
mod metadata;
pub mod node;
mod notes;
mod observe;
pub mod pages;
pub mod passwords;
pub mod playground;
mod refused;
mod revoke;
pub mod secret_file;
pub mod serve;
pub mod signing;
mod source;
mod state;
mod subject;
mod suspects;
mod sweep;
mod telemetry;
pub mod tls;
mod token;
mod userinfo;
mod watch;
pub mod whole_file;

pub use app::{App, StartError};
pub use failure::{Cause, causes};
pub use telemetry::{ENDPOINTS, LOG_LINES_DROPPED};

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use config::Plain;
use cors::cors;
use failure::Failure;
use observe::observe;

/// The public endpoints.
pub fn router(app: &Arc<App>) -> Router {
    router_with(app, Router::new())
}

/// The public endpoints and more.
pub fn router_with(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    front::below_issuer(routes(app, more), app.issuer())
}

fn routes(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    let router = more
        // The path of an issuer may have anything in it. What is merged in must not be checked either.
        .without_v07_checks()
        .merge(called_by_scripts(app))
        .route("/oauth2/authorize", authorization_endpoint(app))
        .route("/oauth2endpoints/authorize", authorization_endpoint(app))
        .route(authorize::CONTINUE, get(authorize::go_on))
        .route(pages::sign_in::PATH, get(authorize::show_sign_in).post(authorize::sign_in))
        .route(pages::consent::PATH, get(authorize::show_consent).post(authorize::answer_consent))
        .route(pages::sign_out::PATH, get(logout::ask).post(logout::sign_out))
        .route(pages::account::PATH, get(account::show))
        .route(pages::account::END_SESSION, get(account::back).post(account::end_session))
        .route(pages::account::END_APPLICATION, get(account::back).post(account::end_application))
        .route(pages::account::CHANGE_PASSWORD, get(account::back).post(account::change_password))
        .route(pages::account::SIGN_OUT, get(account::back).post(account::sign_out))
        .route("/", get(home::home))
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/assets/{file}", get(asset))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(refused::not_found)
        .layer(CatchPanicLayer::custom(|_| {
            Failure::Internal("a request panicked").into_response()
        }));
    // Only where there is somebody to refuse: every request pays for a layer.
    let router = if app.config().http.plain == Plain::BehindProxy {
        router.layer(from_fn_with_state(Arc::clone(app), front::refuse_strangers))
    } else {
        router
    };
    router.layer(from_fn_with_state(Arc::clone(app), observe)).with_state(Arc::clone(app))
}

fn authorization_endpoint(app: &Arc<App>) -> MethodRouter<Arc<App>> {
    get(authorize::authorize)
        .post(authorize::authorize_by_form)
        .layer(from_fn_with_state(Arc::clone(app), limits::authorize))
}

/// What applications in a browser call by themselves, from the origins that they registered.
fn called_by_scripts(app: &Arc<App>) -> Router<Arc<App>> {
    let mut router = Router::new()
        // The path of an issuer may have anything in it.
        .without_v07_checks()
        .route("/oauth2/token", post(token::token))
        .route("/oauth2/token/", post(token::token))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route("/oauth2/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/oauth2/jwks", get(jwks::jwks))
        // As WSO2 Identity Server had them before 5.0.
        .route("/oauth2endpoints/token", post(token::token))
        .route("/oauth2endpoints/revoke", post(revoke::revoke))
        .route("/oauth2endpoints/userinfo", get(userinfo::userinfo).post(userinfo::userinfo));
    for path in metadata::paths(app.issuer()) {
        router = router.route(&path, get(metadata::metadata));
    }
    router.route_layer(from_fn_with_state(Arc::clone(app), cors))
}

/// What the pages load.
async fn asset(State(app): State<Arc<App>>, Path(file): Path<String>) -> Response {
    app.pages().asset(&file)
}

/// The operators' endpoints.
pub fn ops_router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(Arc::clone(app))
}
