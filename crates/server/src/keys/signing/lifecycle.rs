//! The lifecycle of signing keys.
//!
//! A new key is published first and signs later, when every client that caches our key set has had the time
//! to fetch it again. It signs until the next one does, and stays published until the last token that it
//! signed is dead. Only if there is no key at all does one sign at once. Every node does all of this; the
//! store lets one of them win.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::keyring::Keyring;
use remint_protocol::signing_key::{SigningAlg, open_private, seal_private};
use remint_protocol::tell;
use remint_protocol::time::Timestamp;
use remint_store::{Error, Outcome, Store, StoredSigningKey};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::Signing;
use super::pair::{self, Pair};
use crate::App;
use crate::background::sweep::longest_access_token;
use crate::config::Config;
use crate::entropy;
use crate::issue::subject;

/// The time for which clients may cache our key set. `signing.lead_time` is longer.
pub const MAX_AGE: Duration = Duration::from_mins(15);
/// The least time that a key stays after it last signed, whatever lifetimes tokens have: clients show ID
/// tokens at logout that expired long ago.
pub const KEPT: Duration = Duration::from_hours(30 * 24);
/// Interval between rounds of maintenance.
const EVERY: Duration = Duration::from_mins(1);
/// Pause after a round that failed: a fresh store has no keys yet.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The reason keys could not be made or maintained.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// The store does not respond.
    #[error(transparent)]
    Store(#[from] Error),
    /// No key could be made.
    #[error("no signing key could be made")]
    NotMade,
}

/// A private key that was drawn and is not stored yet, with its public half.
#[derive(Clone, Debug)]
pub struct NewSigningKey {
    alg: SigningAlg,
    kid: String,
    jwk: String,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl NewSigningKey {
    /// Draws a key. An RSA key takes tenths of a second.
    ///
    /// # Errors
    /// [`LifecycleError::NotMade`].
    pub fn draw(alg: SigningAlg) -> Result<Self, LifecycleError> {
        Self::try_draw(alg).ok_or(LifecycleError::NotMade)
    }

    fn try_draw(alg: SigningAlg) -> Option<Self> {
        let pkcs8 = entropy::signing_key(alg).ok()?;
        let jwk: Jwk = pair::jwk(&Pair::parse(alg, &pkcs8)?.public(), alg)?;
        let kid = jwk.common.key_id.clone()?;
        Some(Self { alg, kid, jwk: serde_json::to_string(&jwk).ok()?, pkcs8 })
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// The times at which a new key starts to sign and its predecessors go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The time from which it signs.
    pub signs_from: Timestamp,
    /// The time at which its predecessors go.
    pub others_until: Timestamp,
}

/// The time for which a key stays after it last signed.
pub fn retention(longest_token: Duration) -> Duration {
    KEPT.max(longest_token)
}

/// The longest lifetime of any token that is signed, allowing for clocks that differ.
///
/// # Errors
/// [`Error`].
pub async fn longest_token(store: &Store, config: &Config) -> Result<Duration, Error> {
    let access = longest_access_token(store, &config.policy()).await?;
    Ok(access.max(config.tokens.id_token_lifetime))
}

/// Stores a key as the next one of its algorithm, after the generation that was seen. `Conflict` if another
/// node was faster.
///
/// # Errors
/// [`LifecycleError`].
pub async fn make(
    store: &Store,
    keys: &Keyring,
    fresh: &NewSigningKey,
    after: u32,
    plan: Plan,
    now: Timestamp,
) -> Result<Outcome, LifecycleError> {
    let sealed = seal_private(keys, &fresh.kid, fresh.alg, &fresh.pkcs8);
    let key = StoredSigningKey {
        kid: fresh.kid.clone(),
        alg: fresh.alg,
        generation: after.saturating_add(1),
        jwk: fresh.jwk.clone(),
        created_at: now,
        root_kid: keys.active(),
        sealed: sealed.ok_or(LifecycleError::NotMade)?,
        sealed_at: now,
        signs_from: plan.signs_from,
        published_until: None,
    };
    let outcome = store.add_signing_key(&key, plan.others_until).await?;
    if outcome == Outcome::Done {
        record_made(&key, plan.signs_from.left(now).as_secs());
    }
    Ok(outcome)
}

fn record_made(key: &StoredSigningKey, signs_in_seconds: u64) {
    let StoredSigningKey { alg, kid, generation, .. } = key;
    if *generation == 1 {
        tell!(
            SIGNING_KEY_FIRST,
            actor = %Actor::Server,
            on = %Object::SigningKey(kid),
            outcome = audit::DONE,
            source = audit::LOCAL,
            %alg,
            %kid,
        );
    } else {
        tell!(
            SIGNING_KEY_MADE,
            actor = %Actor::Server,
            on = %Object::SigningKey(kid),
            outcome = audit::DONE,
            source = audit::LOCAL,
            %alg,
            %kid,
            generation,
            signs_in_seconds,
        );
    }
}

/// Makes a key that signs at once for each algorithm that has none.
///
/// # Errors
/// [`LifecycleError`].
pub async fn make_missing(
    store: &Store,
    keys: &Keyring,
    now: Timestamp,
) -> Result<(), LifecycleError> {
    let stored = store.list_signing_keys().await?;
    for alg in SigningAlg::ALL {
        if newest(&stored, alg).is_none() {
            let plan = Plan { signs_from: now, others_until: now };
            make(store, keys, &draw(alg).await?, 0, plan, now).await?;
        }
    }
    Ok(())
}

/// Makes the next key of an algorithm, after the newest one that was seen.
///
/// # Errors
/// [`LifecycleError`].
pub async fn rotate(
    store: &Store,
    keys: &Keyring,
    newest: &StoredSigningKey,
    plan: Plan,
    now: Timestamp,
) -> Result<Outcome, LifecycleError> {
    let fresh = draw(newest.alg).await?;
    make(store, keys, &fresh, newest.generation, plan, now).await
}

/// Draws a key off the threads that serve requests.
async fn draw(alg: SigningAlg) -> Result<NewSigningKey, LifecycleError> {
    let drawn = tokio::task::spawn_blocking(move || NewSigningKey::draw(alg)).await;
    drawn.unwrap_or(Err(LifecycleError::NotMade))
}

fn newest(stored: &[StoredSigningKey], alg: SigningAlg) -> Option<&StoredSigningKey> {
    stored.iter().filter(|key| key.alg == alg).max_by_key(|key| key.generation)
}

/// Maintains the keys again and again, and at once when the root keys change.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        let pause = match maintain(&app).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "signing keys wait to be looked after; tried again");
                AFTER_FAILURE
            }
        };
        let _ = timeout(pause, app.signing_keys().wanted.notified()).await;
        // Keeps nodes that noticed the same change from beginning at the same moment.
        sleep(Duration::from_millis(u64::from(app.node().0[0]))).await;
    }
}

