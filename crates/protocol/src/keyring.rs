//! The root keys and what is derived from them (HKDF, RFC 5869).
//!
//! Root keys live in a key file beside the configuration, never in the database. Each has a number,
//! the `kid`, that every token names: a new key is first known everywhere, then used for sealing.

use std::fmt;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret::SecretHash;
use crate::secret::StoredSecret;

/// A root key: 256 random bits.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey(pub [u8; 32]);

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}

impl RootKey {
    /// Tells whether two files mean the same key, and nothing about the key itself.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let mut fingerprint = [0; 16];
        let hkdf = Hkdf::<Sha256>::new(None, &self.0);
        hkdf.expand(b"remint key fingerprint v1", &mut fingerprint).ok()?;
        Some(Fingerprint(fingerprint))
    }
}

/// The fingerprint of a root key, for places where the key itself must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

/// The use of a derived key. Each use has a key of its own, so that nothing sealed for one opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Access tokens.
    Access,
    /// Refresh tokens.
    Refresh,
    /// The public ids of families, which users know as sessions.
    FamilyId,
    /// Authorization codes.
    Code,
    /// Authorization requests that wait for a person.
    Interaction,
    /// The private halves of the keys that sign JWTs.
    SigningKey,
    /// The part of a JWT access token that only this server reads.
    Reference,
    /// Pairwise subjects.
    SubjectSalt,
}

impl Kind {
    /// The HKDF `info` of the kind's key, and the first word of the associated data.
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Access => b"remint access token v1",
            Self::Refresh => b"remint refresh token v1",
            Self::FamilyId => b"remint session id v1",
            Self::Code => b"remint authorization code v1",
            Self::Interaction => b"remint interaction v1",
            Self::SigningKey => b"remint signing key v1",
            Self::Reference => b"remint access reference v1",
            Self::SubjectSalt => b"remint subject salt v1",
        }
    }
}

/// The length of every derived key: AES-SIV with two keys of 256 bits, or one block of HMAC-SHA-256.
const DERIVED_LEN: usize = 64;

type Key = Zeroizing<[u8; DERIVED_LEN]>;

#[derive(Clone)]
struct Derived {
    kid: u8,
    access: Key,
    refresh: Key,
    family_id: Key,
    code: Key,
    interaction: Key,
    csrf: Hmac<Sha256>,
    device: Hmac<Sha256>,
    signing_key: Key,
    reference: Key,
    subject_salt: Key,
    client_secret: Hmac<Sha256>,
}

impl Derived {
    fn new(kid: u8, root: &RootKey) -> Result<Self, KeyringError> {
        let hkdf = Hkdf::<Sha256>::new(None, &root.0);
        let derive = |info: &[u8]| {
            let mut key = Key::new([0; DERIVED_LEN]);
            hkdf.expand(info, key.as_mut_slice()).map_err(|_| KeyringError::Derivation)?;
            Ok(key)
        };
        let mac_key = derive(b"remint client secret v1")?;
        let csrf_key = derive(b"remint csrf v1")?;
        let device_key = derive(b"remint device v1")?;
        Ok(Self {
            kid,
            access: derive(Kind::Access.label())?,
            refresh: derive(Kind::Refresh.label())?,
            family_id: derive(Kind::FamilyId.label())?,
            code: derive(Kind::Code.label())?,
            interaction: derive(Kind::Interaction.label())?,
            csrf: Hmac::new(csrf_key.as_slice().try_into().map_err(|_| KeyringError::Derivation)?),
            device: Hmac::new(
                device_key.as_slice().try_into().map_err(|_| KeyringError::Derivation)?,
            ),
            signing_key: derive(Kind::SigningKey.label())?,
            reference: derive(Kind::Reference.label())?,
            subject_salt: derive(Kind::SubjectSalt.label())?,
            client_secret: Hmac::new(
                mac_key.as_slice().try_into().map_err(|_| KeyringError::Derivation)?,
            ),
        })
    }
}

/// All root keys that this node knows, and the one that seals.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<Derived>,
    active: u8,
    elsewhere: Vec<u8>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys, {} active)", self.keys.len(), self.active)
    }
}

/// The reason why keys do not make a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Two keys have one number.
    #[error("two keys have the kid {0}")]
    Twice(u8),
    /// The derived length is not one that HKDF gives; never so with the lengths used here.
    #[error("a key could not be derived")]
    Derivation,
    /// The key that should seal is not there.
    #[error("no key has the active kid {0}")]
    ActiveMissing(u8),
}

impl Keyring {
    /// Derives what is needed from each root key.
    ///
    /// # Errors
    /// When a `kid` stands twice or the active one is missing.
    pub fn new(roots: &[(u8, RootKey)], active: u8) -> Result<Self, KeyringError> {
        let mut keys: Vec<Derived> = Vec::with_capacity(roots.len());
        for (kid, root) in roots {
            if keys.iter().any(|k| k.kid == *kid) {
                return Err(KeyringError::Twice(*kid));
            }
            keys.push(Derived::new(*kid, root)?);
        }
        if !keys.iter().any(|k| k.kid == active) {
            return Err(KeyringError::ActiveMissing(active));
        }
        Ok(Self { keys, active, elsewhere: Vec::new() })
    }

    /// Says which keys the store lists and this node lacks.
    #[must_use]
    pub fn with_elsewhere(self, elsewhere: Vec<u8>) -> Self {
        Self { elsewhere, ..self }
    }

    /// The numbers of the keys that this node knows.
    pub fn kids(&self) -> impl Iterator<Item = u8> {
        self.keys.iter().map(|key| key.kid)
    }

    /// The key that seals.
    pub const fn active(&self) -> u8 {
        self.active
    }

