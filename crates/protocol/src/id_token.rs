//! The ID token (OpenID Connect Core 1.0 §2): its claims, and what ties it to the tokens and codes
//! that it is issued with.
//!
//! Everything that stays the same while an authorization lives is one value, [`Identity`], and each of its ID
//! tokens is made from that. So one that comes with a refresh cannot differ from the first in what §12.2 says
//! must be equal.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use crate::signing_key::SigningAlg;
use crate::time::Timestamp;

/// The `typ` of an ID token. Other kinds of JWT have one of their own, so that none is taken for
/// another (RFC 8725 §3.11).
pub const TYP: &str = "JWT";

/// A subject identifier: at most 255 ASCII characters (OpenID Connect Core §2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubjectId(String);

impl SubjectId {
    /// The longest one.
    pub const MAX_LEN: usize = 255;

    /// Takes 1 to 255 visible ASCII characters.
    pub fn parse(text: &str) -> Option<Self> {
        let is_good = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_good.then(|| Self(text.to_owned()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SubjectId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a subject has 1 to 255 visible ASCII characters")
    }
}

impl From<SubjectId> for String {
    fn from(subject: SubjectId) -> Self {
        subject.0
    }
}

/// For whom a token is: one audience is written as a string, several as an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// The usual case.
    One(String),
    /// Others beside the client.
    Several(Vec<String>),
}

impl Audience {
    /// The only one, where it is one.
    pub fn one(&self) -> Option<&str> {
        match self {
            Self::One(one) => Some(one),
            Self::Several(_) => None,
        }
    }

    /// Whether `who` is meant.
    pub fn contains(&self, who: &str) -> bool {
        match self {
            Self::One(one) => one == who,
            Self::Several(all) => all.iter().any(|one| one == who),
        }
    }
}

/// The claims that all ID tokens of one authorization share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The issuer.
    pub iss: String,
    /// The user, as this client knows them.
    pub sub: SubjectId,
    /// The client.
    pub aud: Audience,
    /// The time at which the user proved their identity; `None` if neither `max_age` nor the client asked.
    pub auth_time: Option<Timestamp>,
    /// The strength of that proof.
    pub acr: Option<String>,
    /// By which means.
    pub amr: Vec<String>,
    /// The session at this server (OpenID Connect Front-Channel Logout §3).
    pub sid: Option<String>,
}

/// The values of one response to which its ID token is bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashedWith<'a> {
    /// The `nonce` of the authentication request, byte for byte.
    pub nonce: Option<&'a str>,
    /// The access token of the same answer.
    pub access_token: Option<&'a str>,
    /// The code of the same answer.
    pub code: Option<&'a str>,
}

/// The claims of an ID token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdToken {
    /// The issuer.
    pub iss: String,
    /// The user.
    pub sub: SubjectId,
    /// For whom it is.
    pub aud: Audience,
    /// Its end, in seconds.
    pub exp: i64,
    /// The time at which it was issued, in seconds.
    pub iat: i64,
    /// The time at which the user proved their identity, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Ties it to the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The strength of that proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By which means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Ties it to the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// Ties it to the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub c_hash: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

impl Identity {
    /// Makes the identity of a user towards one client, without saying how they signed in.
    pub fn new(iss: &str, sub: SubjectId, client_id: &str) -> Self {
        Self {
            iss: iss.to_owned(),
            sub,
            aud: Audience::One(client_id.to_owned()),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            sid: None,
        }
    }

    /// Issues an ID token: with the `nonce` of an authentication request, or without one for a refresh (§12.2).
    pub fn issue(
        &self,
        alg: SigningAlg,
        with: &HashedWith<'_>,
        now: Timestamp,
        lifetime: Duration,
    ) -> IdToken {
        let hash = |value: Option<&str>| value.map(|value| half_hash(alg, value));
        IdToken {
            nonce: with.nonce.map(str::to_owned),
            at_hash: hash(with.access_token),
            c_hash: hash(with.code),
            ..self.bare(now, lifetime)
        }
    }

    fn bare(&self, now: Timestamp, lifetime: Duration) -> IdToken {
        IdToken {
            iss: self.iss.clone(),
            sub: self.sub.clone(),
            aud: self.aud.clone(),
            exp: now.after(lifetime).as_secs(),
            iat: now.as_secs(),
            auth_time: self.auth_time.map(Timestamp::as_secs),
            nonce: None,
            acr: self.acr.clone(),
            amr: self.amr.clone(),
            at_hash: None,
            c_hash: None,
            sid: self.sid.clone(),
        }
    }
}

/// The left half of the hash that belongs to `alg`, as `at_hash` and `c_hash` have it (§3.1.3.6,
/// §3.3.2.11).
pub fn half_hash(alg: SigningAlg, value: &str) -> String {
    match alg {
        SigningAlg::Rs256 | SigningAlg::Es256 | SigningAlg::Ps256 => {
            left_half(&Sha256::digest(value.as_bytes()))
        }
        // RFC 8032 §5.1: Ed25519 hashes with SHA-512, which `alg` does not say.
        SigningAlg::EdDsa => left_half(&Sha512::digest(value.as_bytes())),
    }
}

fn left_half(hash: &[u8]) -> String {
    let (left, _) = hash.split_at_checked(hash.len() / 2).unwrap_or((hash, &[]));
    URL_SAFE_NO_PAD.encode(left)
}
