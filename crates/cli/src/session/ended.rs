//! The number of sessions that a command has ended: counted in pieces, after the commit that ended them all
//! at once.

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client_id::ClientId;
use remint_protocol::ends::LastEnd;
use remint_protocol::family::{Loaded, RevokeReason};
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;
use remint_store::{Filter, Store};
use std::collections::HashMap;

/// Ends everything that a user has, with `end`, and counts it.
pub(crate) async fn of_user(
    store: &Store,
    id: UserId,
    now: Timestamp,
    end: impl AsyncFnOnce() -> Result<(), anyhow::Error>,
) -> anyhow::Result<usize> {
    let before = user_end(store, id).await?;
    end().await?;
    let after = user_end(store, id).await?;
    count(store, Filter::User(id), |loaded| {
        let spares = |end: LastEnd| end.spares(loaded.family.proven, loaded.family.auth_time);
        is_open(loaded, now) && loaded.is_client_standing() && spares(before) && !spares(after)
    })
    .await
}

async fn user_end(store: &Store, id: UserId) -> anyhow::Result<LastEnd> {
    Ok(store.load_user(id).await?.map_or_else(LastEnd::default, |user| user.ended))
}

/// Ends everything that a client has, or every client, and counts it.
pub(crate) async fn of_clients(
    store: &Store,
    one: Option<&ClientId>,
    now: Timestamp,
) -> anyhow::Result<usize> {
    let before = client_ends(store, one).await?;
    let filter = match one {
        Some(id) => {
            store.end_client_sessions(id, now).await?;
            Filter::Client(id)
        }
        None => {
            store.end_all_sessions(now).await?;
            Filter::All
        }
    };
    count(store, filter, |loaded| {
        let spares = |end: LastEnd| end.spares(loaded.family.born, loaded.family.created_at);
        is_open(loaded, now)
            && loaded.is_user_standing()
            && before.get(&loaded.family.client_id).copied().is_some_and(spares)
            && !loaded.is_client_standing()
    })
    .await
}

async fn client_ends(
    store: &Store,
    one: Option<&ClientId>,
) -> anyhow::Result<HashMap<ClientId, LastEnd>> {
    if let Some(id) = one {
        let found = store.find_client(id.as_str()).await?;
        return Ok(found.into_iter().map(|client| (client.id, client.ended)).collect());
    }
    let (mut all, mut pages) = (HashMap::new(), store.client_pages());
    while let Some(clients) = pages.next().await? {
        all.extend(clients.into_iter().map(|client| (client.id, client.ended)));
    }
    Ok(all)
}

/// Counts what one end has revoked row by row, at `now` and for `reason`.
pub(crate) async fn revoked(
    store: &Store,
    user: UserId,
    which: impl Fn(&Loaded) -> bool,
    (now, reason): (Timestamp, RevokeReason),
) -> anyhow::Result<usize> {
    count(store, Filter::User(user), |loaded| {
        let family = &loaded.family;
        family.revoked == Some((now, reason)) && !family.is_expired(now) && which(loaded)
    })
    .await
}

/// Whether a session belongs to a browser and does not outlive it.
pub(crate) fn belongs_to(browser: BrowserSessionId) -> impl Fn(&Loaded) -> bool {
    move |loaded| {
        let origin = &loaded.family.origin;
        origin.browser_session == Some(browser) && !origin.offline
    }
}

fn is_open(loaded: &Loaded, now: Timestamp) -> bool {
    loaded.family.revoked.is_none() && !loaded.family.is_expired(now)
}

async fn count(
    store: &Store,
    filter: Filter<'_>,
    is_ended: impl Fn(&Loaded) -> bool,
) -> anyhow::Result<usize> {
    let (mut ended, mut pages) = (0, store.family_pages(filter));
    while let Some(families) = pages.next().await? {
        ended += families.iter().filter(|loaded| is_ended(loaded)).count();
    }
    Ok(ended)
}

/// The number in words, as in "all sessions of alice ended: 2 were live".
pub(crate) fn were_live(count: usize) -> String {
    match count {
        0 => "none was live".into(),
        1 => "1 was live".into(),
        some => format!("{some} were live"),
    }
}
