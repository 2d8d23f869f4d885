//! Secrets as types whose `Debug` shows nothing, compared in constant time.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The part of a refresh token that only the token carries: drawn once per family. The store knows
/// its hash alone, so neither a stolen database nor a stolen key forges a token.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FamilySecret([u8; 16]);

impl FamilySecret {
    /// Wraps 128 freshly drawn random bits, or those of an opened token.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The secret itself, to be sealed into a token.
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns the hash that the store keeps. A plain hash is enough: the input has 128 random bits.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for FamilySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FamilySecret(…)")
    }
}

/// The hash or keyed hash of a secret; comparison takes the same time whatever the contents.
#[derive(Clone, Copy, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// A tag over `content` that cannot be made without this hash, which is in the store alone: a seal is made
    /// with the key file, and does not show that the store ever knew of what it holds. Tags of different
    /// purposes have nothing in common.
    pub fn tag(&self, purpose: &str, content: &[u8]) -> [u8; 32] {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return [0; 32] };
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(content);
        mac.finalize().into_bytes().into()
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A client's secret as stored: a keyed hash, useless without the key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// The root key whose derivative keyed the hash.
    pub kid: u8,
    /// HMAC-SHA-256 of the secret.
    pub hash: SecretHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_its_hash_its_purpose_and_its_content() {
        let tag = |hash: u8, purpose, content: &[u8]| SecretHash([hash; 32]).tag(purpose, content);
        let all = [tag(1, "a", b"bc"), tag(2, "a", b"bc"), tag(1, "b", b"bc"), tag(1, "ab", b"c")];
        for (i, one) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|other| other != one));
        }
        assert_eq!(all.first(), Some(&tag(1, "a", b"bc")));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = FamilySecret::new([7; 16]);
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "FamilySecret(…) SecretHash(…)");
    }
}
