//! The state of a running server: its parts, without what requests do with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Guard};
use remint_protocol::grant::Seal;
use remint_protocol::policy::Policy;
use remint_protocol::time::Timestamp;
use remint_store::{NodeId, Store};

use crate::browser::pages::{self, Pages};
use crate::clock::Clock;
use crate::config::{Config, Issuer};
use crate::entropy;
use crate::http::cookie_names::CookieNames;
use crate::keys::RootKeys;
use crate::keys::signing;
use crate::keys::signing::{NotSigned, Signing};
use crate::passwords::{self, Passwords};
use crate::state::clients::{Clients, Registered};
use crate::state::limits::Limits;
use crate::state::logins::Logins;
use crate::state::logout_delivery::LogoutDelivery;
use crate::state::origins::Origins;
use crate::state::request_ids::RequestIds;
use crate::state::salt::Salt;
use crate::state::throttle::ThrottleCache;
use crate::telemetry::Metrics;

/// The running server's state, shared by all requests.
#[derive(Debug)]
pub struct App {
    config: Config,
    policy: Policy,
    store: Store,
    keys: ArcSwap<RootKeys>,
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
    throttle: ThrottleCache,
    origins: Origins,
    salt: Salt,
    metrics: Metrics,
    logout_delivery: LogoutDelivery,
    request_ids: RequestIds,
    is_stopping: AtomicBool,
}

/// The reason the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] entropy::NoEntropy),
    /// The password settings make no sense together.
    #[error("passwords: the memory, iterations and workers do not go together")]
    Passwords(#[from] passwords::PasswordError),
    /// The logo cannot be used.
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
        keys: RootKeys,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        Ok(Arc::new(Self {
            policy: config.policy(),
            passwords: Passwords::new(&config.passwords)?,
            pages: Pages::new(&config)?,
            cookies: CookieNames::of(&config.server.issuer),
            metrics: Metrics::new(&store),
            logout_delivery: LogoutDelivery::new(&config),
            request_ids: RequestIds::new(&entropy::bytes()?),
            clients: Clients::default(),
            throttle: ThrottleCache::default(),
            logins: Logins::default(),
            limits: Limits::new(&config.limits),
            origins: Origins::default(),
            salt: Salt::default(),
            config,
            store,
            keys: ArcSwap::from_pointee(keys),
            signing: signing::Current::default(),
            node: NodeId(entropy::bytes()?),
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
    pub fn keys(&self) -> Guard<Arc<RootKeys>> {
        self.keys.load()
    }

    /// The pages that people see.
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Expiry of the certificate in use, in seconds since the epoch; 0 when there is none.
    pub(crate) fn certificate_expiry(&self) -> i64 {
        self.metrics.certificate_expiry.load(Ordering::Relaxed)
    }

    /// Records the expiry of the certificate in use.
    pub fn set_certificate_expiry(&self, at: i64) {
        self.metrics.certificate_expiry.store(at, Ordering::Relaxed);
    }

    /// Makes readiness checks report that this node is stopping; it goes on serving.
    pub fn announce_stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Stops starting logout deliveries and waits up to 3 s for those in flight.
    pub async fn drain_logout_deliveries(&self) {
        self.logout_delivery.stop().await;
    }

    /// Removes this node from the list in a shared store, so that nobody waits for it.
    pub async fn deregister_node(&self) {
        if self.store.is_shared() {
            let _ = self.store.forget_node(self.node).await;
        }
    }

    /// The seal of a session's first token: the active root key and the store's epoch.
    pub(crate) async fn seal(&self) -> Result<Seal, remint_store::Error> {
        Ok(Seal { kid: self.keys().active(), epoch: self.store.epoch().await? })
    }

    /// The policy of the server, before a client's own settings.
    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The store.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// The keys that sign and verify JWTs. On a fresh store it waits until there are some.
    ///
    /// # Errors
    /// [`NotSigned::NotMade`] when there still are none.
    pub async fn signing(&self) -> Result<Arc<Signing>, NotSigned> {
        self.signing.complete().await
    }

    /// The signing keys that this node works with.
    pub(crate) const fn signing_keys(&self) -> &signing::Current {
        &self.signing
    }

    /// The hashing of passwords.
    pub(crate) const fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// The passwords that are being checked.
    pub(crate) const fn logins(&self) -> &Logins {
        &self.logins
    }

    /// The rate limits.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The names of cookies.
    pub(crate) const fn cookies(&self) -> &CookieNames {
        &self.cookies
    }

    /// The cache of client registrations.
    pub(crate) const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The wrong client secrets that were counted.
    pub(crate) const fn throttle(&self) -> &ThrottleCache {
        &self.throttle
    }

    /// The origins of applications in browsers.
    pub(crate) const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The salt of pairwise subject identifiers.
    pub(crate) const fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The metrics.
    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The delivery of logouts.
    pub(crate) const fn logout_delivery(&self) -> &LogoutDelivery {
        &self.logout_delivery
    }

    /// The id of this node.
    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    /// The time at which this node started.
    pub(crate) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The ids of requests.
    pub(crate) const fn request_ids(&self) -> &RequestIds {
        &self.request_ids
    }

    /// Whether this node reports that it is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// The root keys that this node works with now, owned so that they can be kept.
    pub(crate) fn keys_now(&self) -> Arc<RootKeys> {
        self.keys.load_full()
    }

    /// Replaces the root keys that this node works with.
    pub(crate) fn set_keys(&self, keys: RootKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// The issuer.
    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.config.server.issuer
    }

    /// The registration of a client, from the cache if it is there.
    ///
    /// # Errors
    /// [`remint_store::Error`].
    pub(crate) async fn client(
        &self,
        id: &str,
    ) -> Result<Option<Arc<Registered>>, remint_store::Error> {
        self.clients.find(id, &self.store, &self.policy).await
    }
}
