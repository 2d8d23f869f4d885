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
use crate::drive::{Load, Outcome, Session, Target};
use crate::options::Options;
use crate::process::{CLIENT, Cores, NODES, Server, Site};
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
    /// Refreshes of several servers on the same database, which share the sessions of one.
    Nodes,
    /// The same, where each has as many sessions as the one has.
    NodesEach,
}

impl Subject {
    const ALL: [Self; 6] =
        [Self::Bare, Self::Sqlite, Self::Pgbench, Self::Postgres, Self::Nodes, Self::NodesEach];

    fn selected(options: &Options) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|subject| options.names(subject.name()))
    }

    /// What `--only` calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Sqlite => "sqlite",
            Self::Pgbench => "pgbench",
            Self::Postgres => "postgres",
            Self::Nodes => "nodes",
            Self::NodesEach => "nodes_each",
        }
    }

    fn is_on_postgres(self) -> bool {
        matches!(self, Self::Pgbench) || self.is_of_nodes()
    }

    /// Whether the refreshes are those of nodes on PostgreSQL.
    fn is_of_nodes(self) -> bool {
        matches!(self, Self::Postgres | Self::Nodes | Self::NodesEach)
    }

    fn has_many_nodes(self) -> bool {
        matches!(self, Self::Nodes | Self::NodesEach)
    }

    /// By how much it has more sessions, and connections, than the others.
    fn fold(self) -> usize {
        if self == Self::NodesEach { NODES } else { 1 }
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
    let most = Subject::selected(options).map(Subject::fold).max().unwrap_or(1);
    let sessions =
        [seeded(&sqlite, options.sessions).await?, seeded(&nodes, options.sessions * most).await?];
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

/// Makes the site and logs in there.
async fn seeded(site: &Site, sessions: usize) -> Result<Vec<Session>> {
    site.create()?;
    let server = site.serve()?.ready().await?;
    let sessions = log_in(&server, CLIENT, sessions).await?;
    server.stop().await?;
    Ok(sessions)
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
        let selected = Subject::selected(options);
        let mut rows: Vec<Row> =
            selected.map(|subject| Row::new(subject, options.sessions)).collect();
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
        let connections = options.connections * subject.fold();
        let mut nobodys = Vec::new();
        let (load, target, sessions) = match subject {
            Subject::Pgbench => return pgbench.run(options).await,
            Subject::Bare => {
                nobodys.resize_with(options.sessions.min(connections), Session::default);
                (Load::Bare, Target::one(&self.bare, connections), &mut nobodys)
            }
            Subject::Sqlite => (Load::Refresh, Target::one(&self.sqlite, connections), on_sqlite),
            Subject::Postgres | Subject::Nodes | Subject::NodesEach => {
                let nodes = if subject.has_many_nodes() { NODES } else { 1 };
                let servers = self.nodes.get(..nodes).context("there are fewer nodes")?;
                let postmaster = Some(self.cluster.postmaster());
                (Load::Refresh, Target { servers, postmaster, connections }, on_postgres)
            }
        };
        let mut own = std::mem::take(sessions);
        let spare = own.split_off(own.len().min(options.sessions * subject.fold()));
        let (after, outcome) = turn(options, load, target, own).await?;
        sessions.extend(after.into_iter().chain(spare));
        Ok(outcome)
    }

    async fn clear(self) -> Result<()> {
        for server in self.nodes.into_iter().chain([self.sqlite]) {
            server.stop().await?;
        }
        Ok(())
    }
}
