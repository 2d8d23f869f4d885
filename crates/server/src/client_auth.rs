//! Finding the client of a request, and letting the rules judge its credentials.
//!
//! Registrations are cached; a counter in the store that rises with each change empties the cache
//! within a quarter of a second. Wrong secrets are slowed down per client and source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use remint_protocol::client::Client;
use remint_protocol::client_auth::{self, Credentials};
use remint_protocol::guess::{Bucket, BucketKey, Guesses};
use remint_protocol::policy::Policy;
use remint_protocol::reject::Why;
use remint_protocol::time::Timestamp;
use remint_store::{Error, Store};

use crate::App;
use crate::body::Received;
use crate::failure::Failure;
use crate::source::source;

/// A client with the policy that holds for it.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) client: Client,
    pub(crate) policy: Policy,
}

/// Who sends a request, proven.
pub(crate) struct Caller {
    pub(crate) registered: Arc<Registered>,
    pub(crate) source: IpAddr,
}

impl Caller {
    pub(crate) fn client(&self) -> &Client {
        &self.registered.client
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.registered.policy
    }
}

/// The most registrations that are kept.
const CACHE_MAX: usize = 10_000;
/// The most pairs of client and source whose wrong guesses are remembered in memory.
const SUSPECTS_MAX: usize = 10_000;

/// The cache of registrations.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    cached: RwLock<HashMap<String, Arc<Registered>>>,
    revision: AtomicI64,
}

impl Clients {
    pub(crate) async fn find(
        &self,
        id: &str,
        store: &Store,
        server: &Policy,
    ) -> Result<Option<Arc<Registered>>, Error> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if cached.is_some() {
            return Ok(cached);
        }
        let revision = self.revision.load(Ordering::Acquire);
        let Some(client) = store.find_client(id).await? else { return Ok(None) };
        let registered = Arc::new(Registered { policy: server.of(&client), client });
        let mut cache = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // What was read before a change must not be kept after it.
        if cache.len() < CACHE_MAX && self.revision.load(Ordering::Acquire) == revision {
            cache.insert(id.to_owned(), Arc::clone(&registered));
        }
        Ok(Some(registered))
    }

    pub(crate) fn seen_revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Empties the cache when the store's revision is another one than last time.
    pub(crate) fn see_revision(&self, revision: i64) {
        if self.seen_revision() != revision {
            let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
            self.revision.store(revision, Ordering::Release);
            cached.clear();
        }
    }
}

/// Pairs of client and source with wrong guesses. Empty on an ordinary day, when it costs one load.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    count: AtomicUsize,
    guesses: Mutex<HashMap<BucketKey, Guesses>>,
}

impl Suspects {
    fn find(&self, bucket: Bucket<'_>) -> Option<Guesses> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).get(&bucket.key()).copied()
    }

    fn put(&self, key: BucketKey, guesses: Option<Guesses>) {
        let mut all = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        match guesses {
            None => drop(all.remove(&key)),
            Some(guesses) => {
                // A flood of made-up ids must not grow memory; the store remembers real clients.
                if all.len() >= SUSPECTS_MAX {
                    all.clear();
                }
                all.insert(key, guesses);
            }
        }
        self.count.store(all.len(), Ordering::Release);
    }
}

/// Authenticates the client of a request.
pub(crate) async fn authenticate(
    app: &App,
    received: &Received,
    form: &remint_protocol::form::Form<'_>,
    now: Timestamp,
) -> Result<Caller, Failure> {
    let credentials = client_auth::read(received.authorization()?, form)?;
    let trusted = &app.config.http.trusted_proxies;
    let source = source(&received.head.extensions, &received.head.headers, trusted);
    let bucket = Bucket::ClientFrom(&credentials.client_id, source);
    let suspect = app.suspects.find(bucket);
    if let Some(wait) = suspect.and_then(|guesses| bucket.limit().wait(&guesses, now)) {
        return Err(Failure::Throttled(wait));
    }
    let registered = app.clients.find(&credentials.client_id, &app.store, &app.policy).await?;
    let client = registered.as_deref().map(|r| &r.client);
    let judged = client_auth::authenticate(&credentials, client, &app.keys, now);
    match (judged, registered) {
        (Ok(()), Some(registered)) => {
            if suspect.is_some() {
                app.suspects.put(bucket.key(), None);
            }
            Ok(Caller { registered, source })
        }
        (Err(reject), registered) => {
            if matches!(reject.why, Why::ClientSecretWrong | Why::ClientUnknown) {
                count_wrong_secret(app, &credentials, source, registered.is_some(), now).await;
            }
            Err(reject.into())
        }
        (Ok(()), None) => Err(Why::ClientUnknown.into()),
    }
}

/// Counts a wrong secret in memory, and for clients that exist in the store as well, so that a
/// restart does not forgive. An id that was made up costs no row.
async fn count_wrong_secret(
    app: &App,
    credentials: &Credentials,
    source: IpAddr,
    exists: bool,
    now: Timestamp,
) {
    let key = Bucket::ClientFrom(&credentials.client_id, source).key();
    let known = app.suspects.find(Bucket::ClientFrom(&credentials.client_id, source));
    let before = match known {
        Some(guesses) => guesses,
        None if exists => {
            let stored = app.store.load_guesses([key; 3]).await;
            stored.map(|[first, ..]| first).unwrap_or_default()
        }
        None => Guesses::default(),
    };
    app.suspects.put(key, Some(before.failed(now)));
    if exists {
        let store = app.store.clone();
        // In the background, so that the time of the answer does not tell who exists.
        tokio::spawn(async move {
            if let Err(error) = store.count_wrong_guess(&[key], now).await {
                tracing::warn!(%error, "a wrong client secret was not counted");
            }
        });
    }
}
