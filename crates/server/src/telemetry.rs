//! Metrics in Prometheus' text format. No label carries a secret, a user or a token.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use remint_protocol::refresh::Case;
use remint_store::{GROUP_BUCKETS, Store};

/// Number of log lines that were dropped, because nobody took those before them.
pub static LOG_LINES_DROPPED: AtomicU64 = AtomicU64::new(0);

type Label = [(&'static str, &'static str); 1];
type Labels = [(&'static str, &'static str); 2];
type Durations = Family<Labels, Histogram, fn() -> Histogram>;

macro_rules! labels {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// The endpoints, as labels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Endpoint {
            $(
                #[doc = concat!("`", $name, "`.")]
                $variant
            ),*
        }

        /// The values of the label `endpoint`, and of the field of the log.
        pub const ENDPOINT_LABELS: &[&str] = &[$($name),*];

        impl Endpoint {
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the label.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

labels! {
    Account = "account",
    Assets = "assets",
    Authorize = "authorize",
    Health = "health",
    Home = "home",
    Introspect = "introspect",
    Jwks = "jwks",
    Logout = "logout",
    Metadata = "metadata",
    Other = "other",
    Playground = "playground",
    Revoke = "revoke",
    Token = "token",
    Userinfo = "userinfo",
}

impl Endpoint {
    fn each<T>(make: impl Fn(Self) -> T) -> Vec<T> {
        Self::ALL.iter().copied().map(make).collect()
    }
}

/// The metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    /// Successes, by the position in `Endpoint::ALL`: the hot path looks nothing up.
    ok: Vec<Counter>,
    ok_durations: Vec<Histogram>,
    durations: Durations,
    refreshes: Vec<Counter>,
    rejects: Family<Label, Counter>,
    logout_notices: Family<Label, Counter>,
    pub(crate) generation_distance: Histogram,
    pub(crate) retry_age: Histogram,
    pub(crate) passwords_busy: Gauge,
    pub(crate) families_live: Gauge,
    /// Expiry of the certificate, in seconds since the epoch; 0 when there is none.
    pub(crate) certificate_expiry: Arc<AtomicI64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

const LATENCY: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const DISTANCE: [f64; 8] = [1.0, 2.0, 3.0, 5.0, 10.0, 100.0, 1_000.0, 10_000.0];
const AGE: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

impl Metrics {
    pub(crate) fn new(store: &Store) -> Self {
        let mut registry = Registry::with_prefix("remint");
        let requests = Family::<Labels, Counter>::default();
        registry.register("http_requests", "Requests by endpoint and outcome", requests.clone());
        let durations = Durations::new_with_constructor(|| Histogram::new(LATENCY));
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            durations.clone(),
        );
        let refreshes = Family::<Label, Counter>::default();
        registry.register(
            "refreshes",
            "Refreshes by case of the decision table",
            refreshes.clone(),
        );
        let rejects = Family::<Label, Counter>::default();
        registry.register("rejects", "Refused requests by cause", rejects.clone());
        let logout_notices = Family::<Label, Counter>::default();
        let about = "Clients told, or not, that a session is over";
        registry.register("logout_notices", about, logout_notices.clone());
        let generation_distance = Histogram::new(DISTANCE);
        registry.register(
            "refresh_generation_distance",
            "How many renewals an old refresh token was behind",
            generation_distance.clone(),
        );
        let retry_age = Histogram::new(AGE);
        registry.register_with_unit(
            "refresh_retry_age",
            "Time between a renewal and the retry of its predecessor",
            Unit::Seconds,
            retry_age.clone(),
        );
        let passwords_busy = Gauge::default();
        let about = "Passwords being checked or waiting";
        registry.register("passwords_busy", about, passwords_busy.clone());
        let families_live = Gauge::default();
        registry.register(
            "families_live",
            "Living sessions at the last sweep; 0 on a node that leaves it to another",
            families_live.clone(),
        );
        let build = Family::<Label, Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build", "The version that runs", build);
        registry.register_collector(Box::new(StoreMetrics(store.clone())));
        let certificate_expiry = Arc::<AtomicI64>::default();
        let shown = CertificateExpiry(Arc::clone(&certificate_expiry));
        registry.register_collector(Box::new(shown));
        let ok = |e: Endpoint| [("endpoint", e.name()), ("outcome", "ok")];
        Self {
            ok: Endpoint::each(|e| requests.get_or_create(&ok(e)).clone()),
            ok_durations: Endpoint::each(|e| durations.get_or_create(&ok(e)).clone()),
            durations,
            refreshes: Case::ALL
                .iter()
                .map(|case| refreshes.get_or_create(&[("row", case.name())]).clone())
                .collect(),
            registry,
            requests,
            rejects,
            logout_notices,
            generation_distance,
            retry_age,
            passwords_busy,
            families_live,
            certificate_expiry,
        }
    }

    pub(crate) fn request(&self, endpoint: Endpoint, outcome: &'static str, took: Duration) {
        let at = Endpoint::ALL.iter().position(|e| *e == endpoint).unwrap_or_default();
        match (self.ok.get(at), self.ok_durations.get(at)) {
            (Some(counter), Some(histogram)) if outcome == "ok" => {
                counter.inc();
                histogram.observe(took.as_secs_f64());
            }
            _ => {
                let labels = [("endpoint", endpoint.name()), ("outcome", outcome)];
                self.requests.get_or_create(&labels).inc();
                self.durations.get_or_create(&labels).observe(took.as_secs_f64());
            }
        }
    }

    pub(crate) fn refresh(&self, case: Case) {
        let at = Case::ALL.iter().position(|one| *one == case).unwrap_or_default();
        if let Some(counter) = self.refreshes.get(at) {
            counter.inc();
        }
    }

    pub(crate) fn reject(&self, cause: &'static str) {
        self.rejects.get_or_create(&[("cause", cause)]).inc();
    }

    pub(crate) fn logout_notice(&self, outcome: &'static str) {
        self.logout_notices.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Reports the expiry of the certificate, if there is one.
#[derive(Debug)]
struct CertificateExpiry(Arc<AtomicI64>);

impl Collector for CertificateExpiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let at = self.0.load(Ordering::Relaxed);
        if at == 0 {
            return Ok(());
        }
        let gauge = ConstGauge::new(at);
        let (name, help) = (
            "tls_certificate_expiry_timestamp_seconds",
            "When the certificate chain in use expires: the earliest end of any in it, since the epoch",
        );
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}

/// Reads the counters of the store and of the log on each scrape.
struct StoreMetrics(Store);

impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreMetrics")
    }
}

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let queued = self.0.queued().unwrap_or_default();
        let queued = ConstGauge::new(i64::try_from(queued).unwrap_or(i64::MAX));
        let (name, help) = ("store_queued", "Writes that wait for their commit");
        queued.encode(encoder.encode_descriptor(name, help, None, queued.metric_type())?)?;
        let counters = [
            ("store_writes", "Writes, each whole or not at all", load(&stats.batches)),
            (
                "store_commits",
                "Commits, each of a group of writes",
                stats.groups.iter().map(load).sum(),
            ),
            ("store_commit_failures", "Commits that failed", load(&stats.failures)),
            ("store_connects", "Connections made to PostgreSQL", load(&stats.connects)),
            (
                "log_lines_dropped",
                "Lines of the log that were dropped, because nobody took those before them",
                load(&LOG_LINES_DROPPED),
            ),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        let (name, help) = ("store_commit_groups", "Commits by the most writes that were in them");
        let mut groups = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (bound, commits) in GROUP_BUCKETS.iter().zip(&stats.groups) {
            let counter = ConstCounter::new(load(commits));
            counter.encode(groups.encode_family(&[("up_to", bound.to_string())])?)?;
        }
        Ok(())
    }
}
