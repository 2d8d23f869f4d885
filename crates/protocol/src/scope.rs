//! Scope: what an access token may be used for (RFC 6749 §3.3).
//!
//! Refuses scope tokens outside the RFC's character set. The order in which a client lists scope
//! tokens means nothing, so a [`Scope`] is a set.

use std::fmt;

use crate::reject::{Reject, Why};
use crate::token_set::TokenSet;

/// A set of scope tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(TokenSet);

/// Scope tokens that speak about a person (OpenID Connect Core §5.4, §11). A grant without a person
/// cannot have them.
pub const USER_SCOPES: [&str; 6] =
    ["address", "email", "offline_access", "openid", "phone", "profile"];

/// The longest scope string that is taken, in bytes.
pub const MAX_LEN: usize = 4096;

impl Scope {
    /// Parses the `scope` parameter.
    ///
    /// # Errors
    /// `invalid_scope` when a character is outside of RFC 6749 §3.3 or the value is too long.
    pub fn parse(text: &str) -> Result<Self, Reject> {
        // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let legal = |b: u8| matches!(b, b' ' | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.len() > MAX_LEN || !text.bytes().all(legal) {
            return Err(Why::ScopeMalformed.into());
        }
        Ok(Self(TokenSet::collect(text.split_ascii_whitespace())))
    }

    /// Reads back what [`Scope::as_str`] gave, for the store and for sealed tokens.
    pub fn from_stored(text: String) -> Self {
        Self(TokenSet::from_normal_form(text))
    }

    /// The value of the `scope` parameter: sorted, separated by single spaces.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether there is no scope token at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scope tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter()
    }

    /// Whether the scope token is among them.
    pub fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// Whether every scope token of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Returns the tokens that either has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(TokenSet::collect(self.iter().chain(other.iter())))
    }

    /// Returns the tokens that both have.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.intersect(&other.0))
    }

    /// `self` less [`USER_SCOPES`].
    #[must_use]
    pub fn without_user_scopes(&self) -> Self {
        Self(self.0.without(&USER_SCOPES))
    }

    /// Grants the requested scope if the client is registered for all of it, and the whole registered scope
    /// if nothing was requested (RFC 6749 §3.3: the pre-defined default).
    ///
    /// # Errors
    /// `invalid_scope` when something was requested that the client is not registered for.
    pub fn grant(requested: Option<&Self>, registered: &Self) -> Result<Self, Reject> {
        match requested {
            None => Ok(registered.clone()),
            Some(requested) if requested.is_subset(registered) => Ok(requested.clone()),
            Some(_) => Err(Why::ScopeNotRegistered.into()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn order_and_repetition_mean_nothing() {
        assert_eq!(scope("b a  b"), scope("a b"));
        assert_eq!(scope(" b a ").as_str(), "a b");
    }

    #[test]
    fn characters_outside_of_the_rfc_are_refused() {
        for bad in ["a\"b", "a\\b", "ä", "a\tb", "a\0b", "a\nb"] {
            assert_eq!(Scope::parse(bad).unwrap_err().why, Why::ScopeMalformed, "{bad:?}");
        }
        assert!(Scope::parse(&"x".repeat(MAX_LEN + 1)).is_err());
    }

    #[test]
    fn a_request_gets_no_more_than_is_registered() {
        let registered = scope("a b c");
        assert_eq!(Scope::grant(None, &registered).unwrap(), registered);
        assert_eq!(Scope::grant(Some(&scope("c a")), &registered).unwrap(), scope("a c"));
        assert!(Scope::grant(Some(&scope("a d")), &registered).is_err());
        assert!(!scope("ab").is_subset(&scope("a b")), "words are compared whole");
    }
}
