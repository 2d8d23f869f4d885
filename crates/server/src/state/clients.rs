//! The cache of client registrations.
//!
//! A counter in the store, which rises with each change, empties the cache within a quarter of a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use remint_protocol::client::Client;
use remint_protocol::ends::Ends;
use remint_protocol::family::Loaded;
use remint_protocol::family_id::FamilyId;
use remint_protocol::policy::Policy;
use remint_store::{Error, FoundClient, KnownClient, Store};

/// A client with the policy that holds for it.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) client: Client,
    pub(crate) policy: Policy,
    /// Number of ends that the store had counted when the client was read.
    pub(crate) ends: Ends,
}

/// The most registrations that are kept.
const CACHE_MAX: usize = 10_000;

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
        // A lost store never announces changes to the cache; it reports its loss itself.
        if cached.is_some() && !store.is_lost() {
            return Ok(cached);
        }
        let found = store.find_client_with_revision(id).await?;
        let Some(FoundClient { client, revision, ends }) = found else { return Ok(None) };
        let registered = Arc::new(Registered { policy: client.policy(server), client, ends });
        let mut cache = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        // Not what was read before a change that has been seen: two reads can be of different
        // moments, and the later one need not show the later moment.
        if cache.len() < CACHE_MAX && self.seen_revision() == revision {
            cache.insert(id.to_owned(), Arc::clone(&registered));
        }
        Ok(Some(registered))
    }

    /// Loads a family of a client that was found here. When anything was ended since, the client is read anew
    /// for the next time.
    pub(crate) async fn load_family(
        &self,
        id: FamilyId,
        registered: &Registered,
        store: &Store,
    ) -> Result<Option<Loaded>, Error> {
        let Registered { client, ends, .. } = registered;
        let known = KnownClient { id: &client.id, ended: client.ended, ends: *ends };
        if let Ok(loaded) = store.load_family_of(id, &known).await? {
            return Ok(loaded);
        }
        self.cached.write().unwrap_or_else(PoisonError::into_inner).remove(client.id.as_str());
        store.load_family(id).await
    }

    pub(crate) fn seen_revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Empties the cache if the store's revision has changed since last time, and says whether it has.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use remint_protocol::client_id::ClientId;
    use remint_protocol::time::Timestamp;

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
}
