//! A key pair that is parsed once and signs many times.
//!
//! `jsonwebtoken` parses an RSA key again for each token, which takes more than twice as long as the
//! signature itself, so the pair is kept here and only its signature is made by aws-lc-rs directly.
//! Everything else of a JWT is that library's: headers, public keys, and all of the checking.

use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey};
use remint_protocol::signing_key::SigningAlg;

use crate::entropy;

/// A private key, ready to sign.
pub(super) enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair(…)")
    }
}

/// The algorithm as `jsonwebtoken` names it.
pub(super) const fn algorithm(alg: SigningAlg) -> Algorithm {
    match alg {
        SigningAlg::Rs256 => Algorithm::RS256,
        SigningAlg::Es256 => Algorithm::ES256,
        SigningAlg::Ps256 => Algorithm::PS256,
        SigningAlg::EdDsa => Algorithm::EdDSA,
    }
}

impl Pair {
    /// Reads a private key; `None` if it is not one of the algorithm.
    pub(super) fn parse(alg: SigningAlg, pkcs8: &[u8]) -> Option<Self> {
        Some(match alg {
            SigningAlg::Rs256 => Self::Rsa(RsaKeyPair::from_pkcs8(pkcs8).ok()?, &RSA_PKCS1_SHA256),
            SigningAlg::Ps256 => Self::Rsa(RsaKeyPair::from_pkcs8(pkcs8).ok()?, &RSA_PSS_SHA256),
            SigningAlg::Es256 => {
                Self::Ecdsa(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?)
            }
            SigningAlg::EdDsa => Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).ok()?),
        })
    }

    /// The signature in the form of RFC 7518 §3 and RFC 8037 §3.1.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &entropy::for_signatures(), message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ecdsa(pair) => {
                Some(pair.sign(&entropy::for_signatures(), message).ok()?.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }

    /// The public key, which verifies its signatures.
    pub(super) fn public(&self) -> DecodingKey {
        match self {
            Self::Rsa(pair, _) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                DecodingKey::from_rsa_raw_components(&public.n, &public.e)
            }
            Self::Ecdsa(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Self::Ed25519(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
        }
    }
}

/// The public key as it is published (RFC 7517 §4), its `kid` the thumbprint (RFC 7638).
pub(super) fn jwk(public: &DecodingKey, alg: SigningAlg) -> Option<Jwk> {
    let mut jwk = Jwk::from_decoding_key(public, Some(algorithm(alg))).ok()?;
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).ok()?);
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Some(jwk)
}
