//! The PostgreSQL server of a run, and what it says of its log and its table.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use remint_testbed::Database;
use serde::Serialize;

use crate::process::{Cores, on_server_core};
use crate::stats::float;

/// What differs from PostgreSQL's defaults: enough memory and log for no checkpoint to fall into a
/// run, and connections for pgbench beside all nodes.
const SETTINGS: [(&str, &str); 4] = [
    ("shared_buffers", "256MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "15min"),
    ("max_connections", "400"),
];

pub(super) struct Cluster {
    // Dropped before the server that has it.
    database: Database,
    server: remint_testbed::Cluster,
    data: PathBuf,
    programs: PathBuf,
    postmaster: u32,
}

impl Cluster {
    /// Starts it on the server's core, with a database for Remint.
    pub(super) fn start(cores: Option<Cores>) -> Result<Self> {
        ensure!(remint_testbed::is_available(), "PostgreSQL is not installed");
        let server = on_server_core(cores, || remint_testbed::Cluster::start(&SETTINGS))?;
        let data = PathBuf::from(server.execute("postgres", "SHOW data_directory"));
        let programs = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
        let programs = PathBuf::from(server.execute("postgres", programs));
        let lock = std::fs::read_to_string(data.join("postmaster.pid")).context("its lock file")?;
        let postmaster = lock.lines().next().and_then(|pid| pid.trim().parse().ok());
        let postmaster = postmaster.context("no process id in its lock file")?;
        let database = server.create_database();
        Ok(Self { database, server, data, programs, postmaster })
    }

    pub(super) const fn postmaster(&self) -> u32 {
        self.postmaster
    }

    /// Where Remint's database is.
    pub(super) fn url(&self) -> String {
        self.database.url()
    }

    /// A copy of Remint's database, which nobody may be connected to. It gives the copy's URL.
    pub(super) fn copy(&self, name: &str) -> String {
        let from = self.database.name();
        self.server.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE {from}"));
        self.server.url(name)
    }

    /// Runs SQL in a database.
    pub(super) fn execute(&self, database: &str, sql: &str) -> String {
        self.server.execute(database, sql)
    }

    /// One of PostgreSQL's programs, with no settings of the caller's.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env_clear().env("LC_ALL", "C");
        command
    }

    pub(super) fn describe(&self) -> Result<String> {
        let version = self.server.execute("postgres", "SHOW server_version");
        let version = version.split(' ').next().context("no version")?;
        let settings = SETTINGS.map(|(name, value)| format!("{name} {value}")).join(", ");
        Ok(format!("PostgreSQL {version} on the server's core; {settings}, else its defaults"))
    }

    /// How far the log is written.
    pub(super) fn written(&self) -> String {
        self.server.execute("postgres", "SELECT pg_current_wal_flush_lsn()")
    }

    /// The counters of Remint's database since it was made. Those who are connected tell theirs with
    /// a delay, and at their end.
    pub(super) fn table(&self) -> Result<Table> {
        let text = self.database.execute(
            "SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count, \
             pg_table_size('families'), pg_indexes_size('families'), \
             (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) \
             FROM pg_stat_user_tables WHERE relname = 'families'",
        );
        let numbers: Vec<u64> = text.split('|').filter_map(|field| field.parse().ok()).collect();
        let [updates, hot_updates, dead, vacuums, bytes, index_bytes, transactions] =
            numbers.try_into().ok().with_context(|| format!("statistics: {text:?}"))?;
        Ok(Table { updates, hot_updates, dead, vacuums, bytes, index_bytes, transactions })
    }

    fn difference(&self, end: &str, begin: &str) -> Result<u64> {
        let sql = format!("SELECT pg_wal_lsn_diff('{end}', '{begin}')::bigint");
        self.server.execute("postgres", &sql).parse().context("a difference of log positions")
    }
}

/// What a turn added to the write-ahead log, for each of its requests.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Wal {
    /// Everything, the headers of pages and records included, but for full-page images.
    pub(super) bytes: f64,
    /// Images of pages that change for the first time after a checkpoint.
    pub(super) image_bytes: f64,
    /// Transactions that wrote.
    pub(super) commits: f64,
    /// How often a page was cleared of old versions of rows.
    pub(super) prunes: f64,
}

impl Wal {
    /// What stands between two positions.
    pub(super) fn between(
        cluster: &Cluster,
        begin: &str,
        end: &str,
        requests: u64,
    ) -> Result<Self> {
        let all = cluster.difference(end, begin)?;
        let records = Records::between(cluster, begin, end)?;
        let each = |count: u64| float(count) / float(requests.max(1));
        Ok(Self {
            bytes: each(all.saturating_sub(records.image_bytes)),
            image_bytes: each(records.image_bytes),
            commits: each(records.commits),
            prunes: each(records.prunes),
        })
    }
}

/// Counts of `pg_waldump`.
#[derive(Default)]
struct Records {
    image_bytes: u64,
    commits: u64,
    prunes: u64,
}

impl Records {
    fn between(cluster: &Cluster, begin: &str, end: &str) -> Result<Self> {
        let mut command = cluster.program("pg_waldump");
        command.args(["--stats=record", "--start", begin, "--end", end, "--path"]);
        let output = command.arg(cluster.data.join("pg_wal")).output().context("pg_waldump")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pg_waldump: {}", error.trim_end());
        let mut records = Self::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            records.add(line);
        }
        Ok(records)
    }

    /// A line has a name, then count, bytes of records, bytes of images and the sum of both, each
    /// with its share in parentheses.
    fn add(&mut self, line: &str) {
        let plain = line.split('(').map(|part| part.rsplit(')').next().unwrap_or(part));
        let plain = plain.collect::<Vec<_>>().join(" ");
        let mut words = plain.split_whitespace();
        let (Some(name), Some(Ok(count))) = (words.next(), words.next().map(str::parse::<u64>))
        else {
            return;
        };
        if name == "Total" {
            return;
        }
        self.image_bytes += words.nth(1).and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        match name {
            "Transaction/COMMIT" => self.commits += count,
            _ if name.starts_with("Heap2/PRUNE") => self.prunes += count,
            _ => {}
        }
    }
}

/// Counters of the table of sessions and of its database.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Table {
    pub(super) updates: u64,
    pub(super) hot_updates: u64,
    pub(super) dead: u64,
    pub(super) vacuums: u64,
    pub(super) bytes: u64,
    pub(super) index_bytes: u64,
    pub(super) transactions: u64,
}
