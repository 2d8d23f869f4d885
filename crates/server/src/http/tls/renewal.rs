//! The certificate in use, and its renewal: files that change are read again without a signal. A pair that
//! does not work changes nothing, and is logged once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use remint_protocol::audit::{self, Actor, Object};
use remint_protocol::tell;
use tokio::time::{MissedTickBehavior, interval};

use super::{TlsError, judge, read};
use crate::App;
use crate::config::Config;
use crate::http::serve::Tls;
use crate::keys::stamp;

/// Interval between checks of the files.
const EVERY: Duration = Duration::from_secs(1);

type Stamps = [Option<(u64, i64, i64)>; 2];

/// A certificate and its key, read from files.
#[derive(Clone, Debug)]
pub struct Live {
    tls: Tls,
    files: [PathBuf; 2],
    /// The stamps of the files when they were read.
    seen: Stamps,
    /// Expiry of the certificate, in seconds since the epoch.
    expiry: i64,
}

impl Live {
    /// Reads the files of certificate and key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load((certificate, private_key): (PathBuf, PathBuf)) -> Result<Self, TlsError> {
        let files = [certificate, private_key];
        let seen = stamps(&files);
        let [certificate, private_key] = &files;
        let pair = read(certificate, private_key)?;
        let expiry = judge::expiry(&pair.chain).unwrap_or_default();
        Ok(Self { tls: Arc::new(ArcSwap::new(pair.config)), files, seen, expiry })
    }

    /// The TLS configuration that new connections use.
    pub fn tls(&self) -> Tls {
        Arc::clone(&self.tls)
    }

    /// Expiry of the certificate, in seconds since the epoch.
    pub const fn expiry(&self) -> i64 {
        self.expiry
    }

    /// Reads the files again, and logs the outcome.
    pub async fn reload(&self, app: &Arc<App>) {
        let (files, config, now) = (self.files.clone(), app.config().clone(), app.clock().now());
        let read = tokio::task::spawn_blocking(move || {
            let [certificate, private_key] = &files;
            let pair = read(certificate, private_key)?;
            let found = findings(&pair, certificate, &config, now);
            Ok::<_, TlsError>((pair, found))
        });
        let (pair, found) = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return tracing::error!("the old certificate stays: {error}"),
            Err(error) => return tracing::error!("the old certificate stays: {error}"),
        };
        let (expiry, at) = (judge::expiry(&pair.chain).unwrap_or_default(), now.as_secs());
        if expiry < at && app.certificate_expiry() >= at {
            return tracing::error!("the old certificate stays: the new one has expired already");
        }
        self.tls.store(pair.config);
        app.set_certificate_expiry(expiry);
        tell!(
            CERTIFICATE_CHANGED,
            actor = %Actor::Server,
            on = %Object::Certificate,
            outcome = audit::DONE,
            source = audit::LOCAL,
            "the certificate was read again",
        );
        for finding in found {
            tracing::warn!("{finding}");
        }
    }

    /// Watches the files, and reloads them when they have changed.
    pub async fn watch(self, app: Arc<App>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut taken, mut before) = (self.seen, self.seen);
        loop {
            ticks.tick().await;
            let now = stamps(&self.files);
            // The files are written one after the other: wait until they no longer change.
            if now != taken && now == before {
                taken = now;
                self.reload(&app).await;
            }
            before = now;
        }
    }
}

fn findings(
    pair: &super::Pair,
    certificate: &std::path::Path,
    config: &Config,
    now: remint_protocol::time::Timestamp,
) -> Vec<String> {
    // The authorities were readable at the start; if they no longer are, the findings go without.
    let roots = super::authorities::read(config).unwrap_or_else(|_| super::authorities::none());
    judge::findings(&pair.chain, certificate, config, &roots, now)
}

/// The stamps of the files. Links are followed: Kubernetes swaps the directory that they lead through.
fn stamps(files: &[PathBuf; 2]) -> Stamps {
    files.each_ref().map(|file| stamp(file))
}
