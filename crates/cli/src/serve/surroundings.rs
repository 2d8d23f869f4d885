//! What a server writes its log to, and the clock that ends it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use remint_server::config::{Config, LogFormat};
use tokio::sync::Notify;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::output::{queue_lines, settle_lines};

/// Has what is told from now on written by a thread of its own.
pub(super) fn log(config: &Config) -> anyhow::Result<()> {
    let queue = queue_lines()?;
    let level = config.log.level.as_str().parse().unwrap_or(tracing::Level::INFO);
    let filter = Targets::new().with_default(tracing::Level::WARN).with_targets(
        ["remint", "remint_protocol", "remint_server", "remint_store"].map(|t| (t, level)),
    );
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || queue.clone())
        // Where a line cannot be written, the complaint about it cannot either, and would panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // A second call, as in tests, keeps the first.
    let _ = match config.log.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(lines).try_init(),
    };
    // Rust's own message waits for the reader of standard error.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{}", panic.to_string().replace('\n', " "));
    }));
    Ok(())
}

/// How long the store may take to close, after requests had their time.
pub(super) const CLOSING: Duration = Duration::from_secs(5);

/// How long it may take after a second signal.
const CLOSING_AT_ONCE: Duration = Duration::from_secs(1);

/// Ends the process after so long, whatever the store, a stream or a task waits for by then. What was answered is
/// in the store.
pub(super) fn end_after(most: Duration) {
    let ending = std::thread::Builder::new().name("end".into()).spawn(move || {
        std::thread::sleep(most);
        tracing::warn!("the server ended before its store was closed");
        settle_lines();
        std::process::exit(0);
    });
    if let Err(error) = ending {
        tracing::warn!(%error, "no thread is left to watch over the end");
    }
}

/// Tells when `asked` resolves, and sees to it that the process ends soon then. On its own: this also ends what
/// comes behind the requests.
pub(super) fn hurry(asked: impl Future<Output = ()> + Send + 'static) -> Arc<Notify> {
    let hurried = Arc::new(Notify::new());
    let teller = Arc::clone(&hurried);
    tokio::spawn(async move {
        asked.await;
        end_after(CLOSING_AT_ONCE);
        teller.notify_one();
    });
    hurried
}