    /// The first key that was given.
    pub fn oldest(&self) -> u8 {
        self.keys.first().map_or(self.active, |key| key.kid)
    }

    /// Whether this node knows the key.
    pub fn knows(&self, kid: u8) -> bool {
        self.key(kid).is_some()
    }

    /// Whether `kid` is a key that has not reached this node yet: one that the store lists. Any other number
    /// was made up, or its key was retired.
    pub fn is_elsewhere(&self, kid: u8) -> bool {
        self.elsewhere.contains(&kid)
    }

    /// A cipher ready to seal or open; `None` where this node lacks the key.
    pub(crate) fn cipher(&self, kid: u8, kind: Kind) -> Option<Aes256Siv> {
        let key = self.key(kid)?;
        let key = match kind {
            Kind::Access => &key.access,
            Kind::Refresh => &key.refresh,
            Kind::FamilyId => &key.family_id,
            Kind::Code => &key.code,
            Kind::Interaction => &key.interaction,
            Kind::SigningKey => &key.signing_key,
            Kind::Reference => &key.reference,
            Kind::SubjectSalt => &key.subject_salt,
        };
        Aes256Siv::new_from_slice(key.as_slice()).ok()
    }

    /// The keyed hash of a client secret under the active key, to be stored.
    pub fn hash_client_secret(&self, secret: &str) -> Option<StoredSecret> {
        let hash = self.client_secret_hash(self.active, secret)?;
        Some(StoredSecret { kid: self.active, hash })
    }

    /// Whether `secret` is the stored one, in constant time.
    pub fn is_client_secret(&self, stored: &StoredSecret, secret: &str) -> bool {
        self.client_secret_hash(stored.kid, secret).is_some_and(|hash| hash == stored.hash)
    }

    /// Makes the proof that a form was given to the browser that has the cookie `secret`.
    pub fn csrf(&self, secret: &[u8]) -> Option<SecretHash> {
        self.csrf_under(self.active, secret)
    }

    /// Whether `proof` is what [`Self::csrf`] gives, or gave under a key before, in constant time.
    pub fn is_csrf(&self, secret: &[u8], proof: &SecretHash) -> bool {
        self.kids().any(|kid| self.csrf_under(kid, secret).is_some_and(|own| own == *proof))
    }

    fn csrf_under(&self, kid: u8, secret: &[u8]) -> Option<SecretHash> {
        let mut mac = self.key(kid)?.csrf.clone();
        mac.update(secret);
        Some(SecretHash(mac.finalize().into_bytes().into()))
    }

    /// Makes the proof that somebody signed in at a browser, for the content of its mark.
    pub fn device(&self, mark: &[u8]) -> Option<SecretHash> {
        self.device_under(self.active, mark)
    }

    /// Whether `proof` is what [`Self::device`] gives, or gave under a key before, in constant time.
    pub fn is_device(&self, mark: &[u8], proof: &SecretHash) -> bool {
        self.kids().any(|kid| self.device_under(kid, mark).is_some_and(|own| own == *proof))
    }

    fn device_under(&self, kid: u8, mark: &[u8]) -> Option<SecretHash> {
        let mut mac = self.key(kid)?.device.clone();
        mac.update(mark);
        Some(SecretHash(mac.finalize().into_bytes().into()))
    }

    fn client_secret_hash(&self, kid: u8, secret: &str) -> Option<SecretHash> {
        let mut mac = self.key(kid)?.client_secret.clone();
        mac.update(secret.as_bytes());
        Some(SecretHash(mac.finalize().into_bytes().into()))
    }

    fn key(&self, kid: u8) -> Option<&Derived> {
        self.keys.iter().find(|k| k.kid == kid)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn keyring(kids: &[u8], active: u8) -> Keyring {
        let roots: Vec<_> = kids.iter().map(|kid| (*kid, RootKey([*kid; 32]))).collect();
        Keyring::new(&roots, active).unwrap()
    }

    #[test]
    fn a_client_secret_is_useless_without_its_key() {
        let keys = keyring(&[1, 2], 2);
        let stored = keys.hash_client_secret("s3cret").unwrap();
        assert_eq!(stored.kid, 2);
        assert!(keys.is_client_secret(&stored, "s3cret"));
        assert!(!keys.is_client_secret(&stored, "s3cre"));
        assert!(!keyring(&[1], 1).is_client_secret(&stored, "s3cret"));
        let other = Keyring::new(&[(2, RootKey([9; 32]))], 2).unwrap();
        assert!(!other.is_client_secret(&stored, "s3cret"));
    }

    #[test]
    fn a_key_is_elsewhere_only_where_it_was_said_to_be() {
        let keys = keyring(&[3, 5], 5);
        assert!((0..=u8::MAX).all(|kid| !keys.is_elsewhere(kid)));
        let keys = keys.with_elsewhere(vec![1, 200]);
        assert!((0..=u8::MAX).all(|kid| keys.is_elsewhere(kid) == [1, 200].contains(&kid)));
    }

    #[test]
    fn a_fingerprint_tells_keys_apart_and_holds_none_of_the_key() {
        let [one, same, other] = [1, 1, 2].map(|byte| RootKey([byte; 32]).fingerprint().unwrap());
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_ne!(one.0, [1; 16]);
    }

    #[test]
    fn a_keyring_has_each_kid_once_and_its_active_key() {
        let root = RootKey([1; 32]);
        let twice = Keyring::new(&[(1, root.clone()), (1, root.clone())], 1);
        assert_eq!(twice.unwrap_err(), KeyringError::Twice(1));
        assert_eq!(Keyring::new(&[(1, root)], 2).unwrap_err(), KeyringError::ActiveMissing(2));
    }
}
