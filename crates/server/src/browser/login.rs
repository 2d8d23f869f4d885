//! Proving a password, wherever it comes from: the password grant, the sign-in page and the account page
//! share one budget of guesses, so that none is a way around the other.
//!
//! Room for a guess is taken before it is judged, where nodes share a store by one write that says at once
//! whether there is any, so that guesses made at once or at several nodes all find the ones before them. A
//! right one gives back what it took.

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use remint_protocol::client_id::ClientId;
use remint_protocol::reject::Why;
use remint_protocol::tell;
use remint_protocol::throttle::{Bucket, DeviceId, PasswordBuckets, TRUST_FOR, password_wait};
use remint_protocol::time::Timestamp;
use remint_protocol::user::Username;
use remint_store::{Outcome, User, VerifiedPassword};

use crate::App;
use crate::http::failure::Failure;
use crate::passwords::{Checked, PasswordError, Waiting, Who};
use crate::state::limits::Counted;
use crate::state::logins::{Taken, waits};
use crate::state::request_ids::RequestId;

/// Somebody who says who they are.
pub(crate) struct Login<'a> {
    pub(crate) app: &'a App,
    pub(crate) username: &'a str,
    pub(crate) source: IpAddr,
    /// The client that it is for, where it is for one.
    pub(crate) client: Option<&'a ClientId>,
    /// The mark of an earlier sign-in to this account at this browser.
    pub(crate) device: Option<DeviceId>,
    pub(crate) now: Timestamp,
    pub(crate) request_id: RequestId,
}

impl Login<'_> {
    /// The user whose password this is.
    pub(crate) async fn prove(&self, password: &str) -> Result<User, Failure> {
        let app = self.app;
        let buckets = PasswordBuckets::of(self.username, self.source, self.device);
        // Before a place in the queue, so that who must wait anyway does not fill it.
        let counting = self.judge(&buckets).await?;
        let is_known = counting.as_slice() == [buckets.own()];
        let waiting = app.passwords().place(Who::at(self.source, is_known))?;
        let taken = self.take(counting).await?;
        let checked = self.check(waiting, password).await;
        match &checked {
            Err(Failure::Reject(_)) => {
                // Before the answer, which tells that it was wrong.
                taken.keep(app.store(), self.now).await?;
            }
            Ok(_) => taken.give_back(app.store(), Some(buckets.own().key())).await,
            // Not judged at all.
            Err(_) => taken.give_back(app.store(), None).await,
        }
        checked
    }

    /// Counts the form of a page among the requests of its source; of who is known, among their own.
    pub(crate) fn take_request(&self) -> Result<Counted<'_>, Duration> {
        let counts = &self.app.limits().sign_in;
        let taken = counts.take(self.source, self.now);
        taken.or_else(|wait| {
            self.device.map_or(Err(wait), |device| counts.take_own(device.0, self.now))
        })
    }

    async fn check(&self, waiting: Waiting, password: &str) -> Result<User, Failure> {
        let app = self.app;
        let turn = waiting.turn().await?;
        let user = match Username::parse(self.username) {
            Some(name) => app.store().find_user(&name).await?,
            None => None,
        };
        let (id, stored) = user.as_ref().map(|u| (u.id, u.password_hash.clone())).unzip();
        let (_turn, checked) = turn.check(password.into(), stored).await?;
        let why = match (checked, user) {
            (Checked::Right(rehashed), Some(user)) if user.disabled_at.is_none() => {
                if let Some(new) = rehashed {
                    keep_hash(app, &user, &new).await;
                }
                return Ok(user);
            }
            // A disabled user's password counts as wrong, or that it never has to wait would tell.
            (Checked::Right(_), Some(_)) => Why::UserDisabled,
            (_, None) => Why::UserUnknown,
            (Checked::Wrong, Some(_)) => Why::PasswordWrong,
        };
        tell!(
            LOGIN_FAILED,
            cause = why.name(),
            client_id = self.client.map(display),
            sub = id.map(display),
            source = %self.source,
            request_id = %self.request_id,
        );
        Err(why.into())
    }

    /// Makes the guard of everything that starts with the password, which was right: it holds only while the
    /// user is as they were read. Slips of this account from this source count against themselves alone.
    pub(crate) fn proven(&self, user: &User) -> VerifiedPassword {
        let pair = Bucket::AccountFrom(self.username, self.source).key();
        let trust = (pair, self.now.after(TRUST_FOR));
        VerifiedPassword { user: user.id, ends: user.ends, trust }
    }

    /// Refuses a guess that must wait; gives the buckets that count.
    async fn judge<'b>(&self, buckets: &PasswordBuckets<'b>) -> Result<Vec<Bucket<'b>>, Failure> {
        let all: Vec<_> = buckets.all().collect();
        let keys: Vec<_> = all.iter().map(|bucket| bucket.key()).collect();
        let held = self.app.store().load_guesses(&keys).await?;
        let own = held.first().copied().unwrap_or_default();
        let common = all.into_iter().zip(&held).skip(1);
        match password_wait((buckets.own(), &own), common, self.now) {
            None => Ok(buckets.counting(&own, self.now)),
            Some(wait) => Err(self.throttled(wait)),
        }
    }

    /// Takes room for the guess in each of these buckets. Where guesses that are still being judged are in
    /// the way, it waits for them: they may turn out right and give back what they took.
    async fn take<'b>(&self, counting: Vec<Bucket<'b>>) -> Result<Taken<'_, 'b>, Failure> {
        let (logins, store) = (self.app.logins(), self.app.store());
        let keys: Vec<_> = counting.iter().map(|bucket| bucket.key()).collect();
        loop {
            let mut given_back = pin!(logins.given_back.notified());
            given_back.as_mut().enable();
            {
                let _one_at_a_time = logins.taking.lock().await;
                // Before the store is read: one whose judging ends meanwhile counts twice, and is looked at
                // again, rather than not at all.
                let judging: Vec<_> = keys.iter().map(|key| logins.judging(*key)).collect();
                // What is taken in the store is seen by all nodes, and stays counted when this one is killed;
                // where there is no other, memory is enough and forgets with it.
                let is_taken = store.is_shared()
                    && store.take_guess(&counting, self.now).await? == Outcome::Done;
                let held = if is_taken { Vec::new() } else { store.load_guesses(&keys).await? };
                // Those at this node are in a store that is shared already.
                let beside = if store.is_shared() { &[] } else { judging.as_slice() };
                let waits = waits(&counting, &held, beside, self.now);
                let is_final = || waits.iter().zip(&judging).all(|(w, n)| w.is_none() || *n == 0);
                match waits.iter().flatten().max() {
                    Some(wait) if is_final() => return Err(self.throttled(*wait)),
                    Some(_) => {}
                    None if is_taken || !store.is_shared() => {
                        return Ok(logins.hold(counting, keys));
                    }
                    // There is room by now.
                    None => continue,
                }
            }
            given_back.await;
        }
    }

    fn throttled(&self, wait: Duration) -> Failure {
        tell!(
            LOGIN_THROTTLED,
            client_id = self.client.map(display),
            source = %self.source,
            request_id = %self.request_id,
        );
        Failure::Throttled(wait)
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
    if let Err(error) = app.store().replace_password_hash(user.id, &user.password_hash, new).await {
        tracing::warn!(%error, "a password's stronger hash was not kept");
    }
}
