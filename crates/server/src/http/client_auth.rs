//! Finds the client of a request, and has the rules judge its credentials.
//!
//! Wrong secrets are throttled per client and source (`throttle.rs`).

use std::net::IpAddr;
use std::sync::Arc;

use remint_protocol::client::Client;
use remint_protocol::client_auth::{self, Credentials, Guess};
use remint_protocol::policy::Policy;
use remint_protocol::reject::{Reject, Why};
use remint_protocol::tell;
use remint_protocol::throttle::is_past_guessing;
use remint_protocol::time::Timestamp;

use crate::App;
use crate::http::body::Received;
use crate::http::failure::Failure;
use crate::http::observe::source_of;
use crate::http::throttle;
use crate::state::clients::Registered;
use crate::state::request_ids::RequestId;

/// The authenticated client of a request.
pub(crate) struct Caller {
    pub(crate) registered: Arc<Registered>,
    pub(crate) source: IpAddr,
}

impl Caller {
    pub(crate) fn client(&self) -> &Client {
        &self.registered.client
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.registered.policy
    }
}

/// Authenticates the client of a request.
pub(crate) async fn authenticate(
    app: &App,
    received: &Received,
    form: &remint_protocol::form::Form<'_>,
    now: Timestamp,
) -> Result<Caller, Failure> {
    let credentials = client_auth::read(received.authorization()?, form)?;
    let source = source_of(&received.head.extensions);
    let registered = app.client(&credentials.client_id).await?;
    let (judged, guess) = judge(app, &credentials, registered.as_deref(), now);
    let whose = (credentials.client_id.as_str(), source);
    let secret = credentials.proof.secret().unwrap_or_default();
    let waits = match guess {
        Guess::Nothing => None,
        // Judged at once, however many wrong ones others sent.
        Guess::Right if is_past_guessing(secret) => {
            throttle::reset(app, whose);
            None
        }
        Guess::Right => throttle::right(app, whose, now).await,
        Guess::Wrong => throttle::wrong(app, whose, registered.is_some(), now).await,
    };
    if let Some(wait) = waits {
        tell!(
            CLIENT_THROTTLED,
            client_id = registered.as_deref().map(|r| tracing::field::display(&r.client.id)),
            %source,
            request_id = %RequestId::of(&received.head.extensions),
        );
        return Err(Failure::Throttled(wait));
    }
    judged?;
    let registered = registered.ok_or(Why::ClientUnknown)?;
    Ok(Caller { registered, source })
}

fn judge(
    app: &App,
    credentials: &Credentials,
    registered: Option<&Registered>,
    now: Timestamp,
) -> (Result<(), Reject>, Guess) {
    let (client, keys) = (registered.map(|r| &r.client), app.keys());
    let judged = client_auth::authenticate(credentials, client, &keys, now);
    // A secret that has authenticated is not compared a second time.
    let guess = match credentials.proof.secret() {
        None => Guess::Nothing,
        Some(_) if judged.is_ok() => Guess::Right,
        Some(_) => client_auth::guess(credentials, client, &keys, now),
    };
    (judged, guess)
}
