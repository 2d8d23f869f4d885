//! Wrong client secrets, counted per client and source.
//!
//! Each is counted in memory before anything is waited for, and where several nodes share the store, in
//! the store before it is answered, in one write that says at once whether there was room for it. An
//! ordinary request, which brings the right secret, asks for nothing.

use std::net::IpAddr;
use std::time::Duration;

use remint_protocol::throttle::{Bucket, BucketKey, client_buckets};
use remint_protocol::time::Timestamp;
use remint_store::Outcome;

use crate::App;

/// A client's id, and where the request comes from.
type Whose<'a> = (&'a str, IpAddr);

/// A right secret that somebody chose, and that could have been guessed: it must wait where wrong ones
/// must. Gives how long.
pub(crate) async fn right(app: &App, whose: Whose<'_>, now: Timestamp) -> Option<Duration> {
    let buckets = client_buckets(whose.0, whose.1);
    if !app.throttle().has(&buckets) {
        return None;
    }
    // Other nodes know of guesses that came there.
    if app.throttle().mark(&buckets, true) || app.store().is_shared() {
        load(app, &buckets, true).await;
    }
    let wait = app.throttle().wait(&buckets, true, now, false);
    if wait.is_none() {
        reset(app, whose);
    }
    wait
}

/// A wrong secret: counts it, or says how long it must wait.
pub(crate) async fn wrong(
    app: &App,
    whose: Whose<'_>,
    exists: bool,
    now: Timestamp,
) -> Option<Duration> {
    let buckets = client_buckets(whose.0, whose.1);
    // Whether or not the client exists, or the time of the answer would tell.
    if app.throttle().mark(&buckets, exists) {
        load(app, &buckets, exists).await;
    }
    let wait = app.throttle().wait(&buckets, exists, now, true);
    if wait.is_some() {
        return wait;
    }
    if app.store().is_shared() {
        return take(app, whose, &buckets, exists, now).await;
    }
    if exists {
        let (store, keys) = (app.store().clone(), keys(&buckets));
        // In memory it is counted; this is for after a restart, and an id that was made up costs no row.
        tokio::spawn(async move {
            if let Err(error) = store.count_wrong_guess(&keys, now).await {
                tracing::warn!(%error, "a wrong client secret was not counted");
            }
        });
    }
    None
}

/// Counts a guess in the store that all nodes share.
async fn take(
    app: &App,
    whose: Whose<'_>,
    buckets: &[Bucket<'_>],
    exists: bool,
    now: Timestamp,
) -> Option<Duration> {
    let unknown_clients = [Bucket::UnknownClients(whose.1)];
    let counting = if exists { buckets } else { &unknown_clients };
    match app.store().take_guess(counting, now).await {
        Ok(Outcome::Done) => None,
        Ok(Outcome::Conflict) => {
            load(app, buckets, exists).await;
            let wait = app.throttle().wait(buckets, exists, now, false);
            wait.or(Some(Duration::from_secs(1)))
        }
        Err(error) => {
            tracing::warn!(%error, "a wrong client secret was counted at this node alone");
            None
        }
    }
}

async fn load(app: &App, buckets: &[Bucket<'_>], exists: bool) {
    match app.store().load_guesses(&keys(buckets)).await {
        Ok(stored) => app.throttle().learn(buckets, exists, &stored),
        Err(error) => tracing::warn!(%error, "wrong client secrets are counted at this node alone"),
    }
}

/// A right secret ends what wrong ones before it began, in the store as well: otherwise the next slip
/// would count from there. Those of wider networks are others' and fade by themselves.
pub(crate) fn reset(app: &App, whose: Whose<'_>) {
    let own = Bucket::ClientFrom(whose.0, whose.1);
    if !app.throttle().has(&[own]) {
        return;
    }
    let (store, own) = (app.store().clone(), own.key());
    app.throttle().forget(own);
    tokio::spawn(async move {
        if let Err(error) = store.forgive_guesses(own).await {
            tracing::warn!(%error, "wrong client secrets were not forgiven");
        }
    });
}

fn keys(buckets: &[Bucket<'_>]) -> Vec<BucketKey> {
    buckets.iter().map(|bucket| bucket.key()).collect()
}
