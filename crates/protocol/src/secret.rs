//! Secrets as types whose `Debug` shows nothing, compared in constant time.

use std::fmt;

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

    /// What the store remembers. A plain hash is enough: the input has 128 random bits.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = FamilySecret::new([7; 16]);
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "FamilySecret(…) SecretHash(…)");
    }
}
