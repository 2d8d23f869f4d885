//! The report of a run on PostgreSQL.

use anyhow::Result;
use serde::Serialize;

use super::Subject;
use super::cluster::{Table, Wal};
use crate::drive::{CONNECTIONS, Outcome};
use crate::options::Options;
use crate::stats::{float, grouped, median, rounded, spread};
use crate::table::{disturbances, met, table};

/// The targets of the project.
mod target {
    pub(super) const PGBENCH_MULTIPLE: f64 = 2.0;
    pub(super) const PGBENCH_AIM: f64 = 4.0;
    pub(super) const BARE_SHARE: f64 = 0.20;
    pub(super) const BARE_AIM: f64 = 0.35;
    pub(super) const P99_MS: f64 = 15.0;
    pub(super) const WAL_BYTES: f64 = 600.0;
    pub(super) const HOT_SHARE: f64 = 0.95;
}

/// One subject over all rounds.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) subject: Subject,
    /// Of one server.
    sessions: usize,
    pub(super) rounds: Vec<Outcome>,
    pub(super) wal: Vec<Wal>,
}

/// All that a run measured.
#[derive(Serialize)]
pub(super) struct Report {
    machine: String,
    postgres: String,
    conditions: String,
    rows: Vec<Row>,
    /// Of the table of sessions: before and after.
    tables: [Table; 2],
}

impl Row {
    pub(super) const fn new(subject: Subject, sessions: usize) -> Self {
        Self { subject, sessions, rounds: Vec::new(), wal: Vec::new() }
    }

    fn values(&self, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }

    fn per_second(&self) -> Vec<f64> {
        self.values(|round| round.per_second)
    }

    fn title(&self) -> String {
        let sessions = grouped(self.sessions as u64);
        match self.subject {
            Subject::Bare => "bare server".to_owned(),
            Subject::Sqlite => "refresh on SQLite".to_owned(),
            Subject::Pgbench => "pgbench, the same update".to_owned(),
            Subject::Postgres => "refresh on PostgreSQL".to_owned(),
            Subject::Nodes => format!("three nodes, {sessions} sessions in all"),
            Subject::NodesEach => format!("three nodes, {sessions} sessions each"),
        }
    }
}

