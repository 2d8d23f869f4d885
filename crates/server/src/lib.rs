//! Remint over HTTP: endpoints, configuration, background work.
//!
//! A request reads, decides and writes. The endpoints know the order, `remint-protocol` decides what is
//! allowed, and `remint-store` keeps what is remembered.

mod app;
pub mod background;
pub mod browser;
pub mod clock;
pub mod config;
mod endpoint;
pub mod entropy;
pub mod files;
pub mod http;
mod issue;
pub mod keys;
pub mod passwords;
pub mod playground;
mod state;
mod telemetry;

pub use app::{App, StartError};
pub use http::failure::{Cause, causes};
pub use telemetry::{ENDPOINTS, LOG_LINES_DROPPED};

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;

use config::Plain;
use http::cors::cors;
use http::failure::Failure;
use http::observe::observe;

/// The public endpoints.
pub fn router(app: &Arc<App>) -> Router {
    router_with(app, Router::new())
}

/// The public endpoints, and `more`.
pub fn router_with(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    http::front::below_issuer(routes(app, more), app.issuer())
}

fn routes(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    let router = more
        // The path of an issuer may have anything in it. What is merged in must not be checked either.
        .without_v07_checks()
        .merge(called_by_scripts(app))
        .route("/oauth2/authorize", authorization_endpoint(app))
        .route("/oauth2endpoints/authorize", authorization_endpoint(app))
        .route(browser::authorize::CONTINUE, get(browser::authorize::continuation))
        .route(
            browser::pages::sign_in::PATH,
            get(browser::authorize::show_sign_in).post(browser::authorize::sign_in),
        )
        .route(
            browser::pages::consent::PATH,
            get(browser::authorize::show_consent).post(browser::authorize::answer_consent),
        )
        .route(
            browser::pages::sign_out::PATH,
            get(browser::logout::ask).post(browser::logout::sign_out),
        )
        .route(browser::pages::account::PATH, get(browser::account::show))
        .route(
            browser::pages::account::END_SESSION,
            get(browser::account::back).post(browser::account::end_session),
        )
        .route(
            browser::pages::account::END_APPLICATION,
            get(browser::account::back).post(browser::account::end_application),
        )
        .route(
            browser::pages::account::CHANGE_PASSWORD,
            get(browser::account::back).post(browser::account::change_password),
        )
        .route(
            browser::pages::account::SIGN_OUT,
            get(browser::account::back).post(browser::account::sign_out),
        )
        .route("/", get(browser::home::home))
        .route("/oauth2/introspect", post(endpoint::introspect::introspect))
        .route("/assets/{file}", get(asset))
        .route("/health/live", get(endpoint::health::live))
        .route("/health/ready", get(endpoint::health::ready))
        .fallback(browser::error_page::not_found)
        .layer(CatchPanicLayer::custom(|_| {
            Failure::Internal("a request panicked").into_response()
        }));
    // Only where there is somebody to refuse: every request pays for a layer.
    let router = if app.config().http.plain == Plain::BehindProxy {
        router.layer(from_fn_with_state(Arc::clone(app), http::front::refuse_strangers))
    } else {
        router
    };
    router.layer(from_fn_with_state(Arc::clone(app), observe)).with_state(Arc::clone(app))
}

fn authorization_endpoint(app: &Arc<App>) -> MethodRouter<Arc<App>> {
    get(browser::authorize::authorize)
        .post(browser::authorize::authorize_by_form)
        .layer(from_fn_with_state(Arc::clone(app), http::limits::authorize))
}

/// The endpoints that scripts of applications call, from the origins that they registered.
fn called_by_scripts(app: &Arc<App>) -> Router<Arc<App>> {
    let mut router = Router::new()
        // The path of an issuer may have anything in it.
        .without_v07_checks()
        .route("/oauth2/token", post(endpoint::token::token))
        .route("/oauth2/token/", post(endpoint::token::token))
        .route("/oauth2/revoke", post(endpoint::revoke::revoke))
        .route(
            "/oauth2/userinfo",
            get(endpoint::userinfo::userinfo).post(endpoint::userinfo::userinfo),
        )
        .route("/oauth2/jwks", get(endpoint::jwks::jwks))
        // As WSO2 Identity Server had them before 5.0.
        .route("/oauth2endpoints/token", post(endpoint::token::token))
        .route("/oauth2endpoints/revoke", post(endpoint::revoke::revoke))
        .route(
            "/oauth2endpoints/userinfo",
            get(endpoint::userinfo::userinfo).post(endpoint::userinfo::userinfo),
        );
    for path in endpoint::metadata::paths(app.issuer()) {
        router = router.route(&path, get(endpoint::metadata::metadata));
    }
    router.route_layer(from_fn_with_state(Arc::clone(app), cors))
}

/// Serves the files that the pages load.
async fn asset(State(app): State<Arc<App>>, Path(file): Path<String>) -> Response {
    app.pages().asset(&file)
}

/// The operators' endpoints.
pub fn ops_router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(endpoint::health::metrics))
        .route("/health/live", get(endpoint::health::live))
        .route("/health/ready", get(endpoint::health::ready))
        .with_state(Arc::clone(app))
}
