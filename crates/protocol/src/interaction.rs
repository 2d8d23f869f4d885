//! An authorization request that waits for a person to sign in or to consent.
//!
//! The server keeps nothing of it: the request travels with the pages, sealed. Once the person has signed
//! in for it, a tag goes along, because it tells a proof of identity made for this request
//! (`prompt=login`, `max_age=0`) from another one. The tag is made with the hash of the browser session's
//! secret, which is drawn anew at every sign-in and is in the store alone: whoever has nothing but the key
//! file can seal a request, but cannot make up that somebody signed in for it. Everything else is judged
//! anew at every step, as if the request had just arrived.

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use crate::browser_session::BrowserSession;
use crate::keyring::{Keyring, Kind};
use crate::time::Timestamp;
use crate::token::{Reader, Unopened, decode, encode, open, push_text, seal};

/// The prefix of every sealed interaction.
pub const INTERACTION_PREFIX: &str = "rmir_";

/// The time that a person may take.
pub const LIFETIME: Duration = Duration::from_hours(1);

/// The longest request that is kept, in bytes.
pub const MAX_REQUEST: usize = 8 * 1024;

/// The kind of a request that waits for a person. One of one kind does not open as one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// An authorization request (RFC 6749 §4.1.1).
    Authorization,
    /// A logout request (OpenID Connect RP-Initiated Logout 1.0 §2).
    Logout,
}

impl Waiting {
    /// The context that it is sealed in.
    const fn context(self) -> &'static str {
        match self {
            // As before there was another kind.
            Self::Authorization => "",
            Self::Logout => "logout",
        }
    }
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The kind of request.
    pub waiting: Waiting,
    /// The request's parameters, as a query.
    pub request: String,
    /// The time at which it first arrived.
    pub since: Timestamp,
    /// The sign-in that was made for it.
    pub proof: Option<SignInProof>,
}

/// Tells that the sign-in which a browser session had last was made for one request.
#[derive(Clone, Copy, Debug)]
pub struct SignInProof([u8; Self::LEN]);

impl SignInProof {
    /// As long as what nodes of the version before read here: the session's id and a time, which then fit no
    /// session.
    const LEN: usize = 24;

    /// Of the last sign-in of a session, for a request that first came at `since`.
    pub fn of(session: &BrowserSession, request: &str, since: Timestamp) -> Self {
        let mut content = since.as_millis().to_be_bytes().to_vec();
        content.extend_from_slice(&session.id.0);
        content.extend_from_slice(request.as_bytes());
        let tag = session.secret_hash.tag("interaction", &content);
        let mut proof = [0; Self::LEN];
        proof.copy_from_slice(tag.split_at(Self::LEN).0);
        Self(proof)
    }
}

impl PartialEq for SignInProof {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SignInProof {}

impl Interaction {
    /// Seals it. `None` where the request is too long.
    pub fn seal(&self, keys: &Keyring) -> Option<String> {
        if self.request.len() > MAX_REQUEST {
            return None;
        }
        let mut content = self.since.as_millis().to_be_bytes().to_vec();
        content.push(self.proof.is_some().into());
        content.extend_from_slice(&self.proof.map_or([0; SignInProof::LEN], |proof| proof.0));
        push_text(&mut content, &self.request)?;
        let context = self.waiting.context();
        let sealed = seal(keys, keys.active(), Kind::Interaction, context, &content)?;
        Some(encode(INTERACTION_PREFIX, &sealed))
    }

    /// Opens one of this kind that is not too old.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(
        keys: &Keyring,
        waiting: Waiting,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, Unopened> {
        let sealed = decode(INTERACTION_PREFIX, text).ok_or(Unopened::Garbage)?;
        let (_, content) = open(keys, Kind::Interaction, waiting.context(), &sealed)?;
        let mut reader = Reader::new(&content);
        let opened = (|| {
            let since = Timestamp::from_millis(i64::from_be_bytes(reader.array()?));
            let has_proof = reader.flag()?;
            let proof = SignInProof(reader.array()?);
            let proof = has_proof.then_some(proof);
            Some(Self { waiting, since, proof, request: reader.text()?.to_owned() })
        })();
        let is_young = |i: &Self| now.distance(i.since) < LIFETIME;
        opened.filter(|i| reader.is_empty() && is_young(i)).ok_or(Unopened::Garbage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser_session::tests::session;
    use crate::keyring::tests::keyring;
    use crate::secret::SecretHash;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const AUTHORIZATION: Waiting = Waiting::Authorization;

    #[test]
    fn no_request_opens_as_one_of_another_kind() {
        let keys = keyring(&[1], 1);
        let kinds = [Waiting::Authorization, Waiting::Logout];
        for waiting in kinds {
            let request = "client_id=shop".to_owned();
            let sealed = Interaction { waiting, request, since: NOW, proof: None }.seal(&keys);
            let sealed = sealed.unwrap();
            for other in kinds {
                let opened = Interaction::open(&keys, other, &sealed, NOW);
                assert_eq!(opened.is_ok(), other == waiting, "{waiting:?} as {other:?}");
            }
        }
    }

    #[test]
    fn a_request_waits_for_an_hour_and_can_not_be_made_up() {
        let keys = keyring(&[1], 1);
        let waiting = Interaction {
            waiting: AUTHORIZATION,
            request: "client_id=shop&state=%C3%BC".into(),
            since: NOW,
            proof: None,
        };
        let text = waiting.seal(&keys).unwrap();
        let open =
            |keys: &Keyring, after| Interaction::open(keys, AUTHORIZATION, &text, NOW.after(after));
        assert_eq!(open(&keys, Duration::from_mins(59)), Ok(waiting.clone()));
        assert_eq!(open(&keys, LIFETIME), Err(Unopened::Garbage));
        let proof = Some(SignInProof::of(&session(NOW), &waiting.request, NOW));
        let proven = Interaction { proof, ..waiting.clone() };
        let sealed = proven.seal(&keys).unwrap();
        assert_eq!(Interaction::open(&keys, AUTHORIZATION, &sealed, NOW), Ok(proven));
        assert!(open(&keyring(&[2], 2), Duration::ZERO).is_err());
        let made_ahead = Interaction::open(&keys, AUTHORIZATION, &text, NOW.before(LIFETIME));
        assert_eq!(made_ahead, Err(Unopened::Garbage), "by a clock that was ahead");
        let long = Interaction { request: "x".repeat(MAX_REQUEST + 1), ..waiting };
        assert_eq!(long.seal(&keys), None);
    }

    #[test]
    fn a_proof_is_of_one_sign_in_and_one_request() {
        let session = session(NOW);
        let proof = SignInProof::of(&session, "a", NOW);
        assert_eq!(proof, SignInProof::of(&session, "a", NOW));
        assert_ne!(proof, SignInProof::of(&session, "b", NOW));
        assert_ne!(proof, SignInProof::of(&session, "a", NOW.after(Duration::from_millis(1))));
        // Everything of a session but its secret's hash is shown somewhere.
        let again = BrowserSession { secret_hash: SecretHash([9; 32]), ..session };
        assert_ne!(proof, SignInProof::of(&again, "a", NOW));
    }
}
