//! The keys that sign JWTs: which algorithms there are (RFC 7518 §3.1, RFC 8037 §3.1), and how the
//! private half of a key is sealed before it is stored.
//!
//! `none` and the keyed hashes are not among the algorithms, so nothing can ask for them. A sealed key
//! opens under its own `kid` and for its own algorithm only: rows cannot be swapped.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keyring::{Keyring, Kind};
use crate::token::{self, Unopened};

/// The algorithms by which JWTs are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SigningAlg {
    /// RSASSA-PKCS1-v1_5 with SHA-256, which every client can check (OpenID Connect Core §15.1).
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlg {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Es256, Self::Ps256, Self::EdDsa];

    /// The value of the `alg` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads the value of the `alg` parameter.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text)
    }
}

impl fmt::Display for SigningAlg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Seals a private key under the active root key. `None` never, with a keyring that has its own.
pub fn seal_private(keys: &Keyring, kid: &str, alg: SigningAlg, private: &[u8]) -> Option<Vec<u8>> {
    token::seal(keys, keys.active(), Kind::SigningKey, &context(kid, alg), private)
}

/// Opens a sealed private key.
///
/// # Errors
/// [`Unopened`].
pub fn open_private(
    keys: &Keyring,
    kid: &str,
    alg: SigningAlg,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let (_, private) = token::open_stored(keys, Kind::SigningKey, &context(kid, alg), sealed)?;
    Ok(Zeroizing::new(private))
}

fn context(kid: &str, alg: SigningAlg) -> String {
    format!("{alg} {kid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::RootKey;
    use crate::keyring::tests::keyring;

    #[test]
    fn wire_names_read_back_and_no_others_do() {
        for alg in SigningAlg::ALL {
            assert_eq!(SigningAlg::parse(alg.as_str()), Some(alg));
        }
        for other in ["none", "None", "HS256", "rs256", "RS384", "ES256K", ""] {
            assert_eq!(SigningAlg::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_sealed_key_opens_as_itself_alone() {
        let keys = keyring(&[1, 2], 2);
        let sealed = seal_private(&keys, "a", SigningAlg::Rs256, b"private").unwrap();
        assert!(!sealed.windows(7).any(|w| w == b"private"));
        let opened = open_private(&keys, "a", SigningAlg::Rs256, &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"private");
        let garbage = Err(Unopened::Garbage);
        assert_eq!(open_private(&keys, "b", SigningAlg::Rs256, &sealed), garbage);
        assert_eq!(open_private(&keys, "a", SigningAlg::Ps256, &sealed), garbage);
        assert_eq!(open_private(&keys, "a", SigningAlg::Rs256, &sealed[1..]), garbage);
        assert_eq!(open_private(&keys, "a", SigningAlg::Rs256, &[]), garbage);
    }

    #[test]
    fn checklist_87_a_sealed_key_does_not_open_without_its_root_key() {
        let keys = keyring(&[1, 2], 2);
        let sealed = seal_private(&keys, "a", SigningAlg::EdDsa, b"private").unwrap();
        let opened = |keys: &Keyring| open_private(keys, "a", SigningAlg::EdDsa, &sealed);
        let other = Keyring::new(&[(2, RootKey([9; 32]))], 2).unwrap();
        assert_eq!(opened(&other), Err(Unopened::Garbage));
        assert_eq!(opened(&keyring(&[1], 1)), Err(Unopened::UnknownKey), "not here yet");
    }
}
