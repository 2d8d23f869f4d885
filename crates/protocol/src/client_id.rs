//! Client identifiers (RFC 6749 §2.2).

use std::fmt;

use crate::user::SUBJECT_PREFIX;

/// A client identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

impl ClientId {
    /// The longest client id, in bytes. It travels in every token as one length byte and the text.
    pub const MAX_LEN: usize = 128;

    /// Takes 1 to 128 visible ASCII characters without `:` (it ends the user name in Basic
    /// credentials) that could not be taken for a user's `sub`.
    pub fn parse(text: &str) -> Option<Self> {
        let good = !text.is_empty()
            && text.len() <= Self::MAX_LEN
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b':')
            // RFC 9700 §4.15: a client must not be able to pass for a resource owner.
            && !text.starts_with(SUBJECT_PREFIX);
        good.then(|| Self(text.to_owned()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
