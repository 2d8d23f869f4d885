//! The responses of the authorization endpoint, and the way in which they travel (OAuth 2.0 Multiple Response
//! Type Encoding Practices, OAuth 2.0 Form Post Response Mode).
//!
//! Refuses types and modes that the client is not registered for, and a query that would carry tokens.

use std::fmt;

use crate::form::Form;
use crate::reject::{Reject, Why};
use crate::wire_names::wire_names;

/// A set of `code`, `token` and `id_token`; the order of the words means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseType {
    /// An authorization code.
    pub code: bool,
    /// An access token, from the authorization endpoint itself.
    pub token: bool,
    /// An ID token, from the authorization endpoint itself.
    pub id_token: bool,
}

impl ResponseType {
    /// The authorization code flow, the only one that is registered by default.
    pub const CODE: Self = Self { code: true, token: false, id_token: false };

    /// All that there are.
    pub const ALL: [Self; 7] = [
        Self::CODE,
        Self { code: false, token: true, id_token: false },
        Self { code: false, token: false, id_token: true },
        Self { code: false, token: true, id_token: true },
        Self { code: true, token: false, id_token: true },
        Self { code: true, token: true, id_token: false },
        Self { code: true, token: true, id_token: true },
    ];

    /// Reads the words in any order, each at most once.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parsed = Self { code: false, token: false, id_token: false };
        for word in text.split(' ') {
            let part = match word {
                "code" => &mut parsed.code,
                "token" => &mut parsed.token,
                "id_token" => &mut parsed.id_token,
                _ => return None,
            };
            if std::mem::replace(part, true) {
                return None;
            }
        }
        Some(parsed)
    }

    /// Reads the type that a request names, one of those that its client has registered.
    pub(crate) fn read(form: &Form<'_>, registered: &[Self]) -> Result<Self, Reject> {
        let text = form.find("response_type").ok_or(Why::ResponseTypeMissing)?;
        let parsed = Self::parse(text).ok_or(Why::ResponseTypeUnknown)?;
        // RFC 6749 §4.1.2.1.
        if !registered.contains(&parsed) {
            return Err(Why::ResponseTypeNotRegistered.into());
        }
        Ok(parsed)
    }

    /// Whether tokens come from the authorization endpoint itself.
    pub const fn has_tokens(self) -> bool {
        self.token || self.id_token
    }
}

impl fmt::Display for ResponseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.code, "code"), (self.id_token, "id_token"), (self.token, "token")];
        let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        f.write_str(&words.join(" "))
    }
}

wire_names! {
    /// The way in which a response travels.
    ResponseMode {
        /// In the query of the redirection URI.
        Query = "query",
        /// In its fragment, which browsers do not send.
        Fragment = "fragment",
        /// In the body of a POST by the browser.
        FormPost = "form_post",
    }
}

impl ResponseMode {
    /// Returns the way in which the response to a request travels, errors included: as asked where that is
    /// allowed, and otherwise by the default of the response type.
    pub(crate) fn of(form: &Form<'_>, registered: &[Self]) -> Self {
        let asked = form.find("response_type").and_then(ResponseType::parse);
        let has_tokens = asked.is_some_and(ResponseType::has_tokens);
        let default = if has_tokens { Self::Fragment } else { Self::Query };
        let mode = form.find("response_mode").and_then(Self::parse);
        let is_allowed = |mode: &Self| mode.is_allowed(registered, has_tokens).is_ok();
        mode.filter(is_allowed).unwrap_or(default)
    }

    pub(crate) fn check(
        form: &Form<'_>,
        registered: &[Self],
        response_type: ResponseType,
    ) -> Result<(), Reject> {
        let Some(text) = form.find("response_mode") else { return Ok(()) };
        let mode = Self::parse(text).ok_or(Why::ResponseModeUnknown)?;
        mode.is_allowed(registered, response_type.has_tokens())
    }

    fn is_allowed(self, registered: &[Self], has_tokens: bool) -> Result<(), Reject> {
        // Multiple Response Types §3.0: tokens in a query end up in logs and histories.
        if self == Self::Query && has_tokens {
            return Err(Why::ResponseModeLeaks.into());
        }
        if registered.is_empty() || registered.contains(&self) {
            Ok(())
        } else {
            Err(Why::ResponseModeNotRegistered.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checklist_9_the_order_of_the_words_means_nothing_and_none_comes_twice() {
        for kind in ResponseType::ALL {
            assert_eq!(ResponseType::parse(&kind.to_string()), Some(kind));
        }
        let all = ResponseType { code: true, token: true, id_token: true };
        assert_eq!(ResponseType::parse("token code id_token"), Some(all));
        for bad in ["", "code code", "code  token", " code", "Code", "none", "code,token"] {
            assert_eq!(ResponseType::parse(bad), None, "{bad:?}");
        }
    }
}
