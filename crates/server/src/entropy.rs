//! The only source of randomness. What is drawn here is handed to the rules as a value.

use remint_protocol::browser_session::BrowserSessionId;
use remint_protocol::family_id::FamilyId;
use remint_protocol::grant::NewFamilyIds;
use remint_protocol::keyring::RootKey;
use remint_protocol::secret::FamilySecret;
use remint_protocol::signing_key::SigningAlg;
use remint_protocol::token::Jti;
use remint_protocol::user::UserId;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The operating system gives no randomness: nothing may be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoEntropy;

/// Draws `N` random bytes.
///
/// # Errors
/// [`NoEntropy`].
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn bytes<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut drawn = [0; N];
    aws_lc_rs::rand::fill(&mut drawn).map_err(|_| NoEntropy)?;
    Ok(drawn)
}

/// The source of the randomness that signatures draw themselves.
pub(crate) fn for_signatures() -> SystemRandom {
    SystemRandom::new()
}

/// The id of a new access token (`jti`).
///
/// # Errors
/// [`NoEntropy`].
pub fn jti() -> Result<Jti, NoEntropy> {
    bytes().map(Jti)
}

/// Id and secret of a new family.
///
/// # Errors
/// [`NoEntropy`].
pub fn family() -> Result<NewFamilyIds, NoEntropy> {
    Ok(NewFamilyIds { id: FamilyId(bytes()?), secret: FamilySecret::new(bytes()?) })
}

/// The id of a new browser session.
///
/// # Errors
/// [`NoEntropy`].
pub fn browser_session() -> Result<BrowserSessionId, NoEntropy> {
    bytes().map(BrowserSessionId)
}

/// The id of a new user.
///
/// # Errors
/// [`NoEntropy`].
pub fn user_id() -> Result<UserId, NoEntropy> {
    bytes().map(UserId)
}

/// A new root key.
///
/// # Errors
/// [`NoEntropy`].
pub fn root_key() -> Result<RootKey, NoEntropy> {
    bytes().map(RootKey)
}

/// A new signing key, as PKCS#8 (RFC 5958). An RSA key takes tenths of a second, so draw it off the threads
/// that serve requests.
///
/// # Errors
/// [`NoEntropy`].
pub fn signing_key(alg: SigningAlg) -> Result<Zeroizing<Vec<u8>>, NoEntropy> {
    draw_signing_key(alg).map(Zeroizing::new).ok_or(NoEntropy)
}

fn draw_signing_key(alg: SigningAlg) -> Option<Vec<u8>> {
    match alg {
        SigningAlg::Rs256 | SigningAlg::Ps256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            Some(der.as_ref().to_vec())
        }
        SigningAlg::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec())
        }
        SigningAlg::EdDsa => {
            let der: Pkcs8V1Der<'_> = Ed25519KeyPair::generate().ok()?.as_der().ok()?;
            Some(der.as_ref().to_vec())
        }
    }
}

/// A new client secret: 256 random bits as text.
///
/// # Errors
/// [`NoEntropy`].
pub fn client_secret() -> Result<String, NoEntropy> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<32>()?))
}