/// Maintains the keys once: makes missing ones, makes successors in time, reseals all under the active root
/// key with whatever else is sealed in the store, and removes those that are over.
///
/// # Errors
/// [`LifecycleError`].
pub async fn maintain(app: &App) -> Result<(), LifecycleError> {
    let now = app.clock().now();
    let known = app.keys_now();
    make_missing(app.store(), &known, now).await?;
    let stored = app.store().list_signing_keys().await?;
    for key in stored.iter().filter(|key| key.root_kid != known.active()) {
        reseal(app.store(), &known, key, now).await?;
    }
    let due = SigningAlg::ALL.into_iter().filter_map(|alg| newest(&stored, alg));
    let due: Vec<_> = due.filter(|key| is_due(key.signs_from, app.config(), now)).collect();
    let over = |key: &&StoredSigningKey| key.published_until.is_some_and(|until| until < now);
    let over: Vec<_> = stored.iter().filter(over).collect();
    if !due.is_empty() || !over.is_empty() {
        // This reads every client's token lifetime, so not each minute.
        let longest = longest_token(app.store(), app.config()).await?;
        for newest in due {
            let signs_from = now.after(app.config().signing.lead_time);
            let plan = Plan { signs_from, others_until: signs_from.after(retention(longest)) };
            rotate(app.store(), &known, newest, plan, now).await?;
        }
        for key in over.into_iter().filter(|key| is_dead(key, &stored, longest, now)) {
            if app.store().delete_signing_key(&key.kid, now).await? == Outcome::Done {
                tell!(
                    SIGNING_KEY_REMOVED,
                    actor = %Actor::Server,
                    on = %Object::SigningKey(&key.kid),
                    outcome = audit::DONE,
                    source = audit::LOCAL,
                    alg = %key.alg,
                    kid = %key.kid,
                );
            }
        }
    }
    subject::maintain(app, now).await?;
    reload(app).await;
    Ok(())
}

/// Whether the next key is to be made, so that it signs when this one is as old as keys may get.
fn is_due(signs_from: Timestamp, config: &Config, now: Timestamp) -> bool {
    let signing = &config.signing;
    let is_old = |every| now.after(signing.lead_time) >= signs_from.after(every);
    signing.rotate_every.is_some_and(is_old)
}

/// Whether no live token can be signed with it by today's lifetimes, which may be longer than those at the
/// time when its end was set.
fn is_dead(
    key: &StoredSigningKey,
    all: &[StoredSigningKey],
    longest: Duration,
    now: Timestamp,
) -> bool {
    let later = all.iter().filter(|k| k.alg == key.alg && k.generation > key.generation);
    later.map(|k| k.signs_from).min().is_some_and(|at| at.after(longest) < now)
}

async fn reseal(
    store: &Store,
    keys: &Keyring,
    key: &StoredSigningKey,
    now: Timestamp,
) -> Result<(), LifecycleError> {
    // If its root key is not here, another node must reseal it.
    let Ok(private) = open_private(keys, &key.kid, key.alg, &key.sealed) else { return Ok(()) };
    let sealed = seal_private(keys, &key.kid, key.alg, &private);
    let moved = StoredSigningKey {
        root_kid: keys.active(),
        sealed: sealed.ok_or(LifecycleError::NotMade)?,
        sealed_at: now,
        ..key.clone()
    };
    if store.reseal_signing_key(&moved, key.root_kid).await? == Outcome::Done {
        tell!(
            SIGNING_KEY_MOVED,
            actor = %Actor::Server,
            on = %Object::SigningKey(&key.kid),
            outcome = audit::DONE,
            source = audit::LOCAL,
            kid = %key.kid,
            root_kid = moved.root_kid,
        );
    }
    Ok(())
}

/// Switches to the keys in the store; if they cannot be read, keeps the old ones.
pub(crate) async fn reload(app: &App) {
    // An earlier read must not replace a later one.
    let _guard = app.signing_keys().reloading.lock().await;
    match app.store().list_signing_keys().await {
        Ok(stored) => {
            let before = app.signing_keys().signing.load_full();
            let now = Signing::open(stored, &app.keys(), &before);
            let is_complete = now.is_complete();
            app.signing_keys().signing.store(Arc::new(now));
            app.signing_keys().is_complete.send_replace(is_complete);
        }
        Err(error) => tracing::warn!(%error, "the signing keys stay as they were"),
    }
}

/// Wakes the maintenance, because the root keys changed.
pub(crate) fn wake(app: &App) {
    app.signing_keys().wanted.notify_one();
}
