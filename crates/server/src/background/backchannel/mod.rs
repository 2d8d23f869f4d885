//! Telling clients, server to server, that a browser's session is over (OpenID Connect Back-Channel Logout
//! 1.0).
//!
//! Whatever ends a session writes into the store who is to be told of it. Here every node looks for what is
//! due, takes it, and sends a logout token: so many at once, of them few to the same client, each within a
//! time. Clients have their turns one after another, so that none waits for what another has to hear. What
//! fails is tried again after a while, by whichever node is there; what a client refuses is not. Nothing is
//! lost by a stop or a crash. A client may be told twice, which a logout can stand.

pub(crate) mod post;

use std::sync::Arc;
use std::time::Duration;

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::client::Client;
use remint_protocol::client_id::ClientId;
use remint_protocol::logout_notice::{Delivery, LogoutNotice};
use remint_protocol::logout_token::{self, LogoutToken, Over};
use remint_protocol::tell;
use remint_protocol::time::Timestamp;
use remint_protocol::user::UserId;
use remint_store::{Error, Outcome};
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use crate::App;
use crate::entropy;
use crate::http::failure::Failure;
use crate::issue::id_token::alg_of;
use crate::state::backchannel::{AT_ONCE, AT_ONE_CLIENT};

use post::NotSent;

/// How often the store is asked what is due, beside being told so: other nodes and the command line end
/// sessions too.
const EVERY: Duration = Duration::from_secs(1);
/// How many clients are looked at for a turn: more than there are slots and clients that can have all the
/// turns of one, so that no slot stays free while somebody waits.
const CLIENTS: u32 = 2 * AT_ONCE;
/// How much of what is due to one client is looked through at once; other nodes take of it as well.
const PIECE: u32 = 64;
impl App {
    /// Ends the session of a browser, and has those told who want to be.
    pub(crate) async fn end_browser_session(
        &self,
        whose: (UserId, BrowserSessionId),
        now: Timestamp,
    ) -> Result<(), Error> {
        self.store().end_browser_session(whose, now).await?;
        self.backchannel().wake();
        Ok(())
    }
}

/// Tells what is due again and again.
pub(crate) async fn run(app: Arc<App>) {
    let mut last = None;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.backchannel().woken() => {}
            _ = ticks.tick() => {}
        }
        // Readiness tells about a store that does not answer; here it is only asked again.
        if let Err(error) = deliver_due(&app, &mut last).await {
            tracing::debug!(%error, "what is due to be told of logouts is not known");
        }
    }
}

/// Begins what is due and has a turn, from the client on that comes after the last one that had any.
async fn deliver_due(app: &Arc<App>, last: &mut Option<ClientId>) -> Result<(), Error> {
    // Whoever gives a slot back has this looked at again.
    if !app.backchannel().has_slots() {
        return Ok(());
    }
    let now = app.clock().now();
    for client in next_clients(app, last.as_ref(), now).await? {
        if app.backchannel().has_turn(&client) {
            deliver_due_to(app, &client, now).await?;
            *last = Some(client);
        }
    }
    Ok(())
}

/// The clients with something due, once round.
async fn next_clients(
    app: &App,
    last: Option<&ClientId>,
    now: Timestamp,
) -> Result<Vec<ClientId>, Error> {
    let mut clients = app.store().list_clients_to_tell(last, now, CLIENTS).await?;
    if let Some(last) = last.filter(|_| clients.len() < CLIENTS as usize) {
        let first = app.store().list_clients_to_tell(None, now, CLIENTS).await?;
        clients.extend(first.into_iter().filter(|client| client <= last));
    }
    Ok(clients)
}

/// Begins what is due to a client, as far as there are turns.
async fn deliver_due_to(app: &Arc<App>, client: &ClientId, now: Timestamp) -> Result<(), Error> {
    let mut begun = 0;
    for notice in app.store().list_due_logout_notices(client, now, PIECE).await? {
        // A client that answers at once would have no end of turns, and the next one none.
        if begun == AT_ONE_CLIENT {
            break;
        }
        let Some(turn) = app.backchannel().turn(client) else { break };
        let Some(attempted) = notice.attempted(now) else {
            finish(app, &notice, Ended::Lost("it took too long")).await?;
            // There may be more than was looked through.
            app.backchannel().wake();
            continue;
        };
        // Another node may have been faster.
        if app.store().take_logout_notice(notice.due_at, &attempted).await? == Outcome::Conflict {
            continue;
        }
        begun += 1;
        let app = Arc::clone(app);
        tokio::spawn(async move {
            if let Err(error) = attempt(&app, &attempted, now).await {
                tracing::warn!(%error, "a logout was told, but not that it was; it is told again");
            }
            drop(turn);
            app.backchannel().wake();
        });
    }
    Ok(())
}

