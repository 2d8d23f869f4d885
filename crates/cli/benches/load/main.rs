//! The load benchmark: Remint beside a bare HTTP server, on one core, in one run.
//!
//! `cargo bench -p remint --bench load -- --help` lists the options. The server has one core and
//! the driver another; the loads take turns over several rounds, so that a machine that slows down
//! slows them all. The bare server is this executable again: it parses the same requests and
//! answers a static document, so its figure is about the most that a token endpoint could do here.
//! With `postgres` as its first word it measures refreshes on PostgreSQL instead.
//!
//! A missed target is reported and is no failure. An unexpected answer ends the run with its body.

mod bare;
mod client;
mod codes;
mod drive;
mod machine;
mod options;
mod postgres;
mod process;
mod seed;
mod stats;
mod table;
mod usage;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use drive::{CONNECTIONS, Load, Outcome, Plan, Session, Target};
use options::{Command, Options};
use process::{CLIENT, Cores, ES256_CLIENT, RS256_CLIENT, Server, Site};
use table::{Memory, Report, Size, Snapshot, Speed};

/// The same load before measuring starts.
const WARM_UP: Duration = Duration::from_secs(1);
/// Sessions of the size row.
const SIZE_SESSIONS: usize = 1_000;
/// Starts whose median is the time to the first token.
const STARTS: usize = 5;
/// How long a server is left alone before its idle memory is read.
const IDLE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let result = options::parse(std::env::args_os().skip(1).filter_map(|a| a.into_string().ok()))
        .and_then(|command| match command {
            Command::Bare { port } => bare::serve(port),
            Command::Measure(options) => measure(&options),
            Command::MeasurePostgres(options) => postgres::measure(&options),
            Command::Explain(text) => {
                eprintln!("{text}");
                Ok(())
            }
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let cores = cores()?;
    let scratch = env!("CARGO_TARGET_TMPDIR");
    std::fs::create_dir_all(scratch).context(scratch)?;
    let root = tempfile::tempdir_in(scratch).context(scratch)?;
    let site = Site::new(root.path(), cores)?;
    process::pin_driver(cores)?;
    let report = driver()?.block_on(Box::pin(report(options, &site, cores)))?;
    println!("{}", if options.json { report.json()? } else { report.markdown() });
    Ok(())
}

fn cores() -> Result<Option<Cores>> {
    let cores = Cores::choose()?;
    if cores.is_none() {
        eprintln!("only one core: server and driver share it, and every figure is lower for it");
    }
    Ok(cores)
}

/// What the driver runs on. The interval makes it look for answers often: with the default it would
/// send 61 requests before it took the time of the first answer.
fn driver() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().event_interval(7).enable_all().build()?)
}

/// Every part of the run that the options ask for. All of them share one data directory, so that
/// sessions are logged in once: what is read of its size is read before the loads take turns.
async fn report(options: &Options, site: &Site, cores: Option<Cores>) -> Result<Report> {
    site.create()?;
    let with_size = options.selects("size");
    let loads: Vec<Load> =
        Load::ALL.into_iter().filter(|load| options.selects(load.name())).collect();
    let needs = |client: &str| loads.iter().any(|l| l.needs_logins() && l.client() == client);
    let rotates = needs(CLIENT);
    let others: Vec<_> = [RS256_CLIENT, ES256_CLIENT].into_iter().filter(|id| needs(id)).collect();
    let needed =
        (if rotates { options.sessions } else { 0 }).max(if with_size { SIZE_SESSIONS } else { 0 });
    let mut report = Report::new(machine::describe(site.root(), cores)?, options);
    // First, since they have rows too, and the size before the refreshes is read after the other logins.
    let own = with_id_tokens(site, &others, options.sessions).await?;
    let cookies = if loads.contains(&Load::Code) { person(site).await? } else { String::new() };
    let mut seeded = seed_sessions(site, needed).await?;
    if needed > 0 {
        report.seeding_peak_bytes = Some(seeded.peak_bytes);
    }
    if with_size {
        report.size = Some(size(site, options, &mut seeded).await?);
    }
    if options.selects("start") {
        report.start_ms = starts(site).await?;
    }
    if !loads.is_empty() {
        seeded.sessions.truncate(options.sessions);
        let mut sessions = own;
        sessions.insert(CLIENT, seeded.sessions);
        let people = People { sessions, cookies };
        let (memory, speed) = speed(site, options, &loads, people).await?;
        report.memory = Some(memory);
        report.speed = speed;
    }
    Ok(report)
}

/// Sessions by their client.
type Sessions = BTreeMap<&'static str, Vec<Session>>;

/// Who is logged in before the loads.
struct People {
    sessions: Sessions,
    /// Of a browser, for codes.
    cookies: String,
}

struct Seeded {
    sessions: Vec<Session>,
    peak_bytes: u64,
    snapshots: Vec<Snapshot>,
}

/// Logs in, in a server process of its own: hashing passwords takes memory that the other rows
/// should not be charged with.
async fn seed_sessions(site: &Site, count: usize) -> Result<Seeded> {
    let server = site.serve()?.ready().await?;
    let sessions = log_in(&server, CLIENT, count).await?;
    let peak_bytes = usage::memory(server.pid())?.peak;
    let running = Snapshot::take("logged in, running", site.data())?;
    server.stop().await?;
    let stopped = Snapshot::take("logged in, stopped", site.data())?;
    Ok(Seeded { sessions, peak_bytes, snapshots: vec![running, stopped] })
}

