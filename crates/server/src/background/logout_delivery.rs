//! Notifies clients, server to server, that a browser session is over (OpenID Connect Back-Channel Logout
//! 1.0).
//!
//! Whatever ends a browser session also writes a notice for each client into the store. Every node looks for
//! due notices, claims them, and sends logout tokens: a limited number at once, few of them to one client,
//! each with a timeout. Clients take turns, so that none waits for another's notices. Failed attempts are
//! retried later, by any node; notices that a client refuses are not. A stop or a crash loses nothing. A
//! client may be notified twice, which does no harm.

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
use crate::outbound::NotSent;
use crate::state::logout_delivery::{AT_ONCE, AT_ONE_CLIENT};

/// Interval between checks for due notices, in addition to wake-ups: other nodes and the command line end
/// sessions too.
const EVERY: Duration = Duration::from_secs(1);
/// Number of clients considered for a turn: more than the slots plus the clients that can have all their
/// turns in use, so that no slot stays free while a client waits.
const CLIENTS: u32 = 2 * AT_ONCE;
/// Number of one client's due notices that are read at once; other nodes claim some of them, too.
const PIECE: u32 = 64;
impl App {
    /// Ends a browser session, and has the clients notified that want to be.
    pub(crate) async fn end_browser_session(
        &self,
        whose: (UserId, BrowserSessionId),
        now: Timestamp,
    ) -> Result<(), Error> {
        self.store().end_browser_session(whose, now).await?;
        self.logout_delivery().wake();
        Ok(())
    }
}

/// Delivers due notices again and again.
pub(crate) async fn run(app: Arc<App>) {
    let mut last = None;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.logout_delivery().woken() => {}
            _ = ticks.tick() => {}
        }
        // Readiness reports a store that does not respond; here it is only asked again.
        if let Err(error) = deliver_due(&app, &mut last).await {
            tracing::debug!(%error, "the due logout notices could not be read; tried again");
        }
    }
}

/// Starts the due deliveries that have a turn, beginning with the client after the last one served.
async fn deliver_due(app: &Arc<App>, last: &mut Option<ClientId>) -> Result<(), Error> {
    // Every delivery that frees a slot wakes this loop again.
    if !app.logout_delivery().has_slots() {
        return Ok(());
    }
    let now = app.clock().now();
    for client in next_clients(app, last.as_ref(), now).await? {
        if app.logout_delivery().has_turn(&client) {
            deliver_due_to(app, &client, now).await?;
            *last = Some(client);
        }
    }
    Ok(())
}

/// The clients with due notices: those after `last`, then those up to it.
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

/// Starts the due deliveries to a client, as far as there are turns.
async fn deliver_due_to(app: &Arc<App>, client: &ClientId, now: Timestamp) -> Result<(), Error> {
    let mut begun = 0;
    for notice in app.store().list_due_logout_notices(client, now, PIECE).await? {
        // Otherwise a client that responds at once would get every turn, and the next one none.
        if begun == AT_ONE_CLIENT {
            break;
        }
        let Some(turn) = app.logout_delivery().turn(client) else { break };
        let Some(attempted) = notice.attempted(now) else {
            finish(app, &notice, Ended::Lost("it took too long")).await?;
            // There may be more notices than were read.
            app.logout_delivery().wake();
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
                tracing::warn!(%error, "a logout was delivered, but that was not recorded; it is delivered again");
            }
            drop(turn);
            app.logout_delivery().wake();
        });
    }
    Ok(())
}

/// The outcome of a notice.
#[derive(Clone, Copy, Debug)]
enum Ended {
    Told,
    Refused(u16),
    /// None of the host's addresses may be connected to.
    Forbidden,
    /// The client was deleted or disabled, or does not want to be notified any more.
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
        Ok(token) => app.logout_delivery().post(&url, format!("logout_token={token}")).await,
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
    // The client's other due notices would not arrive either.
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

/// A logout token. Each attempt has its own, because one lives for two minutes.
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