impl Report {
    pub(super) fn new(
        (machine, postgres): (String, String),
        options: &Options,
        rows: Vec<Row>,
        tables: [Table; 2],
    ) -> Self {
        let connections = options.sessions.min(options.connections);
        let clients = options.sessions.min(CONNECTIONS);
        let conditions = format!(
            "{connections} connections, {} sessions (three times as many of both where three nodes \
             have as many each), {} round(s) of {} s each, plain HTTP/1.1 on loopback; \
             pgbench -M prepared -c {clients} -j 1 over as many rows of its own on the driver's core",
            options.sessions,
            options.rounds,
            options.seconds.as_secs_f64()
        );
        Self { machine, postgres, conditions, rows, tables }
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    pub(super) fn markdown(&self) -> String {
        let speed = self.rows.iter().map(|row| self.speed(row));
        let head = ["load", "requests/s", "p50 ms", "p99 ms", "of bare", "of pgbench"];
        let speed = table(std::iter::once(head.map(str::to_owned)).chain(speed));
        let costs = self.rows.iter().filter(|row| row.subject != Subject::Bare).map(costs);
        let head = [
            "for each request",
            "server CPU µs",
            "PostgreSQL CPU µs",
            "WAL bytes",
            "full-page images",
            "commits",
            "pages pruned",
        ];
        let costs = table(std::iter::once(head.map(str::to_owned)).chain(costs));
        let head = ["measurement", "result", "target"].map(str::to_owned);
        let targets = table(std::iter::once(head).chain(self.targets()));
        let rounds = self.rows.iter().flat_map(|row| &row.rounds);
        format!(
            "Machine: {}.\nDatabase: {}.\nConditions: {}; median [lowest..highest].\n{speed}\n{}\n\
             {costs}{targets}",
            self.machine,
            self.postgres,
            self.conditions,
            disturbances(&rounds)
        )
    }

    fn row(&self, subject: Subject) -> Option<&Row> {
        self.rows.iter().find(|row| row.subject == subject)
    }

    /// The rates of a row as multiples of another's; the rounds take turns, so each is set beside
    /// its neighbour.
    fn multiples(&self, row: &Row, of: Subject) -> Vec<f64> {
        let others = self.row(of).map(Row::per_second).unwrap_or_default();
        row.per_second().iter().zip(&others).map(|(own, other)| own / other).collect()
    }

    fn speed(&self, row: &Row) -> [String; 6] {
        let two = |value: f64| format!("{value:.2}");
        let times = |share: f64| format!("{share:.1} ×");
        [
            row.title(),
            spread(&row.per_second(), rounded),
            spread(&row.values(|round| round.p50_ms), two),
            spread(&row.values(|round| round.p99_ms), two),
            spread(&self.multiples(row, Subject::Bare), percent),
            spread(&self.multiples(row, Subject::Pgbench), times),
        ]
    }

    fn targets(&self) -> Vec<[String; 3]> {
        let mut rows = Vec::new();
        if let Some(row) = self.row(Subject::Postgres) {
            rows.extend(self.speed_targets(row));
        }
        for row in self.rows.iter().filter(|row| row.subject.is_of_nodes()) {
            let bytes: Vec<f64> = row.wal.iter().map(|wal| wal.bytes).collect();
            rows.push([
                format!("{}: WAL bytes outside full-page images", row.title()),
                spread(&bytes, rounded),
                format!("≤ {}: {}", target::WAL_BYTES, at_most(target::WAL_BYTES, &bytes)),
            ]);
        }
        for row in self.rows.iter().filter(|row| row.subject.has_many_nodes()) {
            let shares = self.multiples(row, Subject::Postgres);
            // What the same sessions cost over three nodes of one core is told, not judged:
            // docs/decisions/0016.
            let verdict = match row.subject {
                Subject::NodesEach => format!("≥ 100 %: {}", at_least(1.0, &shares)),
                _ => "(for information)".to_owned(),
            };
            let what = format!("{}: of one node's refreshes/s", row.title());
            rows.push([what, spread(&shares, percent), verdict]);
        }
        rows.extend(self.table_rows());
        rows
    }

    fn speed_targets(&self, row: &Row) -> [[String; 3]; 3] {
        let pgbench = self.multiples(row, Subject::Pgbench);
        let bare = self.multiples(row, Subject::Bare);
        let p99 = row.values(|round| round.p99_ms);
        [
            [
                format!("{}: of pgbench's transactions/s", row.title()),
                spread(&pgbench, |multiple| format!("{multiple:.2} ×")),
                format!(
                    "≥ {} × (aim {} ×): {}",
                    target::PGBENCH_MULTIPLE,
                    target::PGBENCH_AIM,
                    at_least(target::PGBENCH_MULTIPLE, &pgbench)
                ),
            ],
            [
                format!("{}: of the bare server's requests/s", row.title()),
                spread(&bare, percent),
                format!(
                    "≥ {} (aim {}): {}",
                    percent(target::BARE_SHARE),
                    percent(target::BARE_AIM),
                    at_least(target::BARE_SHARE, &bare)
                ),
            ],
            [
                format!("{}: p99", row.title()),
                spread(&p99, |value| format!("{value:.2} ms")),
                format!("≤ {} ms: {}", target::P99_MS, at_most(target::P99_MS, &p99)),
            ],
        ]
    }

    fn table_rows(&self) -> Vec<[String; 3]> {
        let [before, after] = &self.tables;
        let refreshes: u64 = self
            .rows
            .iter()
            .filter(|row| row.subject.is_of_nodes())
            .flat_map(|row| row.rounds.iter().map(|round| round.all_requests))
            .sum();
        let updates = after.updates - before.updates;
        let hot = float(after.hot_updates - before.hot_updates) / float(updates.max(1));
        let transactions = float(after.transactions - before.transactions);
        vec![
            [
                format!("HOT updates, of {}", grouped(updates)),
                format!("{:.1} %", hot * 100.0),
                format!(
                    "≥ {}: {}",
                    percent(target::HOT_SHARE),
                    at_least(target::HOT_SHARE, &[hot])
                ),
            ],
            [
                format!("table of sessions, {} refreshes", grouped(refreshes)),
                format!("{} → {} bytes", grouped(before.bytes), grouped(after.bytes)),
                String::new(),
            ],
            [
                "its indexes".to_owned(),
                format!("{} → {} bytes", grouped(before.index_bytes), grouped(after.index_bytes)),
                String::new(),
            ],
            [
                "its vacuums, and dead rows at the end".to_owned(),
                format!("{}, {}", after.vacuums - before.vacuums, grouped(after.dead)),
                String::new(),
            ],
            [
                "transactions for each refresh, reads included".to_owned(),
                format!("{:.3}", transactions / float(refreshes.max(1))),
                String::new(),
            ],
        ]
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// What became of a target; nothing where what it needs was not measured.
fn at_least(limit: f64, values: &[f64]) -> &'static str {
    if values.is_empty() { "n/a" } else { met(median(values) >= limit) }
}

fn at_most(limit: f64, values: &[f64]) -> &'static str {
    if values.is_empty() { "n/a" } else { met(median(values) <= limit) }
}

fn costs(row: &Row) -> [String; 7] {
    let one = |value: f64| format!("{value:.1}");
    let cpu = |of: fn(&Outcome) -> f64| match row.values(of) {
        values if values.iter().all(|value| *value == 0.0) => "–".to_owned(),
        values => spread(&values, one),
    };
    let wal = |of: fn(&Wal) -> f64, write: fn(f64) -> String| match row.wal.as_slice() {
        [] => "–".to_owned(),
        wal => spread(&wal.iter().map(of).collect::<Vec<_>>(), write),
    };
    let three = |value: f64| format!("{value:.3}");
    [
        row.title(),
        cpu(|round| round.server_cpu_us),
        cpu(|round| round.postgres_cpu_us),
        wal(|wal| wal.bytes, rounded),
        wal(|wal| wal.image_bytes, rounded),
        wal(|wal| wal.commits, three),
        wal(|wal| wal.prunes, three),
    ]
}
