//! Root keys, as the store knows them by number: which one seals, and what each is still needed for.
//!
//! Refuses to retire a key while something that lives is sealed or hashed under it, because nothing could
//! open or check that afterwards.

use std::time::Duration;

use crate::client::Client;
use crate::family::Family;
use crate::keyring::Fingerprint;
use crate::time::Timestamp;

/// A root key as the store knows it: without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRootKey {
    /// Its number.
    pub kid: u8,
    /// Tells whether a key of that number is this one.
    pub fingerprint: Fingerprint,
    /// The time at which it was made known.
    pub added_at: Timestamp,
    /// The time at which it was told to seal; of several, the latest does.
    pub activated_at: Option<Timestamp>,
    /// The time at which it was given up: what it sealed is garbage.
    pub retired_at: Option<Timestamp>,
}

/// Finds the key that seals new tokens: of those in use, the one that was activated last.
pub fn sealing(keys: &[StoredRootKey]) -> Option<u8> {
    let usable = keys.iter().filter(|key| key.retired_at.is_none() && key.activated_at.is_some());
    usable.max_by_key(|key| key.activated_at).map(|key| key.kid)
}

/// Everything that would be lost with a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The number of living families whose refresh token it seals.
    pub families: usize,
    /// The clients whose secret is hashed under it.
    pub clients: Vec<String>,
    /// The time until which access tokens that it sealed may live.
    pub access_tokens_until: Option<Timestamp>,
    /// The number of signing keys that it seals.
    pub signing_keys: usize,
    /// Whether it seals the salt of pairwise subjects.
    pub subject_salt: bool,
}

impl Needs {
    /// Whether nothing would be lost.
    pub const fn is_none(&self) -> bool {
        self.families == 0
            && self.clients.is_empty()
            && self.access_tokens_until.is_none()
            && self.signing_keys == 0
            && !self.subject_salt
    }

    /// Counts a family, if the key seals its token and it lives.
    pub fn count_family(&mut self, kid: u8, family: &Family, now: Timestamp) {
        let lives = family.revoked.is_none() && !family.is_expired(now);
        self.families += usize::from(lives && family.kid == kid);
    }

    /// Counts a client, if a secret that it may use is hashed under the key.
    pub fn count_client(&mut self, kid: u8, client: &Client, now: Timestamp) {
        let previous = client.previous_secret.filter(|(_, until)| *until > now);
        let mut secrets = client.secret.into_iter().chain(previous.map(|(secret, _)| secret));
        if secrets.any(|secret| secret.kid == kid) {
            self.clients.push(client.id.to_string());
        }
    }

    /// Counts access tokens, which live for `lifetime` at most: a key sealed them until the next one was
    /// activated.
    pub fn count_access_tokens(
        &mut self,
        key: &StoredRootKey,
        all: &[StoredRootKey],
        lifetime: Duration,
        now: Timestamp,
    ) {
        let next = all
            .iter()
            .filter_map(|other| other.activated_at)
            .filter(|at| key.activated_at.is_some_and(|own| *at > own))
            .min();
        self.access_tokens_until = next.map(|at| at.after(lifetime)).filter(|at| *at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::client;
    use crate::family::RevokeReason;
    use crate::family::tests::family;
    use crate::secret::{SecretHash, StoredSecret};

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn key(kid: u8, activated: Option<i64>) -> StoredRootKey {
        let fingerprint = crate::keyring::RootKey([kid; 32]).fingerprint().unwrap();
        let activated_at = activated.map(at);
        StoredRootKey { kid, fingerprint, added_at: at(0), activated_at, retired_at: None }
    }

    #[test]
    fn the_key_that_was_activated_last_seals_unless_it_is_retired() {
        let mut keys = [key(1, Some(1)), key(2, Some(3)), key(3, Some(2)), key(4, None)];
        assert_eq!(sealing(&keys), Some(2));
        keys[1].retired_at = Some(at(4));
        assert_eq!(sealing(&keys), Some(3));
        assert_eq!(sealing(&[]), None);
    }

    #[test]
    fn a_key_is_needed_by_the_living_families_that_it_seals() {
        let needs = |change: fn(&mut Family)| {
            let mut family = Family { kid: 2, expires_at: at(10), ..family() };
            change(&mut family);
            let mut needs = Needs::default();
            needs.count_family(2, &family, at(5));
            needs.families
        };
        assert_eq!(needs(|_| {}), 1);
        assert_eq!(needs(|family| family.kid = 3), 0);
        assert_eq!(needs(|family| family.expires_at = at(5)), 0);
        assert_eq!(needs(|family| family.revoked = Some((at(4), RevokeReason::User))), 0);
    }

    #[test]
    fn a_key_is_needed_by_the_clients_whose_secrets_are_hashed_under_it() {
        let under = |kid| StoredSecret { kid, hash: SecretHash([0; 32]) };
        let needs = |secret, previous: Option<(StoredSecret, Timestamp)>| {
            let shop = Client { secret, previous_secret: previous, ..client("shop") };
            let mut needs = Needs::default();
            needs.count_client(2, &shop, at(5));
            needs.clients == ["shop"]
        };
        assert!(needs(Some(under(2)), None));
        assert!(!needs(Some(under(1)), None) && !needs(None, None));
        assert!(needs(Some(under(1)), Some((under(2), at(6)))));
        assert!(!needs(Some(under(1)), Some((under(2), at(5)))), "it does not work any more");
    }

    #[test]
    fn a_key_is_needed_by_its_access_tokens_until_the_last_has_expired() {
        let keys = [key(1, Some(1)), key(2, Some(100)), key(3, Some(200))];
        let until = |kid: usize, now| {
            let mut needs = Needs::default();
            needs.count_access_tokens(&keys[kid - 1], &keys, Duration::from_mins(1), at(now));
            needs.access_tokens_until
        };
        assert_eq!(until(1, 120), Some(at(160)));
        assert_eq!(until(1, 160), None);
        assert_eq!(until(2, 120), Some(at(260)));
        assert_eq!(until(3, 120), None, "it seals, and is refused for that");
    }

    #[test]
    fn a_key_is_not_needed_when_nothing_would_be_lost() {
        assert!(Needs::default().is_none());
        for needs in [
            Needs { families: 1, ..Needs::default() },
            Needs { clients: vec!["shop".into()], ..Needs::default() },
            Needs { access_tokens_until: Some(at(1)), ..Needs::default() },
            Needs { signing_keys: 1, ..Needs::default() },
            Needs { subject_salt: true, ..Needs::default() },
        ] {
            assert!(!needs.is_none(), "{needs:?}");
        }
    }
}
