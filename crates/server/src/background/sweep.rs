//! Background work: removes what has ended, in bounded pieces. Nothing depends on it being prompt.

use std::sync::Arc;
use std::time::Duration;

use remint_protocol::family::Loaded;
use remint_protocol::logout_notice::forgotten;
use remint_protocol::policy::Policy;
use remint_protocol::time::Timestamp;
use remint_store::{Error, Filter, Outcome, Store};
use tokio::time::sleep;

use crate::App;

/// Interval between walks through all families.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// The most by which the clocks of nodes, or of one node before and after a correction, may differ.
const CLOCKS_DIFFER: Duration = Duration::from_hours(1);
/// Number of rows in one piece, and the pause after it.
const PIECE: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// Removes what has ended, again and again.
pub(crate) async fn sweep(app: Arc<App>) {
    loop {
        if !is_ours(&app).await {
            app.metrics().families_live.set(0);
            sleep(SWEEP_EVERY).await;
            continue;
        }
        // Separate, so that a broken row in one step does not stop the others.
        for ended in [forget(&app).await, forget_notices(&app).await, walk(&app).await] {
            if let Err(error) = ended {
                tracing::warn!(%error, "the sweep stopped; it starts over in a minute");
            }
        }
        sleep(SWEEP_EVERY).await;
    }
}

/// Whether this node sweeps now: of several, one does at a time. A long sweep may be joined; that does no
/// harm.
async fn is_ours(app: &App) -> bool {
    let now = app.clock().now();
    !app.store().is_shared()
        || matches!(app.store().claim_sweep(now, now.after(SWEEP_EVERY)).await, Ok(Outcome::Done))
}

async fn walk(app: &App) -> Result<(), Error> {
    let mut live = 0;
    let remembered = longest_access_token(app.store(), app.policy()).await?;
    let mut after = None;
    loop {
        let now = app.clock().now();
        let page = app.store().list_families(Filter::All, after, PIECE).await?;
        let is_live = |l: &&Loaded| l.family.revoked.is_none() && !l.family.is_expired(now);
        live += page.families.iter().filter(is_live).count();
        // An access token may outlive its refresh token; the row must be there to end it.
        let before = now.before(remembered);
        let is_over = |l: &Loaded| l.family.expires_at < before;
        if let Some(last) = page.families.iter().rev().find(|l| is_over(l)) {
            app.store().delete_expired_families(after, last.family.id, before).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
        sleep(PAUSE).await;
    }
    app.metrics().families_live.set(live.try_into().unwrap_or(i64::MAX));
    Ok(())
}

/// Deletes notices that were given up, once operators had time to see them.
async fn forget_notices(app: &App) -> Result<(), Error> {
    let (ever, mut last) = (Timestamp::from_millis(i64::MAX), None);
    loop {
        let clients = app.store().list_clients_to_tell(last.as_ref(), ever, PIECE).await?;
        let Some(next) = clients.last().cloned() else { return Ok(()) };
        for client in &clients {
            app.store().forget_logout_notices(client, forgotten(app.clock().now())).await?;
        }
        last = Some(next);
        sleep(PAUSE).await;
    }
}

/// Deletes revoked access tokens that have expired, browser sessions that are over, and guesses that no
/// longer count.
async fn forget(app: &App) -> Result<(), Error> {
    while app.store().delete_expired_access_tokens(app.clock().now().before(CLOCKS_DIFFER)).await? {
        sleep(PAUSE).await;
    }
    while app
        .store()
        .delete_expired_browser_sessions(app.clock().now().before(CLOCKS_DIFFER))
        .await?
    {
        sleep(PAUSE).await;
    }
    let mut after = None;
    loop {
        after = app.store().delete_forgotten_guesses(after, PIECE, app.clock().now()).await?;
        if after.is_none() {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

/// The longest lifetime of any client's access token, allowing for clocks that differ.
pub(crate) async fn longest_access_token(
    store: &Store,
    policy: &Policy,
) -> Result<Duration, Error> {
    let mut longest = policy.access_token_lifetime;
    let mut pages = store.client_pages();
    while let Some(clients) = pages.next().await? {
        let own = clients.iter().filter_map(|c| c.overrides.access_token_lifetime).max();
        longest = longest.max(own.unwrap_or_default());
    }
    Ok(longest + CLOCKS_DIFFER)
}
