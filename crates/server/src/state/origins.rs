//! The origins from which scripts may call this server.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use remint_store::{Error, Store};
use tokio::sync::Mutex;

/// The most clients whose origins are kept.
const MAX_CLIENTS: u32 = 10_000;

/// The origins that enabled clients registered, as they were at a revision of the store.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    known: ArcSwapOption<OriginSet>,
    reading: Mutex<()>,
}

#[derive(Debug)]
struct OriginSet {
    all: HashSet<String>,
    revision: i64,
}

impl Origins {
    /// Whether an enabled client registered `origin`, as of the store's revision that was last `seen`.
    pub(crate) async fn contains(
        &self,
        origin: &str,
        store: &Store,
        seen: impl Fn() -> i64,
    ) -> bool {
        let is_fresh = |known: &OriginSet| known.revision == seen();
        if let Some(known) = &*self.known.load()
            && is_fresh(known)
        {
            return known.all.contains(origin);
        }
        // One reads for all who wait.
        let _guard = self.reading.lock().await;
        let mut known = self.known.load_full();
        if !known.as_deref().is_some_and(is_fresh) {
            match read(store).await {
                Ok(read) => {
                    known = Some(Arc::new(read));
                    self.known.store(known.clone());
                }
                Err(error) => tracing::warn!(%error, "the origins of clients stay as they were"),
            }
        }
        known.is_some_and(|known| known.all.contains(origin))
    }
}

async fn read(store: &Store) -> Result<OriginSet, Error> {
    let (registered, revision) = store.list_web_origins(MAX_CLIENTS).await?;
    if u32::try_from(registered.len()).is_ok_and(|count| count >= MAX_CLIENTS) {
        tracing::warn!(
            "more than {MAX_CLIENTS} clients have web origins: those after them get none"
        );
    }
    Ok(OriginSet { all: registered.into_iter().flatten().collect(), revision })
}
