//! Notices changes made elsewhere, to registrations, root keys and the key file.

use std::sync::Arc;
use std::time::Duration;

use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::tell;
use tokio::time::{MissedTickBehavior, interval};

use crate::App;
use crate::background::node;
use crate::issue::subject;
use crate::keys;
use crate::keys::signing;

/// Interval between checks of the store for changes, in addition to its notifications.
const EVERY: Duration = Duration::from_millis(250);

/// Empties the cache of clients when the store's revision changes, and reads the root keys again when
/// that or their file does.
pub(crate) async fn watch(app: Arc<App>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let changes = app.store().watch();
    let file = app.config().key_file();
    let mut seen = keys::stamp(&file);
    // The file may have changed since the start read it.
    let mut settled = false;
    loop {
        tokio::select! {
            () = changes.next() => {}
            _ = ticks.tick() => {}
        }
        // Readiness reports a store that does not respond; here it is only asked again.
        let Ok(revision) = app.store().revision().await else { continue };
        let stamp = keys::stamp(&file);
        if app.clients().see_revision(revision) || stamp != seen || !settled {
            seen = stamp;
            settled = read_keys(&app).await;
            signing::reload(&app).await;
            subject::reload(&app).await;
        }
    }
}

/// Switches to the root keys of file and store. If they cannot be read, keeps the old ones and returns
/// `false`, to be called again.
async fn read_keys(app: &App) -> bool {
    let loaded = keys::load(&app.config().key_file(), app.store(), app.clock().now()).await;
    let before = app.keys_now();
    match loaded {
        Ok(known) => {
            let is_new = before.active() != known.active()
                || !before.kids().eq(known.kids())
                || before.fault != known.fault
                || before.lacks != known.lacks
                || before.differs != known.differs;
            if is_new {
                tell!(
                    KEYS_CHANGED,
                    actor = %Actor::Server,
                    on = %Object::RootKeys,
                    outcome = audit::DONE,
                    source = audit::LOCAL,
                    active = known.active(),
                    known = ?known.kids().collect::<Vec<_>>(),
                    lacks = ?known.lacks,
                    differs = ?known.differs,
                );
                app.set_keys(known);
                node::tell_once(app).await;
                signing::wake(app);
            }
            true
        }
        Err(error) => {
            // A store that does not respond says nothing about the file, and readiness reports it.
            let fault = error.fault();
            if fault.is_some() && fault != before.fault {
                tracing::error!("the root keys stay as they were: {error}");
                app.set_keys(before.with(fault));
            }
            false
        }
    }
}
