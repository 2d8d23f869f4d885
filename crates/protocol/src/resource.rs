//! Resource indicators: which resource servers an access token is meant for (RFC 8707).
//!
//! Refuses anything but absolute URIs without fragment.

use std::fmt;

use crate::reject::{Reject, Why};
use crate::token_set::TokenSet;

/// A set of resource indicators.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources(TokenSet);

/// The longest resource indicator that is taken, in bytes.
pub const MAX_LEN: usize = 1024;

impl Resources {
    /// Parses the values of all `resource` parameters of a request.
    ///
    /// # Errors
    /// `invalid_target` when a value is not an absolute URI without fragment (RFC 8707 §2).
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, Reject> {
        let values: Vec<&str> = values.into_iter().collect();
        if values.iter().all(|v| is_absolute_uri(v)) {
            Ok(Self(TokenSet::collect(values)))
        } else {
            Err(Why::ResourceMalformed.into())
        }
    }

    /// Parses the `resource` parameters of a request; `None` where there are none.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn asked<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, Reject> {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() { Ok(None) } else { Self::parse(values).map(Some) }
    }

    /// Reads back what [`Resources::as_str`] gave, for the store and for sealed tokens.
    pub fn from_stored(text: String) -> Self {
        Self(TokenSet::from_normal_form(text))
    }

    /// Sorted, separated by single spaces.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The resource indicators in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter()
    }

    /// Whether both name at least one resource in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.iter().any(|r| other.0.contains(r))
    }

    /// Whether every resource of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Returns the resources that either has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(TokenSet::collect(self.iter().chain(other.iter())))
    }

    /// Returns the resources that both have.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self(self.0.intersect(&other.0))
    }

    /// Grants a request its part of what is `allowed`: the requested subset, or all if nothing was requested.
    ///
    /// # Errors
    /// `invalid_target` when something outside of `allowed` was requested (RFC 8707 §2.2).
    pub fn grant(requested: Option<&Self>, allowed: &Self) -> Result<Self, Reject> {
        match requested {
            None => Ok(allowed.clone()),
            Some(requested) if requested.0.is_subset(&allowed.0) => Ok(requested.clone()),
            Some(_) => Err(Why::ResourceNotGranted.into()),
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_absolute_uri(text: &str) -> bool {
    // RFC 3986 §3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let rest_ok = rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'"' | b'\\'));
    scheme_ok && rest_ok && !rest.is_empty() && text.len() <= MAX_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_uris_without_fragment_are_resources() {
        for good in ["https://api.example/v1?x=1", "urn:example:api"] {
            assert!(Resources::parse([good]).is_ok(), "{good}");
        }
        for bad in ["", "api", "/v1", "https:", "https://a#b", "https://a b", "1x:y", "https://ä"]
        {
            assert_eq!(Resources::parse([bad]).unwrap_err().why, Why::ResourceMalformed, "{bad}");
        }
    }

    #[test]
    fn a_request_gets_no_more_than_is_allowed() {
        let allowed = Resources::parse(["https://a", "https://b"]).unwrap();
        let other = Resources::parse(["https://c"]).unwrap();
        assert_eq!(Resources::grant(None, &allowed).unwrap(), allowed);
        assert_eq!(
            Resources::grant(Some(&other), &allowed).unwrap_err().why,
            Why::ResourceNotGranted
        );
        assert!(!allowed.meets(&other));
    }
}
