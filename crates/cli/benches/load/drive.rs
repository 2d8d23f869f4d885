//! The load: a closed loop over many connections that checks every answer.
//!
//! A refresh load is a chain: each session presents the newest refresh token that it was given, and
//! an answer that does not carry another one ends the run.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use remint_testbed::pkce::VERIFIER;
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::client::Client;
use crate::now;
use crate::process::{
    CLIENT, CODE_CLIENT, ES256_CLIENT, INTROSPECT, REDIRECT_URI, RS256_CLIENT, Server, TOKEN,
    authorization,
};
use crate::stats::{float, quantile};
use crate::usage::{Sample, Watched};

/// Connections of a load, each with one request in flight, unless the options say otherwise.
pub(crate) const CONNECTIONS: usize = 64;
/// How long the last answers may take after the window has closed.
const PATIENCE: Duration = Duration::from_secs(15);
/// What RFC 3986 §2.3 leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A refresh token for the bare server, as long as Remint's own.
const SAMPLE_TOKEN: &str =
    "rmrt_012345678901234567890123456789012345678901234567890123456789012345678901234567890";

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Load {
    /// Refreshes to the bare server.
    Bare,
    /// RFC 6749 §6.
    Refresh,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 7662, the newest access token of each session.
    Introspect,
    /// RFC 6749 §4.1.3, of codes that were obtained before.
    Code,
    /// Refreshes that bring an ID token (OpenID Connect Core §12.2), signed by RSA.
    RefreshIdTokenRs256,
    /// The same, signed on P-256.
    RefreshIdTokenEs256,
}

impl Load {
    pub(crate) const ALL: [Self; 7] = [
        Self::Bare,
        Self::Refresh,
        Self::ClientCredentials,
        Self::Introspect,
        Self::Code,
        Self::RefreshIdTokenRs256,
        Self::RefreshIdTokenEs256,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Refresh => "refresh",
            Self::ClientCredentials => "client_credentials",
            Self::Introspect => "introspect",
            Self::Code => "code",
            Self::RefreshIdTokenRs256 => "refresh_id_token_rs256",
            Self::RefreshIdTokenEs256 => "refresh_id_token_es256",
        }
    }

    /// Whose sessions it works on.
    pub(crate) fn client(self) -> &'static str {
        match self {
            Self::Bare | Self::Refresh | Self::ClientCredentials | Self::Introspect => CLIENT,
            Self::Code => CODE_CLIENT,
            Self::RefreshIdTokenRs256 => RS256_CLIENT,
            Self::RefreshIdTokenEs256 => ES256_CLIENT,
        }
    }

    /// Whether its sessions are logged in before.
    pub(crate) fn needs_logins(self) -> bool {
        !matches!(self, Self::Bare | Self::ClientCredentials | Self::Code)
    }

    fn path(self) -> &'static str {
        match self {
            Self::Introspect => INTROSPECT,
            _ => TOKEN,
        }
    }

    /// Writes the next request of a session, and says whether there is one.
    fn fill(self, form: &mut String, session: &mut Session) -> bool {
        form.clear();
        let parts = match self {
            Self::Bare => ["grant_type=refresh_token&refresh_token=", SAMPLE_TOKEN],
            Self::Refresh | Self::RefreshIdTokenRs256 | Self::RefreshIdTokenEs256 => {
                ["grant_type=refresh_token&refresh_token=", &session.refresh]
            }
            Self::ClientCredentials => ["grant_type=client_credentials", ""],
            Self::Introspect => ["token=", &session.access],
            Self::Code => {
                let Some(code) = session.codes.pop() else { return false };
                form.extend(["grant_type=authorization_code&redirect_uri=", REDIRECT_URI]);
                form.extend(["&code_verifier=", VERIFIER, "&code=", &code]);
                return true;
            }
        };
        form.extend(parts);
        true
    }

    /// Whether the answer is what the load is for.
    fn check(self, session: &mut Session, body: &[u8]) -> Result<()> {
        match self {
            Self::Refresh => session.renew(body),
            Self::RefreshIdTokenRs256 | Self::RefreshIdTokenEs256 => {
                ensure!(Tokens::parse(body)?.id_token.is_some(), "no ID token");
                session.renew(body)
            }
            Self::Bare | Self::ClientCredentials | Self::Code => {
                let token = Tokens::parse(body)?.access_token;
                ensure!(token.is_some(), "no access token");
                Ok(())
            }
            Self::Introspect => {
                let active = serde_json::from_slice::<Introspection>(body)?.active;
                ensure!(active, "the token is not active");
                Ok(())
            }
        }
    }
}