/// The sessions of clients that get ID tokens.
async fn with_id_tokens(site: &Site, clients: &[&'static str], count: usize) -> Result<Sessions> {
    let mut sessions = Sessions::new();
    if clients.is_empty() {
        return Ok(sessions);
    }
    let server = site.serve()?.ready().await?;
    for client in clients {
        sessions.insert(client, log_in(&server, client, count).await?);
    }
    server.stop().await?;
    Ok(sessions)
}

/// The cookies of a person who is signed in at a browser.
async fn person(site: &Site) -> Result<String> {
    let server = site.serve()?.ready().await?;
    let cookies = within(30, "signing in at the page", codes::sign_in(&server)).await?;
    server.stop().await?;
    Ok(cookies)
}

async fn log_in(server: &Server, client: &str, count: usize) -> Result<Vec<Session>> {
    if count > 0 {
        eprintln!("logging in {count} sessions of {client}");
    }
    // At 5 logins/s, a tenth of what argon2 allows on one core.
    let limit = (count as u64).div_ceil(5) + 10;
    within(limit, "logins", seed::sessions(server, client, count)).await
}

/// Many refreshes over few sessions: what they leave behind on disk.
async fn size(site: &Site, options: &Options, seeded: &mut Seeded) -> Result<Size> {
    eprintln!("{} refreshes over {SIZE_SESSIONS} sessions", stats::grouped(options.refreshes));
    let server = site.serve()?.ready().await?;
    let plan = Plan {
        load: Load::Refresh,
        warm_up: Duration::ZERO,
        // At 5,000 refreshes/s; a slower server is cut off and the row says how far it came.
        window: Duration::from_secs(options.refreshes.div_ceil(5_000).max(1)),
        limit: options.refreshes,
    };
    let sessions = std::mem::take(&mut seeded.sessions);
    let (sessions, outcome) =
        drive::run(&plan, Target::one(&server, CONNECTIONS), sessions).await?;
    seeded.sessions = sessions;
    let mut snapshots = std::mem::take(&mut seeded.snapshots);
    snapshots.push(Snapshot::take("refreshed, running", site.data())?);
    server.stop().await?;
    snapshots.push(Snapshot::take("refreshed, stopped", site.data())?);
    Ok(Size { sessions: SIZE_SESSIONS, outcome, snapshots })
}

/// From the start of the process until a polling client has its first token, in ms.
async fn starts(site: &Site) -> Result<Vec<f64>> {
    eprintln!("{STARTS} starts");
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let began = now();
        let mut server = site.serve()?;
        within(30, "first token", seed::first_token(&mut server)).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        server.stop().await?;
    }
    Ok(times)
}

/// The loads in turn, round after round.
async fn speed(
    site: &Site,
    options: &Options,
    loads: &[Load],
    mut people: People,
) -> Result<(Memory, Vec<Speed>)> {
    let bare = site.serve_bare()?.ready().await?;
    let remint = site.serve()?.ready().await?;
    tokio::time::sleep(IDLE).await;
    let idle = usage::memory(remint.pid())?.resident;
    let mut rows: Vec<Speed> = loads.iter().map(|load| Speed::new(*load)).collect();
    for round in 1..=options.rounds {
        for row in &mut rows {
            let server = if row.load == Load::Bare { &bare } else { &remint };
            let kept = people.sessions.entry(row.load.client()).or_default();
            let mut sessions = std::mem::take(kept);
            // Every load gets as many connections, whether or not it looks at its sessions.
            sessions.resize_with(options.sessions, Session::default);
            if row.load == Load::Code {
                let count = codes::count(options.seconds);
                let obtained = codes::obtain(server, &people.cookies, &mut sessions, count);
                within(codes::LIFETIME, "codes", obtained).await?;
            }
            let target = Target::one(server, options.connections);
            let (after, outcome) = turn(options, row.load, target, sessions).await?;
            *kept = after;
            eprintln!(
                "round {round} of {}: {:22} {:>8} requests/s",
                options.rounds,
                row.load.name(),
                stats::rounded(outcome.per_second)
            );
            row.rounds.push(outcome);
        }
    }
    let loaded = usage::memory(remint.pid())?;
    remint.stop().await?;
    Ok((Memory { idle, loaded: loaded.resident, peak: loaded.peak }, rows))
}

async fn turn(
    options: &Options,
    load: Load,
    target: Target<'_>,
    sessions: Vec<Session>,
) -> Result<(Vec<Session>, Outcome)> {
    // A warm-up would redeem the codes that are to be measured.
    let warm_up = if load == Load::Code { Duration::ZERO } else { WARM_UP };
    let plan = Plan { load, warm_up, window: options.seconds, limit: u64::MAX };
    drive::run(&plan, target, sessions).await
}

/// Fails when the part takes longer than it ever should.
async fn within<T>(seconds: u64, what: &str, part: impl Future<Output = Result<T>>) -> Result<T> {
    let limit = Duration::from_secs(seconds);
    let ended = tokio::time::timeout(limit, part).await;
    ended.with_context(|| format!("{what}: not done after {seconds} s"))?
}

/// The only reader of the clock here.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
