//! The first tokens: sessions by the password grant (RFC 6749 §4.3), and the first answer of a
//! server that is still starting.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::drive::Session;
use crate::process::{CLIENT, PASSWORD, Server, TOKEN, USERNAME, authorization};

/// Logins at a time: enough to keep the server's core busy.
const AT_ONCE: usize = 4;
/// How often a login may be put off (503 or 429) before it counts as refused.
const ATTEMPTS: usize = 50;
/// How often a starting server is asked, a millisecond apart.
const POLLS: usize = 20_000;

/// Logs in `count` times at a client.
pub(crate) async fn sessions(
    server: &Server,
    client_id: &str,
    count: usize,
) -> Result<Vec<Session>> {
    let mut tasks = JoinSet::new();
    for share in 0..AT_ONCE {
        let client = Client::new(server.address(), &authorization(client_id));
        tasks.spawn(logins(client, (count + share) / AT_ONCE));
    }
    let mut sessions = Vec::with_capacity(count);
    while let Some(done) = tasks.join_next().await {
        sessions.append(&mut done??);
    }
    ensure!(sessions.len() == count, "{} sessions instead of {count}", sessions.len());
    Ok(sessions)
}

async fn logins(mut client: Client, count: usize) -> Result<Vec<Session>> {
    let form = format!("grant_type=password&username={USERNAME}&password={PASSWORD}");
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        sessions.push(login(&mut client, &form).await.context("password grant")?);
    }
    Ok(sessions)
}

async fn login(client: &mut Client, form: &str) -> Result<Session> {
    for _ in 0..ATTEMPTS {
        let answer = client.post(TOKEN, form).await?;
        match answer.status {
            200 => {
                let mut session = Session::default();
                session.renew(answer.body).with_context(|| answer.describe())?;
                return Ok(session);
            }
            429 | 503 => {
                let seconds = answer.retry_after.with_context(|| answer.describe())?;
                tokio::time::sleep(Duration::from_secs(seconds.min(5))).await;
            }
            _ => bail!("{}", answer.describe()),
        }
    }
    bail!("put off {ATTEMPTS} times")
}

/// Asks for a client-credentials token until there is one.
pub(crate) async fn first_token(server: &mut Server) -> Result<()> {
    let authorization = authorization(CLIENT);
    for _ in 0..POLLS {
        let mut client = Client::new(server.address(), &authorization);
        // It fails for as long as nobody listens.
        if let Ok(answer) = client.post(TOKEN, "grant_type=client_credentials").await {
            match answer.status {
                200 => return Ok(()),
                503 => {}
                _ => bail!("first token: {}", answer.describe()),
            }
        }
        server.ensure_running()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("no token after {POLLS} attempts:\n{}", server.log())
}
