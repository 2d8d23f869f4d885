//! The report: everything that was measured, as Markdown or as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::drive::{Load, Outcome};
use crate::options::Options;
use crate::stats::{grouped, median, rounded, spread};

/// Above this share of its core the driver, and not the server, may be what was measured.
const DRIVER_BUSY: f64 = 0.95;
/// Above this share of a core something else ran as well.
const DISTURBED: f64 = 0.1;

/// The targets of the project.
mod target {
    pub(super) const REFRESH_SHARE: f64 = 0.25;
    pub(super) const REFRESH_AIM: f64 = 0.40;
    pub(super) const REFRESH_P99_MS: f64 = 10.0;
    pub(super) const CLIENT_CREDENTIALS_SHARE: f64 = 0.40;
    pub(super) const RESIDENT_BYTES: u64 = 64_000_000;
    pub(super) const FIRST_TOKEN_MS: f64 = 300.0;
}

/// All that a run measured; what was not asked for is absent.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: String,
    conditions: String,
    pub(crate) speed: Vec<Speed>,
    pub(crate) memory: Option<Memory>,
    pub(crate) seeding_peak_bytes: Option<u64>,
    pub(crate) start_ms: Vec<f64>,
    pub(crate) size: Option<Size>,
}

/// One load over all rounds.
#[derive(Serialize)]
pub(crate) struct Speed {
    pub(crate) load: Load,
    pub(crate) rounds: Vec<Outcome>,
}

/// Resident bytes of the server that had the loads.
#[derive(Serialize)]
pub(crate) struct Memory {
    pub(crate) idle: u64,
    pub(crate) loaded: u64,
    pub(crate) peak: u64,
}

/// What many refreshes left on disk.
#[derive(Serialize)]
pub(crate) struct Size {
    pub(crate) sessions: usize,
    pub(crate) outcome: Outcome,
    pub(crate) snapshots: Vec<Snapshot>,
}

/// Every file below the data directory at one moment, with its length.
#[derive(Serialize)]
pub(crate) struct Snapshot {
    when: &'static str,
    files: BTreeMap<String, u64>,
}

impl Speed {
    pub(crate) fn new(load: Load) -> Self {
        Self { load, rounds: Vec::new() }
    }

    fn values(&self, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.rounds.iter().map(of).collect()
    }

    fn per_second(&self) -> Vec<f64> {
        self.values(|round| round.per_second)
    }

    fn title(&self) -> &'static str {
        match self.load {
            Load::Bare => "bare server",
            Load::Refresh => "refresh",
            Load::ClientCredentials => "client credentials",
            Load::Introspect => "introspect",
            Load::Code => "code, one inserted row each",
            Load::RefreshIdTokenRs256 => "refresh with ID token, RS256",
            Load::RefreshIdTokenEs256 => "refresh with ID token, ES256",
        }
    }

    /// The target with what became of it.
    fn verdict(&self, share: f64, refresh: Option<&Self>) -> String {
        match self.load {
            Load::Refresh => format!(
                "≥ {:.0} % of bare (aim {:.0} %): {}; p99 ≤ {} ms: {}",
                target::REFRESH_SHARE * 100.0,
                target::REFRESH_AIM * 100.0,
                met(share >= target::REFRESH_SHARE),
                target::REFRESH_P99_MS,
                met(median(&self.values(|round| round.p99_ms)) <= target::REFRESH_P99_MS)
            ),
            Load::ClientCredentials => format!(
                "≥ {:.0} % of bare: {}",
                target::CLIENT_CREDENTIALS_SHARE * 100.0,
                met(share >= target::CLIENT_CREDENTIALS_SHARE)
            ),
            Load::Code => "none; bound by CPU and by one commit of each row".to_owned(),
            Load::RefreshIdTokenRs256 | Load::RefreshIdTokenEs256 => refresh.map_or_else(
                || "none; bound by CPU for the signature".to_owned(),
                |refresh| {
                    let cpu = |row: &Self| median(&row.values(|round| round.server_cpu_us));
                    format!(
                        "none; bound by CPU: {:.0} µs of {:.0} are the ID token",
                        cpu(self) - cpu(refresh),
                        cpu(self)
                    )
                },
            ),
            Load::Bare | Load::Introspect => String::new(),
        }
    }

    fn row(&self, bare: Option<&Self>, refresh: Option<&Self>) -> [String; 7] {
        let bare = bare.map(Self::per_second).unwrap_or_default();
        let own = self.per_second();
        // The rounds take turns, so each is set beside its neighbour.
        let shares: Vec<f64> = own.iter().zip(&bare).map(|(own, bare)| own / bare).collect();
        let share = median(&own) / median(&bare);
        let percent = |share: f64| format!("{:.0}", share * 100.0);
        let share_text = format!("{} % ({})", percent(share), spread(&shares, percent));
        let two = |value: f64| format!("{value:.2}");
        let one = |value: f64| format!("{value:.1}");
        [
            self.title().to_owned(),
            spread(&own, rounded),
            spread(&self.values(|round| round.p50_ms), two),
            spread(&self.values(|round| round.p99_ms), two),
            spread(&self.values(|round| round.server_cpu_us), one),
            if self.load == Load::Bare { "100 %".to_owned() } else { share_text },
            self.verdict(share, refresh),
        ]
    }
}

