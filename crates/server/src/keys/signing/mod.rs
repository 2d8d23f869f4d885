//! Signing JWTs (RFC 7515, RFC 7519), checking those that come back, and the set of public keys
//! (RFC 7517 §5).
//!
//! The keys are in the store, sealed under the root keys; each node opens them and keeps them here,
//! as they were at the store's last change. `lifecycle` makes, rotates and removes them.
//!
//! A token is verified with one of our keys, found by its `kid`, and that key's algorithm: the header's `alg`
//! must agree, and decides nothing (RFC 8725 §3.1). A header with `crit` is refused, because nothing critical
//! is understood here (RFC 7515 §4.1.11).

mod lifecycle;
mod pair;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header};
use remint_protocol::keyring::Keyring;
use remint_protocol::signing_key::{SigningAlg, open_private};
use remint_protocol::tell;
use remint_protocol::time::Timestamp;
use remint_protocol::token::Unopened;
use remint_store::StoredSigningKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::timeout;

use crate::http::failure::Failure;

pub use lifecycle::{
    KEPT, LifecycleError, MAX_AGE, NewSigningKey, Plan, longest_token, maintain, make,
    make_missing, retention, rotate,
};
pub(crate) use lifecycle::{reload, run, wake};

use pair::Pair;

/// The time that a request waits for the first keys of a fresh store, which take less than a second.
const WAIT: Duration = Duration::from_secs(5);

/// The signing keys of this node, as they are now.
#[derive(Debug)]
pub(crate) struct Current {
    signing: ArcSwap<Signing>,
    is_complete: watch::Sender<bool>,
    reloading: Mutex<()>,
    wanted: Notify,
}

impl Default for Current {
    fn default() -> Self {
        Self {
            signing: ArcSwap::default(),
            is_complete: watch::Sender::new(false),
            reloading: Mutex::default(),
            wanted: Notify::new(),
        }
    }
}

impl Current {
    /// The keys, once every algorithm has one: on a fresh store it waits a moment for that.
    pub(crate) async fn complete(&self) -> Result<Arc<Signing>, NotSigned> {
        let signing = self.signing.load_full();
        if signing.is_complete() {
            return Ok(signing);
        }
        let mut is_complete = self.is_complete.subscribe();
        match timeout(WAIT, is_complete.wait_for(|is| *is)).await {
            Ok(Ok(_)) => Ok(self.signing.load_full()),
            _ => Err(NotSigned::NotMade),
        }
    }
}

/// The reason nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// A fresh store has no key yet: try later.
    #[error("there is no key for this algorithm yet")]
    NotMade,
    /// It is sealed under a root key that has not reached this node: try later, or another node.
    #[error("the key is sealed under a root key that has not reached this node")]
    KeyNotHere,
    /// A fault of ours.
    #[error("{0}")]
    Fault(&'static str),
}

impl From<NotSigned> for Failure {
    fn from(why: NotSigned) -> Self {
        match why {
            NotSigned::NotMade => Self::NoSigningKey,
            NotSigned::KeyNotHere => Self::KeyNotHere,
            NotSigned::Fault(fault) => Self::Internal(fault),
        }
    }
}

/// The reason a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// Not a token that a key of ours signed, or one with a header or claims that its kind cannot have.
    #[error("not a token of this server")]
    Garbage,
    /// Its key is sealed under a root key that has not reached this node.
    #[error("the key is sealed under a root key that has not reached this node")]
    KeyNotHere,
    /// Signed here, but over.
    #[error("the token has expired")]
    Expired,
}

/// The requirements on a token.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Our issuer identifier.
    pub issuer: &'a str,
    /// Its kind: the `typ` of the header.
    pub typ: &'a str,
    /// Whether an expired one is accepted, as for an `id_token_hint`.
    pub may_be_expired: bool,
    /// The time.
    pub now: Timestamp,
}

/// The signing keys of this node and their public halves.
#[derive(Debug, Default)]
pub struct Signing {
    keys: Vec<Key>,
    document: Option<Document>,
}

/// The set of public keys, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// A JWK set.
    pub body: Bytes,
    /// Changes with the body.
    pub etag: String,
}

#[derive(Clone, Debug)]
struct Key {
    stored: Arc<StoredSigningKey>,
    /// `None` while its root key is not here.
    opened: Option<Arc<Opened>>,
}

#[derive(Debug)]
struct Opened {
    pair: Pair,
    public: DecodingKey,
    jwk: Jwk,
}

