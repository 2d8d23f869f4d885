//! Wrong client secrets, counted per client and source.
//!
//! Each is counted in memory before any wait, and if several nodes share the store, also in the store before
//! the response, in one write that tells whether there was room for it. An ordinary request, with the right
//! secret, costs no query.

use std::net::IpAddr;
use std::time::Duration;

use remint_protocol::throttle::{Bucket, BucketKey, client_buckets};
use remint_protocol::time::Timestamp;
use remint_store::Outcome;

use crate::App;

/// A client's id, and the source of the request.
type Whose<'a> = (&'a str, IpAddr);

/// The time that a right secret must wait. One that somebody chose could have been guessed, so it waits where
/// wrong ones must.
pub(crate) async fn right(app: &App, whose: Whose<'_>, now: Timestamp) -> Option<Duration> {
    let buckets = client_buckets(whose.0, whose.1);
    if !app.throttle().has(&buckets) {
        return None;
    }
    // Other nodes may have counted guesses.
    if app.throttle().mark(&buckets, true) || app.store().is_shared() {
        load(app, &buckets, true).await;
    }
    let wait = app.throttle().wait(&buckets, true, now, false);
    if wait.is_none() {
        reset(app, whose);
    }
    wait
}

/// Counts a wrong secret, or returns the time that it must wait.
pub(crate) async fn wrong(
    app: &App,
    whose: Whose<'_>,
    exists: bool,
    now: Timestamp,
) -> Option<Duration> {
    let buckets = client_buckets(whose.0, whose.1);
    // Also for a client that does not exist, or the response time would tell.
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
        // It is counted in memory; this is for after a restart. An id that was made up costs no row.
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

/// Resets the count of wrong secrets after a right one, in the store as well: otherwise the next slip would
/// count from there. The counts of wider networks are shared, and fade with time.
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
