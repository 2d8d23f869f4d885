//! Reports this node and its root keys to a shared store, so that a key is used only when all nodes have it.

use std::sync::Arc;
use std::time::Duration;

use remint_store::Node;
use tokio::time::{MissedTickBehavior, interval};

use crate::App;

/// Interval at which a node reports that it runs.
pub const SEEN_EVERY: Duration = Duration::from_secs(5);
/// A node that was not seen for this long has stopped without saying so.
pub const SILENT_AFTER: Duration = Duration::from_secs(30);
/// Time after which a silent node is removed from the store.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// Reports to a shared store, again and again, that this node runs.
pub(crate) async fn heartbeat(app: Arc<App>) {
    if !app.store().is_shared() {
        return;
    }
    let mut ticks = interval(SEEN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell_once(&app).await;
        let before = app.clock().now().before(FORGET_AFTER);
        // Readiness reports a store that does not respond.
        let _ = app.store().forget_silent_nodes(before).await;
    }
}

/// Reports once that this node runs.
pub(crate) async fn tell_once(app: &App) {
    if app.store().is_shared() {
        let _ = app.store().see_node(&describe(app)).await;
    }
}

fn describe(app: &App) -> Node {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    Node {
        id: app.node(),
        // A machine may have several.
        name: format!("{host} at {}", app.config().http.listen),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kids: app.keys().kids().collect(),
        started_at: app.started_at(),
        seen_at: app.clock().now(),
    }
}