/// How a notice ends.
#[derive(Clone, Copy, Debug)]
enum Ended {
    Told,
    Refused(u16),
    /// The client's host is on an address that is not connected to.
    Forbidden,
    /// The client was deleted or disabled, or does not want to be told any more.
    NotApplicable,
    Lost(&'static str),
}

async fn attempt(app: &App, notice: &LogoutNotice, now: Timestamp) -> Result<(), Error> {
    let client = app.client(notice.client_id.as_str()).await?;
    let client = client.as_ref().map(|registered| &registered.client);
    let Some((client, url)) = client.and_then(|client| Some((client, url_of(client)?))) else {
        return finish(app, notice, Ended::NotApplicable).await;
    };
    let sent = match token(app, client, notice, now).await {
        Ok(token) => app.backchannel().post(&url, format!("logout_token={token}")).await,
        Err(failure) => Err(NotSent::Failed(failure.name().to_owned())),
    };
    let cause = match sent {
        Err(NotSent::Forbidden) => return finish(app, notice, Ended::Forbidden).await,
        Err(NotSent::Failed(cause)) => cause,
        Ok(status) => match Delivery::of(status) {
            Delivery::Accepted => return finish(app, notice, Ended::Told).await,
            Delivery::Rejected => return finish(app, notice, Ended::Refused(status)).await,
            Delivery::Retry => format!("status {status}"),
        },
    };
    app.metrics().logout_notice("failed");
    let (client_id, attempt) = (&notice.client_id, notice.attempts);
    tell!(LOGOUT_PUT_OFF, %client_id, attempt, cause);
    // What else it is to be told now would not get there either.
    app.store().postpone_logout_notices(client_id, now, notice.due_at).await?;
    if notice.is_last_attempt() {
        return finish(app, notice, Ended::Lost("no attempt got through")).await;
    }
    Ok(())
}

fn url_of(client: &Client) -> Option<Url> {
    let url = client.relying_party.backchannel_logout_uri.as_deref();
    let url = url.filter(|_| client.enabled)?;
    Url::parse(url).ok()
}

/// A logout token. Each attempt has one of its own, because they live for two minutes.
async fn token(
    app: &App,
    client: &Client,
    notice: &LogoutNotice,
    now: Timestamp,
) -> Result<String, Failure> {
    let sub = app.subject(client, notice.user_id).await?;
    let over = Over::SessionOf(sub, app.sid(client, notice.browser_session).await?);
    let issuer = app.issuer().as_str();
    let claims = LogoutToken::new(issuer, client.id.as_str(), over, entropy::jti()?, now);
    // §2.4: by the algorithm of its ID tokens.
    let signing = app.signing().await?;
    Ok(signing.sign(alg_of(client), logout_token::TYP, &claims, now)?)
}

async fn finish(app: &App, notice: &LogoutNotice, ended: Ended) -> Result<(), Error> {
    match ended {
        Ended::Told | Ended::NotApplicable => app.store().delete_logout_notice(notice).await?,
        // `remint logout list` shows it for a while.
        Ended::Refused(_) | Ended::Forbidden | Ended::Lost(_) => {
            app.store().give_up_logout_notice(&notice.given_up(app.clock().now())).await?
        }
    };
    let (client_id, sub, attempt) = (&notice.client_id, notice.user_id, notice.attempts);
    let (outcome, cause) = match ended {
        Ended::Told => {
            tell!(LOGOUT_TOLD, %client_id, %sub, attempt);
            app.metrics().logout_notice("told");
            return Ok(());
        }
        Ended::Refused(status) => ("refused", format!("status {status}")),
        Ended::Forbidden => ("forbidden", "its address is not one of the public internet".into()),
        Ended::NotApplicable => ("moot", "it is gone, disabled, or has no URL any more".into()),
        Ended::Lost(cause) => ("lost", cause.to_owned()),
    };
    tell!(LOGOUT_NOT_TOLD, outcome, %client_id, %sub, attempt, cause);
    app.metrics().logout_notice(outcome);
    Ok(())
}
