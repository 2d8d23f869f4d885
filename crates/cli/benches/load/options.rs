//! The command line of the benchmark, which cargo shares: it adds `--bench`.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::drive::{CONNECTIONS, Load};

/// What `--only` may name besides a load.
const PARTS: [&str; 2] = ["start", "size"];

/// What it may name on PostgreSQL.
pub(crate) const ON_POSTGRES: [&str; 6] =
    ["bare", "sqlite", "pgbench", "postgres", "nodes", "nodes_each"];

const USAGE: &str = "cargo bench -p remint --bench load -- [postgres] [options]

  postgres        refreshes on PostgreSQL beside pgbench and SQLite, instead of all loads on SQLite
  --seconds S     measured seconds of each load in each round (4)
  --rounds N      rounds over all the loads (3)
  --sessions N    sessions of the loads; nodes_each has three times as many (64)
  --connections N as many at most, one for each session; nodes_each has three times as many, and
                  pgbench never more than 64 (64)
  --refreshes N   refreshes of the size row, over 1,000 sessions (1000000)
  --only NAME     bare, refresh, client_credentials, introspect, code, refresh_id_token_rs256,
                  refresh_id_token_es256, start or size;
                  with postgres: bare, sqlite, pgbench, postgres, nodes or nodes_each
  --json          one JSON object instead of the tables";

/// What the executable was asked to do.
pub(crate) enum Command {
    /// Be the bare server.
    Bare { port: u16 },
    /// Measure.
    Measure(Options),
    /// Measure on PostgreSQL.
    MeasurePostgres(Options),
    /// Say this and end.
    Explain(&'static str),
}

/// How to measure.
pub(crate) struct Options {
    pub(crate) seconds: Duration,
    pub(crate) rounds: usize,
    pub(crate) sessions: usize,
    pub(crate) connections: usize,
    pub(crate) refreshes: u64,
    pub(crate) json: bool,
    only: Option<String>,
}

impl Options {
    /// Whether the part is to be measured. The bare server goes with every load: a figure without
    /// it says as much about the machine as about Remint.
    pub(crate) fn selects(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| {
            only == part || (part == Load::Bare.name() && !PARTS.contains(&only))
        })
    }

    /// Whether `--only` lets the part be measured.
    pub(crate) fn names(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut options = Options {
        seconds: Duration::from_secs(4),
        rounds: 3,
        sessions: 64,
        connections: CONNECTIONS,
        refreshes: 1_000_000,
        json: false,
        only: None,
    };
    let mut by_cargo_bench = false;
    let mut on_postgres = false;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "bare" => return Ok(Command::Bare { port: value()?.parse()? }),
            "postgres" => on_postgres = true,
            "--help" | "-h" => return Ok(Command::Explain(USAGE)),
            "--bench" => by_cargo_bench = true,
            "--json" => options.json = true,
            "--seconds" => options.seconds = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--sessions" => options.sessions = value()?.parse()?,
            "--connections" => options.connections = value()?.parse()?,
            "--refreshes" => options.refreshes = value()?.parse()?,
            "--only" => options.only = Some(value()?),
            _ => bail!("unknown argument {argument}\n\n{USAGE}"),
        }
    }
    if !by_cargo_bench {
        // `cargo test --all-targets` runs benches too, without this flag.
        return Ok(Command::Explain("not measuring: use cargo bench"));
    }
    check(&options, on_postgres)?;
    Ok(if on_postgres { Command::MeasurePostgres(options) } else { Command::Measure(options) })
}

fn check(options: &Options, on_postgres: bool) -> Result<()> {
    let seconds = options.seconds.as_secs_f64();
    ensure!((0.1..=3_600.0).contains(&seconds), "--seconds must be 0.1 to 3600");
    ensure!((1..=1_000).contains(&options.rounds), "--rounds must be 1 to 1000");
    ensure!((1..=100_000).contains(&options.sessions), "--sessions must be 1 to 100000");
    ensure!((1..=1_000).contains(&options.connections), "--connections must be 1 to 1000");
    ensure!(
        (1..=1_000_000_000).contains(&options.refreshes),
        "--refreshes must be 1 to 1000000000"
    );
    if let Some(only) = options.only.as_deref() {
        let known = if on_postgres {
            ON_POSTGRES.contains(&only)
        } else {
            PARTS.contains(&only) || Load::ALL.iter().any(|load| load.name() == only)
        };
        ensure!(known, "--only {only}: there is no such part\n\n{USAGE}");
    }
    Ok(())
}
