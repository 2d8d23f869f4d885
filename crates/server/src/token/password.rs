//! `grant_type=password`: refuse what the rules refuse, slow guesses down, check the password, begin
//! a family.

use std::net::IpAddr;

use remint_protocol::client::GrantType;
use remint_protocol::guess::{Bucket, BucketKey, Guesses, TRUST_FOR, password_wait};
use remint_protocol::password;
use remint_protocol::reject::Why;
use remint_protocol::token::{self, RefreshToken};
use remint_protocol::user::Username;
use remint_store::{Outcome, User};

use super::{TokenRequest, TokenResponse};
use crate::App;
use crate::entropy;
use crate::failure::Failure;
use crate::passwords::{Checked, PasswordError};

pub(super) async fn grant(request: &TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let (app, now) = (request.app, request.now);
    let (client, policy) = (request.caller.client(), request.caller.policy());
    let scope = request.scope()?;
    let resources = request.resources()?;
    let extent = password::extent(client, scope.as_ref(), resources.as_ref())?;
    let (username, password) = password::credentials(request.form)?;
    let source = request.caller.source;
    let user = prove(request, username, password, source).await?;

    let fresh = entropy::family()?;
    let seal = app.seal().await?;
    let (family, access) = password::begin(client, user.id, extent, &fresh, (policy, seal, now));
    let refresh = RefreshToken {
        kid: seal.kid,
        epoch: seal.epoch,
        family: fresh.id,
        secret: fresh.secret,
        generation: 0,
    };
    let refresh = if client.may_use(GrantType::RefreshToken) {
        let sealed = token::seal_refresh(&app.keys(), &refresh, &client.id);
        Some(sealed.ok_or(Failure::Internal("the active key is missing"))?)
    } else {
        None
    };
    let access = access.into_token(client.id.clone(), entropy::jti()?, now);
    let response = TokenResponse::new(app, &access, refresh)?;
    let trust = (Bucket::AccountFrom(username, source).key(), now.after(TRUST_FOR));
    match app.store.insert_family(&family, Some(trust)).await? {
        Outcome::Done => {
            tracing::info!(
                event = "session.started",
                client_id = %client.id,
                sub = %user.id,
                session = %app.session_id(family.id),
                %source,
                request_id = %request.request_id,
            );
            Ok(response)
        }
        // The user or the client was disabled, deleted or signed out while the password was checked;
        // or a clock that was ahead dated such an end into the future.
        Outcome::Conflict => {
            tracing::warn!(
                event = "login.failed",
                cause = "ended_meanwhile",
                sub = %user.id,
                client_id = %client.id,
                %source,
                request_id = %request.request_id,
            );
            Err(Why::UserDisabled.into())
        }
    }
}

/// The user whose password this is.
async fn prove(
    request: &TokenRequest<'_>,
    username: &str,
    password: &str,
    source: IpAddr,
) -> Result<User, Failure> {
    let app = request.app;
    let buckets = Buckets::of(username, source);
    // Before a turn, so that who must wait anyway does not fill the queue; and again with it, because
    // guesses that were made at once have been counted meanwhile.
    judge(request, &buckets).await?;
    let turn = app.passwords.turn().await.map_err(failure)?;
    let held = judge(request, &buckets).await?;
    let user = match Username::parse(username) {
        Some(name) => app.store.find_user(&name).await?,
        None => None,
    };
    let stored = user.as_ref().map(|u| u.password_hash.clone());
    let (_turn, checked) = turn.check(password.into(), stored).await.map_err(failure)?;
    let why = match (checked, user) {
        (Checked::Right(rehashed), Some(user)) if user.disabled_at.is_none() => {
            if let Some(new) = rehashed {
                keep_hash(app, &user, &new).await;
            }
            return Ok(user);
        }
        (Checked::Right(_), Some(_)) => Why::UserDisabled,
        (_, None) => Why::UserUnknown,
        (Checked::Wrong, Some(_)) => Why::PasswordWrong,
    };
    // A disabled user's password counts as wrong, or that it never has to wait would tell.
    app.store.count_wrong_guess(buckets.to_count(&held, request.now), request.now).await?;
    tracing::info!(
        event = "login.failed",
        cause = why.name(),
        %source,
        request_id = %request.request_id,
    );
    Err(why.into())
}

/// Refuses a guess that must wait; gives what the buckets hold.
async fn judge(request: &TokenRequest<'_>, buckets: &Buckets<'_>) -> Result<[Guesses; 3], Failure> {
    let held = request.app.store.load_guesses(buckets.keys()).await?;
    let Some(wait) = buckets.wait(&held, request.now) else { return Ok(held) };
    tracing::info!(
        event = "login.throttled",
        source = %request.caller.source,
        request_id = %request.request_id,
    );
    Err(Failure::Throttled(wait))
}

const fn failure(error: PasswordError) -> Failure {
    match error {
        PasswordError::Overloaded => Failure::Overloaded,
        PasswordError::Failed => Failure::Internal("a password could not be checked"),
    }
}

/// The same password under today's parameters. Not worth a failed login.
async fn keep_hash(app: &App, user: &User, new: &str) {
    if let Err(error) = app.store.replace_password_hash(user.id, &user.password_hash, new).await {
        tracing::warn!(%error, "a password's stronger hash was not kept");
    }
}

/// The buckets that a guess falls into, the pair of account and source first.
struct Buckets<'a> {
    all: [Bucket<'a>; 3],
    keys: [BucketKey; 3],
}

impl<'a> Buckets<'a> {
    fn of(username: &'a str, source: IpAddr) -> Self {
        let all = [
            Bucket::AccountFrom(username, source),
            Bucket::Account(username),
            Bucket::Source(source),
        ];
        Self { all, keys: all.map(Bucket::key) }
    }

    const fn keys(&self) -> [BucketKey; 3] {
        self.keys
    }

    fn wait(
        &self,
        held: &[Guesses; 3],
        now: remint_protocol::time::Timestamp,
    ) -> Option<std::time::Duration> {
        let [pair, account, source] = self.all;
        let [g_pair, g_account, g_source] = held;
        password_wait((pair, g_pair), [(account, g_account), (source, g_source)], now)
    }

    /// A known pair's slips count against itself alone.
    fn to_count(&self, held: &[Guesses; 3], now: remint_protocol::time::Timestamp) -> &[BucketKey] {
        let [pair, ..] = held;
        if pair.is_trusted(now) { self.keys.split_at(1).0 } else { &self.keys }
    }
}