impl Snapshot {
    /// Lists the directory. A file that goes away meanwhile is left out.
    pub(crate) fn take(when: &'static str, root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            let entries =
                std::fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
            for entry in entries {
                let path = entry?.path();
                match std::fs::symlink_metadata(&path) {
                    Ok(found) if found.is_dir() => open.push(path),
                    Ok(found) => {
                        let name = path.strip_prefix(root)?.display().to_string();
                        files.insert(name, found.len());
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error).context(path.display().to_string()),
                }
            }
        }
        Ok(Self { when, files })
    }

    fn total(&self) -> u64 {
        self.files.values().sum()
    }
}

impl Report {
    pub(crate) fn new(machine: String, options: &Options) -> Self {
        let conditions = format!(
            "{} connections, {} sessions, {} round(s) of {} s for each load, plain HTTP/1.1 on \
             loopback",
            options.sessions.min(options.connections),
            options.sessions,
            options.rounds,
            options.seconds.as_secs_f64()
        );
        Self {
            machine,
            conditions,
            speed: Vec::new(),
            memory: None,
            seeding_peak_bytes: None,
            start_ms: Vec::new(),
            size: None,
        }
    }

    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut out = format!(
            "Machine: {}.\nConditions: {}; median [lowest..highest].\n",
            self.machine, self.conditions
        );
        if !self.speed.is_empty() {
            out.push_str(&self.speed_table());
        }
        out.push_str(&self.cost_table());
        if let Some(size) = &self.size {
            out.push_str(&size.table());
        }
        out
    }

    fn speed_table(&self) -> String {
        let head = [
            "load",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "server CPU µs",
            "of bare (by round)",
            "target",
        ];
        let bare = self.speed.iter().find(|row| row.load == Load::Bare);
        let refresh = self.speed.iter().find(|row| row.load == Load::Refresh);
        let rows = self.speed.iter().map(|row| row.row(bare, refresh));
        let table = table(std::iter::once(head.map(str::to_owned)).chain(rows));
        let rounds = self.speed.iter().flat_map(|row| &row.rounds);
        format!("{table}\n{}\n", disturbances(&rounds))
    }

    fn cost_table(&self) -> String {
        let mut rows: Vec<[String; 3]> = Vec::new();
        if let Some(memory) = &self.memory {
            rows.extend(memory.rows());
        }
        if let Some(peak) = self.seeding_peak_bytes {
            rows.push(["memory, peak of password logins".into(), megabytes(peak), String::new()]);
        }
        if !self.start_ms.is_empty() {
            let verdict = met(median(&self.start_ms) <= target::FIRST_TOKEN_MS);
            rows.push([
                format!("start to first token, {} starts", self.start_ms.len()),
                format!("{} ms", spread(&self.start_ms, rounded)),
                format!("≤ {} ms: {verdict}", target::FIRST_TOKEN_MS),
            ]);
        }
        if let Some(row) = self.speed.iter().find(|row| row.load == Load::Refresh) {
            let written: Vec<f64> = row.rounds.iter().filter_map(|round| round.written).collect();
            let written = spread(&written, rounded);
            rows.push(["bytes written for each refresh".into(), written, String::new()]);
        }
        if let Some(size) = &self.size {
            rows.extend(size.rows());
        }
        let head = ["measurement", "result", "target"].map(str::to_owned);
        table(std::iter::once(head).chain(rows))
    }
}