/// The newest tokens of a session, encoded as forms need them.
#[derive(Default)]
pub(crate) struct Session {
    refresh: String,
    access: String,
    spare: String,
    /// To be redeemed, each once.
    pub(crate) codes: Vec<String>,
}

impl Session {
    /// Takes the tokens of an answer. The refresh token must be another than before.
    pub(crate) fn renew(&mut self, body: &[u8]) -> Result<()> {
        let tokens = Tokens::parse(body)?;
        encode(&mut self.spare, tokens.refresh_token.context("no refresh token")?);
        ensure!(self.spare != self.refresh, "the same refresh token again");
        std::mem::swap(&mut self.spare, &mut self.refresh);
        encode(&mut self.access, tokens.access_token.context("no access token")?);
        Ok(())
    }
}

fn encode(into: &mut String, token: &str) {
    into.clear();
    into.extend(utf8_percent_encode(token, RESERVED));
}

/// A token response. Borrowed text cannot hold JSON's escapes; no token needs any.
#[expect(clippy::struct_field_names, reason = "the names of RFC 6749 §5.1")]
#[derive(Deserialize)]
struct Tokens<'a> {
    access_token: Option<&'a str>,
    refresh_token: Option<&'a str>,
    id_token: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    fn parse(body: &'a [u8]) -> Result<Self> {
        Ok(serde_json::from_slice(body)?)
    }
}

#[derive(Deserialize)]
struct Introspection {
    active: bool,
}

/// How long, or how often.
pub(crate) struct Plan {
    pub(crate) load: Load,
    pub(crate) warm_up: Duration,
    /// Measured time.
    pub(crate) window: Duration,
    /// No more requests than these, the warm-up included.
    pub(crate) limit: u64,
}

/// What is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Each connection keeps to one of them, and they are dealt out evenly.
    pub(crate) servers: &'a [Server],
    /// The postmaster of the database that they work on.
    pub(crate) postmaster: Option<u32>,
    /// To all of them, where there are as many sessions.
    pub(crate) connections: usize,
}

impl<'a> Target<'a> {
    /// One server that needs nobody else.
    pub(crate) fn one(server: &'a Server, connections: usize) -> Self {
        Self { servers: std::slice::from_ref(server), postmaster: None, connections }
    }
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    /// The requests before and after the measured time as well.
    pub(crate) all_requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) server_cpu_us: f64,
    pub(crate) postgres_cpu_us: f64,
    /// Bytes that the server wrote to storage for each request.
    pub(crate) written: Option<f64>,
    pub(crate) driver_cores: f64,
    pub(crate) other_cores: f64,
    pub(crate) stolen_cores: f64,
}

/// What the connections of a run share.
struct Run {
    load: Load,
    addresses: Vec<SocketAddr>,
    watched: Watched,
    authorization: String,
    begin: Instant,
    end: Instant,
    left: Cell<u64>,
    failed: Cell<bool>,
    /// Microseconds of each measured request.
    latencies: RefCell<Vec<u32>>,
}

/// Loads the servers and gives the sessions back with their newest tokens.
pub(crate) async fn run(
    plan: &Plan,
    target: Target<'_>,
    sessions: Vec<Session>,
) -> Result<(Vec<Session>, Outcome)> {
    let begin = now() + plan.warm_up;
    let run = Rc::new(Run {
        load: plan.load,
        addresses: target.servers.iter().map(Server::address).collect(),
        watched: Watched {
            servers: target.servers.iter().map(Server::pid).collect(),
            postmaster: target.postmaster,
            driver: None,
        },
        authorization: authorization(plan.load.client()),
        begin,
        end: begin + plan.window,
        left: Cell::new(plan.limit),
        failed: Cell::new(false),
        latencies: RefCell::new(Vec::new()),
    });
    let local = LocalSet::new();
    let deadline = plan.warm_up + plan.window + PATIENCE;
    let hands = dealt(sessions, target.connections);
    let driven = local.run_until(drive(Rc::clone(&run), hands));
    let ended = tokio::time::timeout(deadline, driven).await.context("an answer is missing");
    let log = || target.servers.iter().map(Server::log).collect::<String>();
    ended.flatten().with_context(|| match log() {
        log if log.is_empty() => plan.load.name().to_owned(),
        log => format!("{} (the server wrote: {})", plan.load.name(), log.trim_end()),
    })
}

