//! Subject identifiers (OpenID Connect Core §8): what a client knows a user by.
//!
//! A public one is the same for every client. A pairwise one (§8.1) is the same within a sector and
//! another in each: HMAC-SHA-256 of sector and user, under a salt that is drawn once for an
//! installation. Nobody without the salt can tell whether two of them mean one person, or who it is,
//! even if they know every user's id; and this server need not be able to, because it compares.
//!
//! The session of a browser is told in the same way: a `sid` that two sectors share would say that both have
//! the same person before them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::browser_session::BrowserSessionId;
use crate::id_token::SubjectId;
use crate::keyring::{Keyring, Kind};
use crate::token::{self, Unopened};
use crate::user::{SUBJECT_PREFIX, UserId};

const LEN: usize = 32;

/// The salt of pairwise subjects: 256 random bits, drawn once and forever.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SubjectSalt([u8; LEN]);

impl fmt::Debug for SubjectSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectSalt(…)")
    }
}

impl SubjectSalt {
    /// Takes random bytes.
    pub const fn new(drawn: [u8; LEN]) -> Self {
        Self(drawn)
    }

    /// The subject of a user in a sector. `None` never.
    pub fn pairwise(&self, sector: &str, user: UserId) -> Option<SubjectId> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(b"remint pairwise subject v1\0");
        // Names of hosts have no NUL, so that no sector runs over into the user.
        mac.update(sector.as_bytes());
        mac.update(b"\0");
        mac.update(&user.0);
        let hash = mac.finalize().into_bytes();
        // RFC 9700 §4.15: as those of all users, so that no client id can be one.
        SubjectId::parse(&format!("{SUBJECT_PREFIX}{}", URL_SAFE_NO_PAD.encode(hash)))
    }

    /// The `sid` of a browser's session in a sector. `None` never.
    pub fn pairwise_sid(&self, sector: &str, session: BrowserSessionId) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(b"remint pairwise sid v1\0");
        mac.update(sector.as_bytes());
        mac.update(b"\0");
        mac.update(&session.0);
        Some(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Seals it under the active root key. `None` never, with a keyring that has its own.
    pub fn seal(&self, keys: &Keyring) -> Option<Vec<u8>> {
        token::seal(keys, keys.active(), Kind::SubjectSalt, "", &self.0)
    }

    /// Opens a sealed one.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(keys: &Keyring, sealed: &[u8]) -> Result<Self, Unopened> {
        let (_, content) = token::open_stored(keys, Kind::SubjectSalt, "", sealed)?;
        content.try_into().map(Self).map_err(|_| Unopened::Garbage)
    }
}

/// The subject of a user that is the same for every client. `None` never.
pub fn public(user: UserId) -> Option<SubjectId> {
    SubjectId::parse(&user.subject())
}

/// Whether a text looks like a subject of either kind: another one is nobody's.
pub fn is_subject(text: &str) -> bool {
    let bytes = text.strip_prefix(SUBJECT_PREFIX).map(|text| URL_SAFE_NO_PAD.decode(text));
    matches!(bytes, Some(Ok(bytes)) if [16, LEN].contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_id::ClientId;
    use crate::keyring::tests::keyring;

    fn subject(salt: u8, sector: &str, user: u8) -> String {
        let salt = SubjectSalt::new([salt; LEN]);
        salt.pairwise(sector, UserId([user; 16])).unwrap().into()
    }

    /// A known answer: an accidental change would make a stranger of every user at every client.
    #[test]
    fn checklist_74_a_pairwise_subject_stays_the_same_for_ever() {
        assert_eq!(subject(1, "app.example", 3), KNOWN);
    }

    const KNOWN: &str = "usr_czhfAx9rZDxddidzip29YLq3iZTTpfx-IKgSsHC1yKg";

    #[test]
    fn checklist_74_sectors_users_and_installations_never_share_one() {
        let known = subject(1, "app.example", 3);
        let others = [
            subject(1, "app.example", 4),
            subject(1, "other.example", 3),
            subject(1, "app.example.", 3),
            subject(1, "", 3),
            subject(2, "app.example", 3),
            UserId([3; 16]).subject(),
        ];
        assert!(!others.contains(&known), "{others:?}");
    }

    /// Clients keep `sid` and find their sessions by it when they are notified of a logout.
    #[test]
    fn checklist_74_a_pairwise_sid_stays_the_same_and_no_other_sector_or_session_has_it() {
        let sid = |salt: u8, sector: &str, session: u8| {
            let salt = SubjectSalt::new([salt; LEN]);
            salt.pairwise_sid(sector, BrowserSessionId([session; 16])).unwrap()
        };
        let known = sid(1, "app.example", 3);
        assert_eq!(known, KNOWN_SID);
        let others = [
            sid(1, "app.example", 4),
            sid(1, "other.example", 3),
            sid(2, "app.example", 3),
            BrowserSessionId([3; 16]).sid(),
            subject(1, "app.example", 3)[SUBJECT_PREFIX.len()..].to_owned(),
        ];
        assert!(!others.contains(&known), "{others:?}");
        assert_eq!(BrowserSessionId::from_sid(&known), None, "it names no session by itself");
    }

    const KNOWN_SID: &str = "qFww892woGJX87vhpHme6dGvDfqrzx0X9ujaGu0AdpQ";

    #[test]
    fn checklist_54_no_client_id_can_be_one_and_both_kinds_look_like_a_subject() {
        let pairwise = subject(1, "app.example", 3);
        assert_eq!(ClientId::parse(&pairwise), None);
        assert!(is_subject(&pairwise) && is_subject(&UserId([3; 16]).subject()));
        for other in ["", "usr_", "usr_1", "demo", &pairwise[1..], &pairwise[..20]] {
            assert!(!is_subject(other), "{other}");
        }
        assert_eq!(UserId::from_subject(&pairwise), None, "it names nobody by itself");
    }

    #[test]
    fn a_salt_is_sealed_and_opens_under_its_root_key_alone() {
        let (keys, salt) = (keyring(&[1, 2], 2), SubjectSalt::new([7; LEN]));
        let sealed = salt.seal(&keys).unwrap();
        assert!(!sealed.windows(8).any(|w| w == [7; 8]));
        assert_eq!(SubjectSalt::open(&keys, &sealed), Ok(salt.clone()));
        assert_eq!(SubjectSalt::open(&keyring(&[1], 1), &sealed), Err(Unopened::UnknownKey));
        assert_eq!(SubjectSalt::open(&keys, &sealed[1..]), Err(Unopened::Garbage));
        assert_eq!(format!("{salt:?}"), "SubjectSalt(…)");
    }
}
