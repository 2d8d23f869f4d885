//! Proof Key for Code Exchange (RFC 7636).
//!
//! Refuses challenges and verifiers that the RFC does not allow, and any mixture of the two that would
//! let one be left out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::form::Form;
use crate::reject::{Reject, Why};

/// The challenge to which a request committed itself: the SHA-256 of the verifier. A `plain` challenge is the
/// verifier itself, so its hash serves as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge(pub [u8; 32]);

/// RFC 7636 §4.1: how long a verifier is.
const VERIFIER_LEN: std::ops::RangeInclusive<usize> = 43..=128;

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`; `None` where there is neither.
    ///
    /// # Errors
    /// `invalid_request` (RFC 7636 §4.4.1).
    pub fn read(form: &Form<'_>, may_be_plain: bool) -> Result<Option<Self>, Reject> {
        let method = form.find("code_challenge_method");
        let Some(text) = form.find("code_challenge") else {
            let stray = method.map(|_| Why::ChallengeMissing.into());
            return stray.map_or(Ok(None), Err);
        };
        match method {
            Some("S256") => {
                let hash = URL_SAFE_NO_PAD.decode(text).ok().and_then(|hash| hash.try_into().ok());
                hash.map(Self).map(Some).ok_or_else(|| Why::ChallengeMalformed.into())
            }
            // RFC 7636 §4.3: `plain` where the method is not given.
            Some("plain") | None if may_be_plain => {
                if !is_verifier(text) {
                    return Err(Why::ChallengeMalformed.into());
                }
                Ok(Some(Self(Sha256::digest(text).into())))
            }
            _ => Err(Why::ChallengeMethod.into()),
        }
    }

    /// Whether `verifier` is what the challenge was made of, in constant time.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(verifier).into();
        is_verifier(verifier) && bool::from(self.0.ct_eq(&hash))
    }
}

/// Judges the verifier of a token request.
///
/// # Errors
/// `invalid_grant` where one of the two is missing or they do not belong together.
pub fn check(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), Reject> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
        (Some(_), Some(_)) => Err(Why::VerifierWrong.into()),
        (Some(_), None) => Err(Why::VerifierMissing.into()),
        // RFC 9700 §4.8.2: somebody took the challenge out of the request.
        (None, Some(_)) => Err(Why::VerifierUnexpected.into()),
    }
}

fn is_verifier(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    VERIFIER_LEN.contains(&text.len()) && text.bytes().all(unreserved)
}

/// The required protection of a code on its way (RFC 7636, OAuth 2.1 §7.5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pkce {
    /// A code challenge.
    #[default]
    Required,
    /// A code challenge, or the `nonce` of an OpenID Connect request, for clients that cannot have one.
    OrNonce,
}

impl Pkce {
    /// The value in a registration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::OrNonce => "or_nonce",
        }
    }

    /// Reads the value of a registration.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Required, Self::OrNonce].into_iter().find(|v| v.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 Appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(query: &str, may_be_plain: bool) -> Result<Option<Challenge>, Why> {
        Challenge::read(&Form::parse(query.as_bytes()).unwrap(), may_be_plain).map_err(|r| r.why)
    }

    fn s256() -> Challenge {
        read(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256"), false)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn the_example_of_the_rfc_fits() {
        assert!(s256().is_met_by(VERIFIER));
    }

    #[test]
    fn checklist_12_plain_is_off_and_what_is_no_challenge_is_refused() {
        let plain = format!("code_challenge={VERIFIER}&code_challenge_method=plain");
        assert_eq!(read(&plain, false), Err(Why::ChallengeMethod));
        assert_eq!(read(&format!("code_challenge={VERIFIER}"), false), Err(Why::ChallengeMethod));
        assert!(read(&plain, true).unwrap().unwrap().is_met_by(VERIFIER));
        for bad in
            ["x", &CHALLENGE[..42], &format!("{CHALLENGE}A"), &format!("{CHALLENGE}="), "+%2F"]
        {
            let query = format!("code_challenge={bad}&code_challenge_method=S256");
            assert_eq!(read(&query, false), Err(Why::ChallengeMalformed), "{bad}");
        }
        let unknown = format!("code_challenge={CHALLENGE}&code_challenge_method=s256");
        assert_eq!(read(&unknown, true), Err(Why::ChallengeMethod));
        assert_eq!(read("code_challenge_method=S256", true), Err(Why::ChallengeMissing));
        assert_eq!(read("", false), Ok(None));
    }

    #[test]
    fn checklist_13_a_verifier_has_43_to_128_unreserved_characters() {
        let of = |verifier: &str| Challenge(Sha256::digest(verifier).into()).is_met_by(verifier);
        assert!(of(&"a".repeat(43)) && of(&"~".repeat(128)));
        assert!(
            !of(&"a".repeat(42)) && !of(&"a".repeat(129)) && !of(&format!("{}+", "a".repeat(43)))
        );
    }

    #[test]
    fn checklist_14_neither_challenge_nor_verifier_goes_without_the_other() {
        let why =
            |challenge: Option<&Challenge>, verifier| check(challenge, verifier).map_err(|r| r.why);
        let s256 = s256();
        let other = "x".repeat(43);
        assert_eq!(why(Some(&s256), Some(VERIFIER)), Ok(()));
        assert_eq!(why(Some(&s256), Some(&other)), Err(Why::VerifierWrong));
        assert_eq!(why(Some(&s256), Some(CHALLENGE)), Err(Why::VerifierWrong));
        assert_eq!(why(Some(&s256), None), Err(Why::VerifierMissing));
        assert_eq!(why(None, Some(VERIFIER)), Err(Why::VerifierUnexpected));
        assert_eq!(why(None, None), Ok(()));
    }
}
