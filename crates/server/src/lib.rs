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
pub mod endpoints;
pub mod entropy;
pub mod files;
pub mod http;
mod issue;
mod issuer_path;
pub mod keys;
mod outbound;
pub mod passwords;
pub mod playground;
mod state;
mod telemetry;

pub use app::{App, StartError};
pub use http::failure::{Cause, causes};
pub use telemetry::{ENDPOINT_LABELS, Endpoint, LOG_LINES_DROPPED};

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use config::Plain;
use endpoints::{Cors, ENDPOINTS, label_of};
use http::cors::cors;
use http::failure::Failure;
use http::observe::{Observer, observe};

/// The public endpoints.
pub fn router(app: &Arc<App>) -> Router {
    router_with(app, Router::new())
}

/// The public endpoints, and `more`.
pub fn router_with(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    issuer_path::below(routes(app, more), app.issuer())
}

fn routes(app: &Arc<App>, more: Router<Arc<App>>) -> Router {
    let mut pages = more
        // The path of an issuer may have anything in it. What is merged in must not be checked either.
        .without_v07_checks();
    let mut called_by_scripts = Router::new().without_v07_checks();
    for route in ENDPOINTS {
        let router = match route.cors {
            Cors::Registered => &mut called_by_scripts,
            Cors::Never => &mut pages,
        };
        for path in route.paths() {
            *router = std::mem::take(router).route(path, route.handler(app));
        }
    }
    for path in endpoint::metadata::paths(app.issuer()) {
        called_by_scripts = called_by_scripts.route(&path, get(endpoint::metadata::metadata));
    }
    let called_by_scripts =
        called_by_scripts.route_layer(from_fn_with_state(Arc::clone(app), cors));
    let router = pages.merge(called_by_scripts).fallback(browser::error_page::not_found).layer(
        CatchPanicLayer::custom(|_| Failure::Internal("a request panicked").into_response()),
    );
    // Only where there is somebody to refuse: every request pays for a layer.
    let router = if app.config().http.plain == Plain::BehindProxy {
        router.layer(from_fn_with_state(Arc::clone(app), http::front::refuse_strangers))
    } else {
        router
    };
    let observer = Observer { app: Arc::clone(app), label_of };
    router.layer(from_fn_with_state(observer, observe)).with_state(Arc::clone(app))
}

/// The operators' endpoints.
pub fn ops_router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(endpoint::health::metrics))
        .route("/health/live", get(endpoint::health::live))
        .route("/health/ready", get(endpoint::health::ready))
        .with_state(Arc::clone(app))
}