async fn drive(run: Rc<Run>, hands: Vec<Vec<Session>>) -> Result<(Vec<Session>, Outcome)> {
    let asked = run.left.get();
    let tasks: Vec<_> = hands
        .into_iter()
        .zip(run.addresses.iter().cycle())
        .map(|(hand, at)| tokio::task::spawn_local(connection(Rc::clone(&run), *at, hand)))
        .collect();
    tokio::time::sleep_until(run.begin.into()).await;
    let before = Sample::take(&run.watched)?;
    let mut sessions = Vec::new();
    for task in tasks {
        sessions.append(&mut task.await??);
    }
    let seconds = now().min(run.end).saturating_duration_since(run.begin).as_secs_f64();
    let spent = before.until(&Sample::take(&run.watched)?);
    let mut latencies = run.latencies.take();
    ensure!(!latencies.is_empty(), "no request ended in time");
    latencies.sort_unstable();
    let requests = u64::try_from(latencies.len())?;
    let outcome = Outcome {
        requests,
        all_requests: asked - run.left.get(),
        per_second: float(requests) / seconds,
        p50_ms: quantile(&latencies, 50) / 1e3,
        p99_ms: quantile(&latencies, 99) / 1e3,
        server_cpu_us: spent.server_seconds / float(requests) * 1e6,
        postgres_cpu_us: spent.postgres_seconds / float(requests) * 1e6,
        written: spent.written.map(|bytes| float(bytes) / float(requests)),
        driver_cores: spent.driver_cores,
        other_cores: spent.other_cores,
        stolen_cores: spent.stolen_cores,
    };
    Ok((sessions, outcome))
}

/// The sessions of each connection.
fn dealt(sessions: Vec<Session>, connections: usize) -> Vec<Vec<Session>> {
    let connections = sessions.len().min(connections);
    let mut hands: Vec<Vec<Session>> = Vec::new();
    hands.resize_with(connections, Vec::new);
    let mut sessions = sessions.into_iter();
    // Each pass takes at least one, so that it ends.
    while sessions.len() > 0 {
        for (hand, session) in hands.iter_mut().zip(sessions.by_ref()) {
            hand.push(session);
        }
    }
    hands
}

/// One connection that takes its sessions in turn until the run ends.
async fn connection(
    run: Rc<Run>,
    address: SocketAddr,
    mut sessions: Vec<Session>,
) -> Result<Vec<Session>> {
    let mut client = Client::new(address, &run.authorization);
    let mut form = String::new();
    let mut has_work = true;
    while has_work && run.goes_on() {
        has_work = false;
        for session in &mut sessions {
            if !run.load.fill(&mut form, session) {
                continue;
            }
            has_work = true;
            let Some(began) = run.start() else { break };
            if let Err(error) = request(&run, &mut client, &form, session).await {
                run.failed.set(true);
                return Err(error);
            }
            run.record(began, now());
        }
    }
    Ok(sessions)
}

async fn request(run: &Run, client: &mut Client, form: &str, session: &mut Session) -> Result<()> {
    let answer = client.post(run.load.path(), form).await?;
    ensure!(answer.status == 200, "{}", answer.describe());
    run.load.check(session, answer.body).with_context(|| answer.describe())
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.failed.get() && self.left.get() > 0 && now() < self.end
    }

    /// Counts a request off and says when it began; `None` when there is to be none.
    fn start(&self) -> Option<Instant> {
        let began = now();
        if self.failed.get() || self.left.get() == 0 || began >= self.end {
            return None;
        }
        self.left.set(self.left.get() - 1);
        Some(began)
    }

    fn record(&self, began: Instant, ended: Instant) {
        if ended >= self.begin && ended <= self.end {
            let microseconds = ended.duration_since(began).as_micros();
            self.latencies.borrow_mut().push(u32::try_from(microseconds).unwrap_or(u32::MAX));
        }
    }
}
