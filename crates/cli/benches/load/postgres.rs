//! Refreshes on PostgreSQL, beside pgbench with the same update, the same server on SQLite and the
//! bare server, in one run.
//!
//! The database shares the server's core; pgbench has the driver's. All take turns over several
//! rounds. Everything is in the temporary directory, so that both stores are on one disk.

mod cluster;
mod pgbench;
mod report;

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use self::cluster::{Cluster, Wal};
use self::pgbench::Pgbench;
use self::report::{Report, Row};
use crate::drive::{CONNECTIONS, Load, Outcome, Session, Target};
use crate::options::Options;
use crate::process::{Cores, NODES, Server, Site};
use crate::{log_in, machine, process, stats, turn};

/// What takes turns.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    /// The bare server.
    Bare,
    /// Refreshes of a server on SQLite.
    Sqlite,
    /// The update of a refresh, from pgbench.
    Pgbench,
    /// Refreshes of one server on PostgreSQL.
    Postgres,
    /// Refreshes of several servers on the same database.
    Nodes,
}

impl Subject {
    const ALL: [Self; 5] = [Self::Bare, Self::Sqlite, Self::Pgbench, Self::Postgres, Self::Nodes];

    /// What `--only` calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Sqlite => "sqlite",
            Self::Pgbench => "pgbench",
            Self::Postgres => "postgres",
            Self::Nodes => "nodes",
        }
    }

    fn is_on_postgres(self) -> bool {
        matches!(self, Self::Pgbench | Self::Postgres | Self::Nodes)
    }
}

/// Measures and prints.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let cores = crate::cores()?;
    let root = tempfile::tempdir().context("a temporary directory")?;
    process::pin_driver(cores)?;
    let cluster = Cluster::start(cores)?;
    let runtime = crate::driver()?;
    let report = runtime.block_on(Box::pin(report(options, &cluster, root.path(), cores)))?;
    println!("{}", if options.json { report.json()? } else { report.markdown() });
    Ok(())
}

async fn report(
    options: &Options,
    cluster: &Cluster,
    root: &Path,
    cores: Option<Cores>,
) -> Result<Report> {
    let sqlite = Site::new(root, cores)?;
    let nodes = Site::on_postgres(root, cores, cluster.url())?;
    let mut sessions = [Vec::new(), Vec::new()];
    for (site, sessions) in [&sqlite, &nodes].into_iter().zip(&mut sessions) {
        site.create()?;
        let server = site.serve()?.ready().await?;
        *sessions = log_in(&server, options.sessions).await?;
        server.stop().await?;
    }
    let pgbench = Pgbench::new(cluster, root, options)?;
    let before = cluster.table()?;
    let machine = machine::describe(root, cores)?;
    let rows = {
        let mut stage = Stage::set(&sqlite, &nodes, cluster, sessions).await?;
        let rows = stage.rounds(options, &pgbench).await?;
        stage.clear().await?;
        rows
    };
    let tables = [before, cluster.table()?];
    Ok(Report::new((machine, cluster.describe()?), options, rows, tables))
}

/// Everything that runs meanwhile.
struct Stage<'a> {
    cluster: &'a Cluster,
    bare: Server,
    sqlite: Server,
    nodes: Vec<Server>,
    /// Of SQLite and of PostgreSQL.
    sessions: [Vec<Session>; 2],
}

impl<'a> Stage<'a> {
    async fn set(
        sqlite: &Site,
        nodes: &Site,
        cluster: &'a Cluster,
        sessions: [Vec<Session>; 2],
    ) -> Result<Self> {
        let mut running = Vec::new();
        for node in 0..NODES {
            running.push(nodes.serve_node(node)?.ready().await?);
        }
        Ok(Self {
            cluster,
            bare: sqlite.serve_bare()?.ready().await?,
            sqlite: sqlite.serve()?.ready().await?,
            nodes: running,
            sessions,
        })
    }

    async fn rounds(&mut self, options: &Options, pgbench: &Pgbench<'_>) -> Result<Vec<Row>> {
        let selected = Subject::ALL.into_iter().filter(|subject| options.names(subject.name()));
        let mut rows: Vec<Row> = selected.map(Row::new).collect();
        for round in 1..=options.rounds {
            for row in &mut rows {
                let begin = self.cluster.written();
                let outcome = self.turn(options, row.subject, pgbench).await?;
                let end = self.cluster.written();
                if row.subject.is_on_postgres() {
                    row.wal.push(Wal::between(self.cluster, &begin, &end, outcome.all_requests)?);
                }
                eprintln!(
                    "round {round} of {}: {:10} {:>8} requests/s",
                    options.rounds,
                    row.subject.name(),
                    stats::rounded(outcome.per_second)
                );
                row.rounds.push(outcome);
            }
        }
        Ok(rows)
    }

    async fn turn(
        &mut self,
        options: &Options,
        subject: Subject,
        pgbench: &Pgbench<'_>,
    ) -> Result<Outcome> {
        let [on_sqlite, on_postgres] = &mut self.sessions;
        let mut nobodys = Vec::new();
        let postmaster = Some(self.cluster.postmaster());
        let one = self.nodes.get(..1).unwrap_or_default();
        let (load, target, sessions) = match subject {
            Subject::Pgbench => return pgbench.run(options).await,
            Subject::Bare => {
                nobodys.resize_with(options.sessions.min(CONNECTIONS), Session::default);
                (Load::Bare, Target::one(&self.bare), &mut nobodys)
            }
            Subject::Sqlite => (Load::Refresh, Target::one(&self.sqlite), on_sqlite),
            Subject::Postgres => (Load::Refresh, Target { servers: one, postmaster }, on_postgres),
            Subject::Nodes => {
                (Load::Refresh, Target { servers: &self.nodes, postmaster }, on_postgres)
            }
        };
        let (after, outcome) = turn(options, load, target, std::mem::take(sessions)).await?;
        *sessions = after;
        Ok(outcome)
    }

    async fn clear(self) -> Result<()> {
        for server in self.nodes.into_iter().chain([self.sqlite]) {
            server.stop().await?;
        }
        Ok(())
    }
}
