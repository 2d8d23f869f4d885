//! Authorization codes (RFC 6749 §4.1) for the load that redeems them, obtained as a browser does.
//!
//! One person signs in once, through the page, at a client that needs no consent. Every further visit to the
//! authorization endpoint then leads straight to a code, with no password to be hashed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use remint_testbed::pkce::CHALLENGE;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::drive::Session;
use crate::process::{AUTHORIZE, CODE_CLIENT, PASSWORD, REDIRECT_URI, Server, USERNAME};

/// For how many seconds a code is good.
pub(crate) const LIFETIME: u64 = 60;
/// More than are redeemed in a second, and the most that are obtained in the life of one.
const PER_SECOND: u64 = 20_000;
const MOST: u64 = 100_000;
/// Visits at a time.
const AT_ONCE: usize = 16;
/// Redirects and pages from the first visit to the first code.
const STEPS: usize = 6;

/// Gives each session as many codes as the others, which are good for a minute.
pub(crate) async fn obtain(
    server: &Server,
    cookies: &str,
    sessions: &mut [Session],
    count: usize,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    for share in 0..AT_ONCE {
        let client = Client::new(server.address(), "");
        tasks.spawn(visits(client, cookies.to_owned(), (count + share) / AT_ONCE));
    }
    let mut codes = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        codes.append(&mut done??);
    }
    let share = codes.len().div_ceil(sessions.len().max(1)).max(1);
    for session in &mut *sessions {
        session.codes = codes.split_off(codes.len().saturating_sub(share));
    }
    Ok(())
}

/// As many codes as can be redeemed in so much time.
pub(crate) fn count(window: Duration) -> usize {
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let count = millis.saturating_mul(PER_SECOND) / 1_000;
    usize::try_from(count.clamp(1_000, MOST)).unwrap_or(usize::MAX)
}

async fn visits(mut client: Client, cookies: String, count: usize) -> Result<Vec<String>> {
    let request = request();
    let mut codes = Vec::with_capacity(count);
    for _ in 0..count {
        let answer = client.visit(&request, &cookies, None).await?;
        let code = answer.location.as_deref().and_then(code_of);
        codes.push(code.with_context(|| answer.describe())?.to_owned());
    }
    Ok(codes)
}

fn request() -> String {
    format!(
        "{AUTHORIZE}?response_type=code&client_id={CODE_CLIENT}&redirect_uri={REDIRECT_URI}\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

fn code_of(location: &str) -> Option<&str> {
    let (_, rest) = location.strip_prefix(REDIRECT_URI)?.split_once("code=")?;
    rest.split('&').next()
}

/// The cookies of a browser at which the person is signed in.
pub(crate) async fn sign_in(server: &Server) -> Result<String> {
    let mut client = Client::new(server.address(), "");
    let mut jar: Vec<String> = Vec::new();
    let (mut path, mut form) = (request(), None);
    for _ in 0..STEPS {
        let answer = client.visit(&path, &jar.join("; "), form.as_deref()).await?;
        for cookie in answer.cookies.iter().filter_map(|set| set.split(';').next()) {
            let name = cookie.split_once('=').map_or(cookie, |(name, _)| name);
            jar.retain(|kept| !kept.starts_with(&format!("{name}=")));
            jar.push(cookie.to_owned());
        }
        if let Some(location) = answer.location {
            if code_of(&location).is_some() {
                return Ok(jar.join("; "));
            }
            (path, form) = (location, None);
        } else {
            ensure!(answer.status == 200, "{}", answer.describe());
            let page = std::str::from_utf8(answer.body)?;
            let (csrf, flow) = (hidden(page, "csrf")?, hidden(page, "flow")?);
            form = Some(format!("csrf={csrf}&flow={flow}&username={USERNAME}&password={PASSWORD}"));
            path.truncate(path.find('?').unwrap_or(path.len()));
        }
    }
    anyhow::bail!("no code after {STEPS} steps, the last to {path}")
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a str, name: &str) -> Result<&'a str> {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&start).map(|(_, rest)| rest);
    let value = rest.and_then(|rest| rest.split('"').next());
    value.with_context(|| format!("no field {name} in {page}"))
}
