//! Proving a password, wherever it comes from: the password grant and the sign-in page share one budget
//! of wrong guesses, so that neither is a way around the other.

use std::net::IpAddr;
use std::time::Duration;

use remint_protocol::guess::{Bucket, BucketKey, Guesses, TRUST_FOR, password_wait};
use remint_protocol::reject::Why;
use remint_protocol::time::Timestamp;
use remint_protocol::user::Username;
use remint_store::{Proven, User};

use crate::App;
use crate::failure::Failure;
use crate::observe::RequestId;
use crate::passwords::{Checked, PasswordError};

/// Somebody who says who they are.
pub(crate) struct Login<'a> {
    pub(crate) app: &'a App,
    pub(crate) username: &'a str,
    pub(crate) source: IpAddr,
    pub(crate) now: Timestamp,
    pub(crate) request_id: RequestId,
}

impl Login<'_> {
    /// The user whose password this is.
    pub(crate) async fn prove(&self, password: &str) -> Result<User, Failure> {
        let app = self.app;
        let buckets = Buckets::of(self.username, self.source);
        // Before a turn, so that who must wait anyway does not fill the queue; and again with it, because
        // guesses that were made at once have been counted meanwhile.
        self.judge(&buckets).await?;
        let turn = app.passwords.turn().await?;
        let held = self.judge(&buckets).await?;
        let user = match Username::parse(self.username) {
            Some(name) => app.store.find_user(&name).await?,
            None => None,
        };
        let stored = user.as_ref().map(|u| u.password_hash.clone());
        let (_turn, checked) = turn.check(password.into(), stored).await?;
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
        app.store.count_wrong_guess(buckets.to_count(&held, self.now), self.now).await?;
        tracing::info!(
            event = "login.failed",
            cause = why.name(),
            source = %self.source,
            request_id = %self.request_id,
        );
        Err(why.into())
    }

    /// What begins with the password that was right: only while the user is as they were read, and slips of
    /// this account from this source count against themselves alone.
    pub(crate) fn proven(&self, user: &User) -> Proven {
        let pair = Bucket::AccountFrom(self.username, self.source).key();
        let trust = (pair, self.now.after(TRUST_FOR));
        Proven { user: user.id, ends: user.ends, trust }
    }

    /// Refuses a guess that must wait; gives what the buckets hold.
    async fn judge(&self, buckets: &Buckets<'_>) -> Result<[Guesses; 3], Failure> {
        let held = self.app.store.load_guesses(buckets.keys()).await?;
        let Some(wait) = buckets.wait(&held, self.now) else { return Ok(held) };
        tracing::info!(
            event = "login.throttled",
            source = %self.source,
            request_id = %self.request_id,
        );
        Err(Failure::Throttled(wait))
    }
}

impl From<PasswordError> for Failure {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Overloaded => Self::Overloaded,
            PasswordError::Failed => Self::Internal("a password could not be checked"),
        }
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

    fn wait(&self, held: &[Guesses; 3], now: Timestamp) -> Option<Duration> {
        let [pair, account, source] = self.all;
        let [g_pair, g_account, g_source] = held;
        password_wait((pair, g_pair), [(account, g_account), (source, g_source)], now)
    }

    /// A known pair's slips count against itself alone.
    fn to_count(&self, held: &[Guesses; 3], now: Timestamp) -> &[BucketKey] {
        let [pair, ..] = held;
        if pair.is_trusted(now) { self.keys.split_at(1).0 } else { &self.keys }
    }
}
