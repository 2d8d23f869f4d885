//! Remint over HTTP: endpoints, configuration, background work.
//!
//! A request is: read, decide, write. The endpoints know the order; what is allowed is decided in
//! `remint-protocol`, what is remembered is in `remint-store`.

mod access_token;
mod account;
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
mod playground;
mod recent;
mod refused;
mod revoke;
pub mod secret_file;
pub mod serve;
pub mod signing;
mod source;
mod subject;
mod suspects;
mod sweep;
mod telemetry;
pub mod tls;
mod token;
mod userinfo;
mod watch;
pub mod whole_file;

pub use failure::{Cause, causes};
pub use telemetry::{ENDPOINTS, LOG_LINES_DROPPED};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use axum::Router;
use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use remint_protocol::policy::Policy;
use remint_protocol::refresh::Seal;
use remint_protocol::time::Timestamp;
use remint_store::{NodeId, Store};
use tower_http::catch_panic::CatchPanicLayer;

use backchannel::Backchannel;
use client_auth::Clients;
use clock::Clock;
use config::{Config, Plain};
use cookie_names::CookieNames;
use cors::{Origins, cors};
use failure::Failure;
use keys::Known;
use limits::Limits;
use login::Logins;
use observe::{RequestIds, observe};
use pages::Pages;
use passwords::Passwords;
use subject::Salt;
use suspects::Suspects;
use telemetry::Metrics;

/// The running server's state, shared by all requests.
#[derive(Debug)]
pub struct App {
    config: Config,
    policy: Policy,
    store: Store,
    keys: ArcSwap<Known>,
    signing: signing::Current,
    node: NodeId,
    started_at: Timestamp,
    clock: Clock,
    passwords: Passwords,
    logins: Logins,
    limits: Limits,
    pages: Pages,
    cookies: CookieNames,
    clients: Clients,
    suspects: Suspects,
    walks: playground::Walks,
    origins: Origins,
    salt: Salt,
    metrics: Metrics,
    backchannel: Backchannel,
    request_ids: RequestIds,
    is_stopping: AtomicBool,
}

/// Why the server can not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] entropy::NoEntropy),
    /// The password settings make no sense together.
    #[error("passwords: the memory, iterations and workers do not go together")]
    Passwords(#[from] passwords::PasswordError),
    /// The logo can not be used.
    #[error(transparent)]
    Logo(#[from] pages::LogoError),
}

impl App {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(
        config: Config,
        store: Store,
        keys: Known,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        Ok(Arc::new(Self {
            policy: config.policy(),
            passwords: Passwords::new(&config.passwords)?,
            pages: Pages::new(&config)?,
            cookies: CookieNames::of(&config.server.issuer),
            walks: playground::Walks::new(CookieNames::of(&config.server.issuer).playground),
            metrics: Metrics::new(&store),
            backchannel: Backchannel::new(&config),
            request_ids: RequestIds::new(&entropy::bytes()?),
            clients: Clients::default(),
            suspects: Suspects::default(),
            logins: Logins::default(),
            limits: Limits::new(&config.limits),
            origins: Origins::default(),
            salt: Salt::default(),
            config,
            store,
            keys: ArcSwap::from_pointee(keys),
            signing: signing::Current::default(),
            node: node::draw()?,
            started_at: clock.now(),
            clock,
            is_stopping: AtomicBool::new(false),
        }))
    }

    /// The clock, for tests that set it.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the cache of registrations knows of the store's newest change, for tests that make
    /// one.
    ///
    /// # Errors
    /// [`remint_store::Error`].
    pub async fn is_up_to_date(&self) -> Result<bool, remint_store::Error> {
        Ok(self.clients.seen_revision() == self.store.revision().await?)
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The root keys that this node works with now.
    pub fn keys(&self) -> Guard<Arc<Known>> {
        self.keys.load()
    }

    /// The pages that people see.
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// When the certificate in use expires, in seconds since the epoch; 0 where there is none.
    fn certificate_expiry(&self) -> i64 {
        self.metrics.certificate_expiry.load(Ordering::Relaxed)
    }

    /// Notes when the certificate in use expires.
    pub fn set_certificate_expiry(&self, at: i64) {
        self.metrics.certificate_expiry.store(at, Ordering::Relaxed);
    }

    /// Says to whoever asks for readiness that this node stops; it goes on serving.
    pub fn announce_stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Lets what clients are being told of logouts arrive, within a moment, and begins nothing more of it.
    pub async fn settle(&self) {
        self.backchannel.stop().await;
    }

    /// Says that this node stops, to those who wait for it.
    pub async fn leave(&self) {
        if self.store.is_shared() {
            let _ = self.store.forget_node(self.node).await;
        }
    }

    /// How the first token of a session is sealed.
    async fn seal(&self) -> Result<Seal, remint_store::Error> {
        Ok(Seal { kid: self.keys().active(), epoch: self.store.epoch().await? })
    }
}

/// The public endpoints.
pub fn router(app: &Arc<App>) -> Router {
    front::below_issuer(routes(app), &app.config.server.issuer)
}

fn routes(app: &Arc<App>) -> Router {
    let playground = app.config.playground.map_or_else(Router::new, playground::routes);
    let router = playground
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
    let router = if app.config.http.plain == Plain::BehindProxy {
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
    for path in metadata::paths(&app.config.server.issuer) {
        router = router.route(&path, get(metadata::metadata));
    }
    router.route_layer(from_fn_with_state(Arc::clone(app), cors))
}

/// What the pages load.
async fn asset(State(app): State<Arc<App>>, Path(file): Path<String>) -> Response {
    app.pages.asset(&file)
}

/// The operators' endpoints.
pub fn ops_router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(Arc::clone(app))
}