impl Memory {
    fn rows(&self) -> [[String; 3]; 3] {
        let limit = target::RESIDENT_BYTES;
        let verdict = |bytes| format!("≤ {}: {}", megabytes(limit), met(bytes <= limit));
        [
            ["memory, ready and idle".into(), megabytes(self.idle), String::new()],
            ["memory, after the loads".into(), megabytes(self.loaded), verdict(self.loaded)],
            ["memory, peak of the loads".into(), megabytes(self.peak), verdict(self.peak)],
        ]
    }
}

impl Size {
    fn rows(&self) -> Vec<[String; 3]> {
        let mut rows = Vec::new();
        let stopped: Vec<u64> = self
            .snapshots
            .iter()
            .filter(|snapshot| snapshot.when.ends_with("stopped"))
            .map(Snapshot::total)
            .collect();
        if let [before, after] = stopped.as_slice() {
            rows.push([
                format!(
                    "data directory, {} sessions, {} refreshes",
                    grouped(self.sessions as u64),
                    grouped(self.outcome.requests)
                ),
                format!("{} → {} bytes", grouped(*before), grouped(*after)),
                format!("unchanged: {}", met(after <= before)),
            ]);
        }
        let many = format!(
            "these refreshes: {} /s, p99 {:.2} ms",
            rounded(self.outcome.per_second),
            self.outcome.p99_ms
        );
        let written = self.outcome.written.map_or_else(|| "n/a".to_owned(), rounded);
        rows.push([many, format!("{written} bytes written for each"), String::new()]);
        rows
    }

    fn table(&self) -> String {
        let names: BTreeSet<&String> =
            self.snapshots.iter().flat_map(|snapshot| snapshot.files.keys()).collect();
        let line_of = |cells: Vec<String>, name: &str| {
            std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
        };
        let each = |of: &dyn Fn(&Snapshot) -> String| self.snapshots.iter().map(of).collect();
        let head = line_of(each(&|snapshot| snapshot.when.to_owned()), "bytes");
        let files = names.into_iter().map(|name| {
            let length = |snapshot: &Snapshot| {
                snapshot.files.get(name).map_or_else(|| "–".to_owned(), |bytes| grouped(*bytes))
            };
            line_of(each(&length), name)
        });
        let total = line_of(each(&|snapshot| grouped(snapshot.total())), "all");
        table(std::iter::once(head).chain(files).chain(std::iter::once(total)))
    }
}

/// What else might have decided the figures.
pub(crate) fn disturbances<'a>(rounds: &(impl Iterator<Item = &'a Outcome> + Clone)) -> String {
    let worst = |of: fn(&Outcome) -> f64| rounds.clone().map(of).fold(0.0, f64::max);
    let driver = worst(|round| round.driver_cores);
    let other = worst(|round| round.other_cores);
    let stolen = worst(|round| round.stolen_cores);
    let mut text = format!(
        "At most, in cores: driver {driver:.2}, others and the kernel {other:.2}, hypervisor \
         {stolen:.2}."
    );
    if driver > DRIVER_BUSY {
        text.push_str(" The driver was the limit: the fastest row is a lower bound.");
    }
    if other > DISTURBED || stolen > DISTURBED {
        text.push_str(" The machine was not quiet.");
    }
    text
}

/// A Markdown table; the first row is its head.
pub(crate) fn table<Row: AsRef<[String]>>(rows: impl Iterator<Item = Row>) -> String {
    let mut lines = vec![String::new()];
    for row in rows {
        let cells = row.as_ref();
        lines.push(format!("| {} |", cells.join(" | ")));
        if lines.len() == 2 {
            lines.push(format!("|{}", "---|".repeat(cells.len())));
        }
    }
    lines.join("\n") + "\n"
}

pub(crate) fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
