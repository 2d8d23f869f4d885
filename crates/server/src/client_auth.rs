//! Finding the client of a request, and letting the rules judge its credentials.
//!
//! Registrations are cached; a counter in the store that rises with each change empties the cache
//! within a quarter of a second. Wrong secrets are slowed down per client and source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use remint_protocol::client::Client;
use remint_protocol::client_auth;
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
/// The most pairs of client and source whose wrong guesses are remembered in memory, of each kind.
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
        // A store that is lost never changes what is kept here, and says so itself.
        if cached.is_some() && !store.is_lost() {
            return Ok(cached);
        }
        let found = store.find_client_with_revision(id).await?;
        let Some((client, revision)) = found else { return Ok(None) };
        let registered = Arc::new(Registered { policy: server.of(&client), client });
        let mut cache = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // Not what was read before a change that has been seen: two reads can be of different
        // moments, and the later one need not show the later moment.
        if cache.len() < CACHE_MAX && self.seen_revision() == revision {
            cache.insert(id.to_owned(), Arc::clone(&registered));
        }
        Ok(Some(registered))
    }

    pub(crate) fn seen_revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Empties the cache when the store's revision is another one than last time, and says whether it is.
    pub(crate) fn see_revision(&self, revision: i64) -> bool {
        let is_new = self.seen_revision() != revision;
        if is_new {
            let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
            self.revision.store(revision, Ordering::Release);
            cached.clear();
        }
        is_new
    }
}

/// Pairs of client and source with wrong guesses. Empty on an ordinary day, when it costs one load.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    count: AtomicUsize,
    guesses: Mutex<Guessed>,
}

/// Apart, so that a flood of ids that were made up does not push real clients out.
#[derive(Debug, Default)]
struct Guessed {
    clients: HashMap<BucketKey, Guesses>,
    made_up: HashMap<BucketKey, Guesses>,
}

impl Suspects {
    fn lock(&self) -> MutexGuard<'_, Guessed> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, bucket: Bucket<'_>) -> Option<Guesses> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let (key, all) = (bucket.key(), self.lock());
        all.clients.get(&key).or_else(|| all.made_up.get(&key)).copied()
    }

    fn forgive(&self, key: BucketKey) {
        let mut all = self.lock();
        all.clients.remove(&key);
        // An id that was made up once may have been registered since.
        all.made_up.remove(&key);
        self.count.store(all.clients.len() + all.made_up.len(), Ordering::Release);
    }

    /// Counts a wrong guess on top of those in memory, or else of those `before`.
    fn count(&self, key: BucketKey, exists: bool, before: Guesses, now: Timestamp) {
        let mut all = self.lock();
        let kind = if exists { &mut all.clients } else { &mut all.made_up };
        // Memory is bounded; the store remembers what was guessed at real clients.
        if kind.len() >= SUSPECTS_MAX && !kind.contains_key(&key) {
            kind.clear();
        }
        let held = kind.entry(key).or_insert(before);
        *held = held.failed(now);
        self.count.store(all.clients.len() + all.made_up.len(), Ordering::Release);
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
    let suspect = suspect(app, bucket).await;
    if let Some(wait) = suspect.and_then(|guesses| bucket.limit().wait(&guesses, now)) {
        return Err(Failure::Throttled(wait));
    }
    let registered = app.clients.find(&credentials.client_id, &app.store, &app.policy).await?;
    let client = registered.as_deref().map(|r| &r.client);
    let judged = client_auth::authenticate(&credentials, client, &app.keys(), now);
    match (judged, registered) {
        (Ok(()), Some(registered)) => {
            if suspect.is_some() {
                forgive(app, bucket.key());
            }
            Ok(Caller { registered, source })
        }
        (Err(reject), registered) => {
            // Whatever the reason: one that did not count would tell who exists.
            count_wrong_guess(app, bucket.key(), registered.is_some(), now).await;
            Err(reject.into())
        }
        (Ok(()), None) => Err(Why::ClientUnknown.into()),
    }
}

/// What is held against a pair of client and source: here, and, where there are other nodes, there.
async fn suspect(app: &App, bucket: Bucket<'_>) -> Option<Guesses> {
    let held = app.suspects.find(bucket)?;
    if !app.store.is_shared() {
        return Some(held);
    }
    let stored = app.store.load_guesses([bucket.key(); 3]).await;
    Some(stored.map_or(held, |[first, ..]| held.or_worse(first)))
}

/// A right secret ends what wrong ones before it began, in the store as well: otherwise the next slip
/// would count from there.
fn forgive(app: &App, key: BucketKey) {
    app.suspects.forgive(key);
    let store = app.store.clone();
    tokio::spawn(async move {
        if let Err(error) = store.forgive_guesses(key).await {
            tracing::warn!(%error, "wrong client secrets were not forgiven");
        }
    });
}

/// Counts a wrong guess in memory, and for clients that exist in the store as well, so that a restart
/// does not forgive. An id that was made up costs no row.
async fn count_wrong_guess(app: &App, key: BucketKey, exists: bool, now: Timestamp) {
    let stored = app.store.load_guesses([key; 3]).await;
    let before = stored.map(|[first, ..]| first).unwrap_or_default();
    app.suspects.count(key, exists, before, now);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use remint_protocol::client::ClientId;

    use super::*;

    fn client() -> Client {
        Client::new(ClientId::parse("shop").unwrap(), Timestamp::default())
    }

    #[tokio::test]
    async fn a_registration_of_another_revision_than_the_seen_one_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("remint.db")).unwrap();
        store.create_client(&client()).await.unwrap();
        let (clients, policy) = (Clients::default(), Policy::default());
        let is_enabled = async || {
            let found = clients.find("shop", &store, &policy).await.unwrap();
            found.unwrap().client.enabled
        };
        // The change was seen before the reading of the client was up to date.
        clients.see_revision(store.revision().await.unwrap() + 1);
        assert!(is_enabled().await);
        let later = Timestamp::default().after(Duration::from_secs(1));
        let disabled = Client { enabled: false, updated_at: later, ..client() };
        store.update_client(&disabled, Timestamp::default()).await.unwrap();
        assert!(!is_enabled().await, "the old one was not kept");
        assert_eq!(clients.cached.read().unwrap().len(), 1, "and the new one is");
    }

    #[test]
    fn checklist_43_a_flood_of_made_up_ids_lets_no_guesser_of_a_real_client_off() {
        let suspects = Suspects::default();
        let source = IpAddr::from([127, 0, 0, 1]);
        let shop = Bucket::ClientFrom("shop", source);
        let now = Timestamp::from_millis(1_000);
        suspects.count(shop.key(), true, Guesses::default(), now);
        for i in 0..=SUSPECTS_MAX {
            let made_up = Bucket::ClientFrom(&i.to_string(), source).key();
            suspects.count(made_up, false, Guesses::default(), now);
        }
        assert_eq!(suspects.find(shop).map(|guesses| guesses.failures), Some(1));
        assert!(suspects.lock().made_up.len() <= SUSPECTS_MAX);
        suspects.forgive(shop.key());
        assert_eq!(suspects.find(shop), None);
        suspects.count(shop.key(), false, Guesses::default(), now);
        suspects.forgive(shop.key());
        assert_eq!(suspects.find(shop), None, "registered since it was made up");
    }
}
