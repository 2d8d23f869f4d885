//! Hearing of changes that other nodes make.

use std::time::Duration;

use remint_protocol::client::Client;
use remint_store::{Store, Watch};
use tokio::time::timeout;

use super::{answered, none, populated, proxied};
use crate::backend::{on_postgres, settings};
use crate::samples::at;

/// Changes a client again and again until that is heard. Nothing says when somebody listens.
async fn changes_until_heard(watch: &Watch, store: &Store, shop: &Client, mut now: i64) -> i64 {
    let hears = async {
        loop {
            now += 1;
            store.end_client_sessions(&shop.id, at(now)).await.unwrap();
            if timeout(Duration::from_millis(100), watch.next()).await.is_ok() {
                return now;
            }
        }
    };
    answered(hears).await
}

#[test]
fn a_change_of_a_client_is_heard_by_other_nodes_also_after_their_connections_broke() {
    on_postgres(async |place| {
        let (writer, shop, _) = populated(&place.database().url(), 0).await;
        let (proxy, url) = proxied(&place.database().url());
        let other = Store::connect(settings(&url)).await.unwrap();
        let watch = other.watch();
        let mut now = changes_until_heard(&watch, &writer, &shop, 0).await;
        // Somebody listens now: a single one is enough.
        for _ in 0..5 {
            now += 1;
            let seen = other.revision().await.unwrap();
            writer.end_client_sessions(&shop.id, at(now)).await.unwrap();
            answered(watch.next()).await;
            assert!(other.revision().await.unwrap() > seen);
        }
        proxy.cut();
        now = changes_until_heard(&watch, &writer, &shop, now).await;
        proxy.refuse(true);
        proxy.cut();
        writer.end_client_sessions(&shop.id, at(now + 1)).await.unwrap();
        proxy.refuse(false);
        changes_until_heard(&watch, &writer, &shop, now + 1).await;
    });
}

const LISTENING: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND query = 'LISTEN remint'";

#[test]
fn who_no_longer_listens_keeps_no_connection() {
    on_postgres(async |place| {
        let (writer, shop, _) = populated(&place.database().url(), 0).await;
        let watch = writer.watch();
        changes_until_heard(&watch, &writer, &shop, 0).await;
        writer.close().await;
        none(place.database(), "query <> 'LISTEN remint'").await;
        assert_eq!(place.database().execute(LISTENING), "1");
        drop(watch);
        none(place.database(), "true").await;
    });
}
