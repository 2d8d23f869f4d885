//! An authorization request that waits for a person to sign in or to consent.
//!
//! The server keeps nothing of it: the request travels with the pages, sealed. Once the person has signed
//! in for it, that is sealed in as well, because it tells a proof of identity made for this request
//! (`prompt=login`, `max_age=0`) from another one, and must not be made up. Everything else is judged anew
//! at every step, as if the request had just arrived.

use std::time::Duration;

use crate::browser_session::{BrowserSession, BrowserSessionId};
use crate::keyring::{Keyring, Kind};
use crate::time::Timestamp;
use crate::token::{Reader, Unopened, decode, encode, open, push_text, seal};

/// How every one begins.
pub const INTERACTION_PREFIX: &str = "rmir_";

/// How long a person may take.
pub const LIFETIME: Duration = Duration::from_hours(1);

/// The longest request that is kept, in bytes.
pub const MAX_REQUEST: usize = 8 * 1024;

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The request's parameters, as a query.
    pub request: String,
    /// When it first arrived.
    pub since: Timestamp,
    /// The sign-in that was made for it.
    pub proof: Option<Proof>,
}

/// One sign-in: the session of the browser, and when its person proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The session.
    pub session: BrowserSessionId,
    /// The moment.
    pub auth_time: Timestamp,
}

impl Proof {
    /// The last one that a session has.
    pub const fn of(session: &BrowserSession) -> Self {
        Self { session: session.id, auth_time: session.auth_time }
    }
}

impl Interaction {
    /// Seals it. `None` where the request is too long.
    pub fn seal(&self, keys: &Keyring) -> Option<String> {
        if self.request.len() > MAX_REQUEST {
            return None;
        }
        let mut content = self.since.as_millis().to_be_bytes().to_vec();
        content.push(self.proof.is_some().into());
        let (session, auth_time) =
            self.proof.map_or(([0; 16], 0), |p| (p.session.0, p.auth_time.as_millis()));
        content.extend_from_slice(&session);
        content.extend_from_slice(&auth_time.to_be_bytes());
        push_text(&mut content, &self.request)?;
        let sealed = seal(keys, keys.active(), Kind::Interaction, "", &content)?;
        Some(encode(INTERACTION_PREFIX, &sealed))
    }

    /// Opens one that is not too old.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(keys: &Keyring, text: &str, now: Timestamp) -> Result<Self, Unopened> {
        let sealed = decode(INTERACTION_PREFIX, text).ok_or(Unopened::Garbage)?;
        let (_, content) = open(keys, Kind::Interaction, "", &sealed)?;
        let mut reader = Reader::new(&content);
        let opened = (|| {
            let since = Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
            let has_proof = reader.flag()?;
            let session = BrowserSessionId(reader.array()?);
            let auth_time = Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
            let proof = has_proof.then_some(Proof { session, auth_time });
            Some(Self { since, proof, request: reader.text()?.to_owned() })
        })();
        let is_young = |i: &Self| now < i.since.after(LIFETIME);
        opened.filter(|i| reader.is_empty() && is_young(i)).ok_or(Unopened::Garbage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::tests::keyring;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

    #[test]
    fn a_request_waits_for_an_hour_and_can_not_be_made_up() {
        let keys = keyring(&[1], 1);
        let waiting =
            Interaction { request: "client_id=shop&state=%C3%BC".into(), since: NOW, proof: None };
        let text = waiting.seal(&keys).unwrap();
        let open = |keys: &Keyring, after| Interaction::open(keys, &text, NOW.after(after));
        assert_eq!(open(&keys, Duration::from_mins(59)), Ok(waiting.clone()));
        assert_eq!(open(&keys, LIFETIME), Err(Unopened::Garbage));
        let proof = Some(Proof { session: BrowserSessionId([7; 16]), auth_time: NOW });
        let proven = Interaction { proof, ..waiting.clone() };
        let sealed = proven.seal(&keys).unwrap();
        assert_eq!(Interaction::open(&keys, &sealed, NOW), Ok(proven));
        assert!(open(&keyring(&[2], 2), Duration::ZERO).is_err());
        let long = Interaction { request: "x".repeat(MAX_REQUEST + 1), ..waiting };
        assert_eq!(long.seal(&keys), None);
    }
}
