//! Hearing of changes that other nodes make.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_postgres::AsyncMessage;

use super::Target;
use super::connection::{cause, dial};

/// The pause before listening again after the connection was lost. Changes in between are found by those who
/// also look from time to time.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection that listens; dropping it ends that.
pub(crate) struct Changes {
    heard: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Changes {
    pub(super) fn listen(target: Arc<Target>) -> Self {
        let heard = Arc::new(Notify::new());
        let tell = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            loop {
                if let Err(error) = hear(&target, &tell).await {
                    tracing::debug!(error, "not listening for changes");
                }
                sleep(PAUSE).await;
            }
        });
        Self { heard, task }
    }

    /// Waits for the next change of a counter in `meta`.
    pub(crate) async fn next(&self) {
        self.heard.notified().await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens until the connection breaks.
async fn hear(target: &Target, heard: &Notify) -> Result<(), String> {
    let (client, mut connection) = dial(target).await.map_err(|error| error.to_string())?;
    let asked = client.batch_execute("LISTEN remint");
    let listen = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message? {
                heard.notify_one();
            }
        }
        Ok(())
    };
    // The client is kept: its end would end the connection.
    let (asked, ended) = tokio::join!(asked, listen);
    drop(client);
    asked.and(ended).map_err(|error| cause(&error))
}
