//! The logout deliveries in flight from this node: a limited number, few of them to the same client.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remint_protocol::client_id::ClientId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use url::Url;

use crate::config::Config;
use crate::outbound::{NotSent, Outbound};

/// The most attempts in flight, and the most of them to the same client.
pub(crate) const AT_ONCE: u32 = 16;
pub(crate) const AT_ONE_CLIENT: usize = 4;
/// The time for which a stop waits for deliveries in flight.
const STOP: Duration = Duration::from_secs(3);

/// The deliveries in flight from this node.
pub(crate) struct LogoutDelivery {
    poster: Outbound,
    wanted: Notify,
    slots: Arc<Semaphore>,
    busy: Arc<Busy>,
}

/// Number of attempts in flight to each client.
#[derive(Default)]
struct Busy(Mutex<HashMap<ClientId, usize>>);

impl Busy {
    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_most(busy: &HashMap<ClientId, usize>, client: &ClientId) -> bool {
    busy.get(client).is_some_and(|at_once| *at_once >= AT_ONE_CLIENT)
}

/// The permission to make an attempt, until it is dropped.
pub(crate) struct Turn {
    client: ClientId,
    busy: Arc<Busy>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = self.busy.lock();
        match busy.get_mut(&self.client) {
            Some(more) if *more > 1 => *more -= 1,
            _ => drop(busy.remove(&self.client)),
        }
    }
}

impl fmt::Debug for LogoutDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogoutDelivery")
    }
}

impl LogoutDelivery {
    pub(crate) fn new(config: &Config) -> Self {
        let ca_file = config.outbound.ca_file.as_ref().map(|file| config.path(file));
        Self {
            poster: Outbound::new(&config.logout, ca_file),
            wanted: Notify::new(),
            slots: Arc::new(Semaphore::new(AT_ONCE as usize)),
            busy: Arc::default(),
        }
    }

    /// Notifies the delivery that something may be due.
    pub(crate) fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Resolves when something may be due.
    pub(crate) async fn woken(&self) {
        self.wanted.notified().await;
    }

    /// Sends a form to a client; returns the status of its response.
    pub(crate) async fn post(&self, url: &Url, form: String) -> Result<u16, NotSent> {
        self.poster.post(url, form).await
    }

    /// Whether a slot is free.
    pub(crate) fn has_slots(&self) -> bool {
        self.slots.available_permits() > 0
    }

    pub(crate) fn has_turn(&self, client: &ClientId) -> bool {
        self.has_slots() && !has_most(&self.busy.lock(), client)
    }

    pub(crate) fn turn(&self, client: &ClientId) -> Option<Turn> {
        let mut busy = self.busy.lock();
        if has_most(&busy, client) {
            return None;
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        *busy.entry(client.clone()).or_default() += 1;
        Some(Turn { client: client.clone(), busy: Arc::clone(&self.busy), _slot: slot })
    }

    /// Stops starting deliveries, and waits a moment for those in flight. The rest stays in the store.
    pub(crate) async fn stop(&self) {
        if let Ok(Ok(all)) = timeout(STOP, self.slots.acquire_many(AT_ONCE)).await {
            all.forget();
        }
        self.slots.close();
    }
}
