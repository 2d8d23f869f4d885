//! pgbench with the update of a refresh: what PostgreSQL does here when nobody shares anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

use super::cluster::Cluster;
use crate::WARM_UP;
use crate::drive::{CONNECTIONS, Outcome};
use crate::options::Options;
use crate::stats::{float, quantile};
use crate::usage::{Sample, Watched};

const DATABASE: &str = "pgbench";
/// How much longer it runs than it is measured, so that its end is not.
const COOL_DOWN: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(5);

pub(super) struct Pgbench<'a> {
    cluster: &'a Cluster,
    url: String,
    script: PathBuf,
    /// Where it writes how long each transaction took.
    logs: PathBuf,
    clients: usize,
}

impl<'a> Pgbench<'a> {
    /// Works on a copy of the sessions, with the numbers from 0 as their keys: every client has as
    /// many of its own as a connection of the driver has.
    pub(super) fn new(cluster: &'a Cluster, root: &Path, options: &Options) -> Result<Self> {
        let url = cluster.copy(DATABASE);
        cluster.execute(
            DATABASE,
            "UPDATE families f SET id = int8send(0) || int8send(n.n - 1) FROM \
             (SELECT id, row_number() OVER () AS n FROM families) n WHERE f.id = n.id; \
             VACUUM FULL families; ANALYZE families",
        );
        let clients = options.sessions.min(CONNECTIONS);
        let last = options.sessions / clients - 1;
        let script = root.join("pgbench.sql");
        fs::write(
            &script,
            format!(
                "\\set row random(0, {last}) * {clients} + :client_id\n\
                 UPDATE families SET generation = generation + 1, epoch = 0, kid = 1, \
                 rotated_at = rotated_at + 1, expires_at = expires_at + 1, confirmed = 0 \
                 WHERE id = int8send(0) || int8send(:row) AND revoked_at IS NULL;\n"
            ),
        )?;
        let logs = root.join("pgbench");
        Ok(Self { cluster, url, script, logs, clients })
    }

    /// One turn of it, on the driver's core.
    pub(super) async fn run(&self, options: &Options) -> Result<Outcome> {
        fs::create_dir_all(&self.logs)?;
        let mut child = self.start(WARM_UP + options.seconds + COOL_DOWN)?;
        let watched = Watched {
            servers: Vec::new(),
            postmaster: Some(self.cluster.postmaster()),
            driver: Some(child.id()),
        };
        tokio::time::sleep(WARM_UP).await;
        let (before, begin) = (Sample::take(&watched)?, since_epoch()?);
        tokio::time::sleep(options.seconds).await;
        let (after, end) = (Sample::take(&watched)?, since_epoch()?);
        while child.try_wait()?.is_none() {
            tokio::time::sleep(GLANCE).await;
        }
        let output = child.wait_with_output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench ended with {}: {error}", output.status);
        let (all_requests, mut latencies) = self.transactions(begin, end)?;
        fs::remove_dir_all(&self.logs)?;
        latencies.sort_unstable();
        let spent = before.until(&after);
        let requests = u64::try_from(latencies.len())?;
        ensure!(requests > 0, "pgbench did nothing: {error}");
        Ok(Outcome {
            requests,
            all_requests,
            per_second: float(requests) / end.saturating_sub(begin).as_secs_f64(),
            p50_ms: quantile(&latencies, 50) / 1e3,
            p99_ms: quantile(&latencies, 99) / 1e3,
            server_cpu_us: 0.0,
            postgres_cpu_us: spent.postgres_seconds / float(requests) * 1e6,
            written: None,
            driver_cores: spent.driver_cores,
            other_cores: spent.other_cores,
            stolen_cores: spent.stolen_cores,
        })
    }

    fn start(&self, time: Duration) -> Result<Child> {
        let clients = self.clients.to_string();
        // It knows whole seconds only.
        let seconds = (time.as_secs() + u64::from(time.subsec_nanos() > 0)).to_string();
        let mut command = self.cluster.program("pgbench");
        command.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "1", "--log"]);
        command.args(["--client", &clients, "--time", &seconds, "--log-prefix"]);
        command.arg(self.logs.join("log")).arg("--file").arg(&self.script).arg(&self.url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().context("pgbench")
    }

    /// How many there were, and the microseconds of those that ended in time.
    fn transactions(&self, begin: Duration, end: Duration) -> Result<(u64, Vec<u32>)> {
        let mut all = 0;
        let mut latencies = Vec::new();
        for entry in fs::read_dir(&self.logs)? {
            for line in fs::read_to_string(entry?.path())?.lines() {
                // client, transaction, microseconds, script, second and microsecond of its end
                let fields = line.split(' ').map(str::parse::<u64>);
                let fields: Vec<u64> =
                    fields.collect::<Result<_, _>>().with_context(|| line.to_owned())?;
                let [_, _, latency, _, second, microsecond] = fields.as_slice() else { continue };
                all += 1;
                let at = Duration::from_secs(*second) + Duration::from_micros(*microsecond);
                if at >= begin && at <= end {
                    latencies.push(u32::try_from(*latency).unwrap_or(u32::MAX));
                }
            }
        }
        Ok((all, latencies))
    }
}

/// The clock that pgbench's log goes by.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn since_epoch() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