impl Signing {
    /// Opens the keys that can be opened. Takes over those already open: parsing an RSA key takes a while.
    fn open(stored: Vec<StoredSigningKey>, keys: &Keyring, before: &Self) -> Self {
        let mut all = Vec::with_capacity(stored.len());
        for stored in stored {
            let known = before.find(&stored.kid).filter(|key| key.stored.alg == stored.alg);
            let opened = match known.and_then(|key| key.opened.clone()) {
                Some(opened) => Ok(opened),
                None => open(&stored, keys).map(Arc::new),
            };
            match opened {
                Ok(opened) => all.push(Key { stored: stored.into(), opened: Some(opened) }),
                Err(Unopened::UnknownKey) => {
                    all.push(Key { stored: stored.into(), opened: None });
                }
                Err(Unopened::Garbage) => {
                    tell!(SIGNING_KEY_BROKEN, kid = %stored.kid, alg = %stored.alg);
                }
            }
        }
        all.sort_by_key(|key| (key.stored.alg, key.stored.generation));
        let document = document(&all);
        Self { keys: all, document }
    }

    /// Whether every algorithm has a key.
    fn is_complete(&self) -> bool {
        SigningAlg::ALL.iter().all(|alg| self.keys.iter().any(|key| key.stored.alg == *alg))
    }

    fn find(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.stored.kid == kid)
    }

    /// The key that signs: of those whose time has come, the newest.
    fn current(&self, alg: SigningAlg, now: Timestamp) -> Option<&Key> {
        let mut all = self.keys.iter().filter(|key| key.stored.alg == alg);
        // A clock that went back before all of them is no reason to sign nothing.
        let oldest = all.clone().next();
        all.rfind(|key| key.stored.signs_from <= now).or(oldest)
    }

    /// Signs `claims` as a token of the kind `typ`.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn sign(
        &self,
        alg: SigningAlg,
        typ: &str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, NotSigned> {
        let key = self.current(alg, now).ok_or(NotSigned::NotMade)?;
        let opened = key.opened.as_ref().ok_or(NotSigned::KeyNotHere)?;
        let mut header = Header::new(pair::algorithm(alg));
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.stored.kid.clone());
        let json = |_| NotSigned::Fault("claims that are no JSON");
        let header = serde_json::to_vec(&header).map_err(json)?;
        let claims = serde_json::to_vec(claims).map_err(json)?;
        // RFC 7515 §3.1: the compact serialization.
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = opened.pair.sign(token.as_bytes());
        let signature = signature.ok_or(NotSigned::Fault("a signature could not be made"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The claims of a token that one of our published keys signed.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub fn verify<T: DeserializeOwned>(
        &self,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<T, NotVerified> {
        let garbage = |_| NotVerified::Garbage;
        let header = decode_header(token).map_err(garbage)?;
        if header.crit.is_some() || header.typ.as_deref() != Some(expected.typ) {
            return Err(NotVerified::Garbage);
        }
        let kid = header.kid.ok_or(NotVerified::Garbage)?;
        let key = self.find(&kid).ok_or(NotVerified::Garbage)?;
        let opened = key.opened.as_ref().ok_or(NotVerified::KeyNotHere)?;
        let mut validation = Validation::new(pair::algorithm(key.stored.alg));
        validation.required_spec_claims = HashSet::from(["exp".into(), "iss".into()]);
        validation.set_issuer(&[expected.issuer]);
        // The caller checks the audience, and the time is that of the request.
        validation.validate_aud = false;
        validation.validate_exp = false;
        let decoded = decode::<serde_json::Value>(token, &opened.public, &validation);
        let claims = decoded.map_err(garbage)?.claims;
        let exp = claims.get("exp").and_then(serde_json::Value::as_i64);
        if exp.ok_or(NotVerified::Garbage)? <= expected.now.as_secs() && !expected.may_be_expired {
            return Err(NotVerified::Expired);
        }
        serde_json::from_value(claims).map_err(|_| NotVerified::Garbage)
    }

    /// The set of public keys.
    ///
    /// # Errors
    /// [`NotSigned`] if a key is missing: clients would cache the incomplete set.
    pub fn jwks(&self) -> Result<&Document, NotSigned> {
        if !self.is_complete() {
            return Err(NotSigned::NotMade);
        }
        self.document.as_ref().ok_or(NotSigned::KeyNotHere)
    }
}

fn open(stored: &StoredSigningKey, keys: &Keyring) -> Result<Opened, Unopened> {
    let private = open_private(keys, &stored.kid, stored.alg, &stored.sealed)?;
    let pair = Pair::parse(stored.alg, &private).ok_or(Unopened::Garbage)?;
    let public = pair.public();
    let jwk = pair::jwk(&public, stored.alg).ok_or(Unopened::Garbage)?;
    // What is published is what signs, whatever was written into the row.
    let is_same = serde_json::to_string(&jwk).is_ok_and(|text| text == stored.jwk);
    if is_same { Ok(Opened { pair, public, jwk }) } else { Err(Unopened::Garbage) }
}

/// The set of public keys, by algorithm and generation; `None` if one could not be opened here.
fn document(keys: &[Key]) -> Option<Document> {
    let all: Option<Vec<Jwk>> =
        keys.iter().map(|key| key.opened.as_ref().map(|opened| opened.jwk.clone())).collect();
    let body = serde_json::to_vec(&JwkSet { keys: all? }).ok()?;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash));
    Some(Document { body: body.into(), etag })
}
