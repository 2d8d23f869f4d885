//! The walks of browsers through the flow: in memory, for a few browsers, as an application with a server of
//! its own would keep them. The browser holds nothing but the cookie that names its walk, so no token is
//! where a script could read it.
//!
//! A walk is locked for as long as a step takes: an application refreshes one token once at a time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::Cookie;
use remint_protocol::family_id::FamilyId;
use sha2::{Digest as _, Sha256};

use crate::browser::pages::playground::Exchange;
use crate::entropy::{self, NoEntropy};
use crate::http::cookie::{cookie, find};

/// The number of browsers that are remembered; the one that began first goes first.
const WALKS_MAX: usize = 32;
/// The number of steps of each.
const STEPS_MAX: usize = 24;

/// The random values of one authorization request.
pub(super) struct Begun {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

impl Begun {
    pub(super) fn draw() -> Result<Self, NoEntropy> {
        Ok(Self { state: word::<16>()?, nonce: word::<16>()?, verifier: word::<32>()? })
    }

    /// RFC 7636 §4.2: S256.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }
}

/// Random bytes as text.
pub(super) fn word<const N: usize>() -> Result<String, NoEntropy> {
    Ok(URL_SAFE_NO_PAD.encode(entropy::bytes::<N>()?))
}

/// The tokens of the application once a code was redeemed.
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
    /// The refresh token before it, which is used up.
    pub(super) used: Option<String>,
    pub(super) id: Option<String>,
    /// The `state` of signing out.
    pub(super) leaving: String,
}

/// One browser's way through the flow.
pub(super) struct Walk {
    pub(super) begun: Begun,
    /// Whether the request was answered. RFC 6749 §10.12: a `state` is good for one answer.
    pub(super) is_answered: bool,
    pub(super) code: Option<String>,
    pub(super) tokens: Option<Tokens>,
    pub(super) family: Option<FamilyId>,
    pub(super) steps: VecDeque<Exchange>,
}

impl Walk {
    pub(super) fn new() -> Result<Self, NoEntropy> {
        Ok(Self {
            begun: Begun::draw()?,
            is_answered: false,
            code: None,
            tokens: None,
            family: None,
            steps: VecDeque::new(),
        })
    }

    pub(super) fn add(&mut self, step: Exchange) {
        if self.steps.len() == STEPS_MAX {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }
}

pub(super) type Shared = Arc<tokio::sync::Mutex<Walk>>;

/// The walks of all browsers. What they hold is in no log and no `Debug`.
pub(crate) struct Walks {
    /// The name of the cookie.
    cookie: String,
    all: Mutex<VecDeque<([u8; 32], Shared)>>,
}

impl fmt::Debug for Walks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Walks(…)")
    }
}

impl Walks {
    pub(crate) const fn new(cookie: String) -> Self {
        Self { cookie, all: Mutex::new(VecDeque::new()) }
    }

    /// The walk of the browser that sends a request.
    pub(super) fn find(&self, head: &Parts) -> Option<Shared> {
        let key = Sha256::digest(find(head, &self.cookie)?);
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, _)| known[..] == key[..]).map(|(_, walk)| Arc::clone(walk))
    }

    /// Begins a walk, and gives the cookie that names it.
    pub(super) fn begin(&self) -> Result<(Shared, Cookie<'static>), NoEntropy> {
        let name = word::<32>()?;
        let walk = Arc::new(tokio::sync::Mutex::new(Walk::new()?));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == WALKS_MAX {
            all.pop_front();
        }
        all.push_back((Sha256::digest(&name).into(), Arc::clone(&walk)));
        drop(all);
        Ok((walk, cookie(self.cookie.clone(), name)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, header};

    use super::*;

    fn head(cookie: &Cookie<'_>) -> Parts {
        let pair = format!("{}={}", cookie.name(), cookie.value());
        Request::builder().header(header::COOKIE, pair).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_browser_finds_its_own_walk_and_the_first_are_forgotten() {
        let walks = Walks::new("__Host-walk".into());
        let (first, name) = walks.begin().unwrap();
        assert!(Arc::ptr_eq(&walks.find(&head(&name)).unwrap(), &first));
        for _ in 1..WALKS_MAX {
            let (walk, other) = walks.begin().unwrap();
            assert!(Arc::ptr_eq(&walks.find(&head(&other)).unwrap(), &walk));
        }
        assert!(walks.find(&head(&name)).is_some());
        walks.begin().unwrap();
        assert!(walks.find(&head(&name)).is_none());
        assert_eq!(format!("{walks:?}"), "Walks(…)");
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        let begun = Begun { state: String::new(), nonce: String::new(), verifier };
        assert_eq!(begun.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
