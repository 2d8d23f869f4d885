//! Resource owners: the people whom tokens speak for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ends::{Ends, LastEnd};
use crate::time::Timestamp;

/// A user's identity: 128 random bits, never used again. A user who is deleted and created anew
/// under the same name is another user, to whom no old token belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub [u8; 16]);

/// The prefix of every `sub` of a user. No client id may begin so (RFC 9700 §4.15).
pub const SUBJECT_PREFIX: &str = "usr_";

impl UserId {
    /// The value of the `sub` claim (RFC 7662 §2.2).
    pub fn subject(self) -> String {
        format!("{SUBJECT_PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// Reads a `sub` back.
    pub fn from_subject(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(SUBJECT_PREFIX)?).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject())
    }
}

/// The name that a user signs in with. Compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// The longest user name, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Takes 1 to 255 bytes without control characters or white space at either end.
    pub fn parse(text: &str) -> Option<Self> {
        let good = !text.is_empty()
            && text.len() <= Self::MAX_LEN
            && text.trim() == text
            && !text.chars().any(char::is_control);
        good.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The fewest characters of a new password (NIST SP 800-63B §5.1.1.2).
pub const PASSWORD_MIN_CHARS: u32 = 8;
/// The most bytes of a new password.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// The reason for which a new password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordUnfit {
    /// It has fewer than [`PASSWORD_MIN_CHARS`].
    TooShort,
    /// It has more than [`PASSWORD_MAX_BYTES`].
    TooLong,
    /// It was not typed the same way twice.
    NotTheSame,
    /// It is the one before.
    Unchanged,
}

/// Checks a new password, which its user typed twice.
///
/// # Errors
/// [`PasswordUnfit`].
pub fn check_new_password(current: &str, new: &str, repeated: &str) -> Result<(), PasswordUnfit> {
    let is_short = u32::try_from(new.chars().count()).is_ok_and(|count| count < PASSWORD_MIN_CHARS);
    match () {
        () if is_short => Err(PasswordUnfit::TooShort),
        () if new.len() > PASSWORD_MAX_BYTES => Err(PasswordUnfit::TooLong),
        () if new != repeated => Err(PasswordUnfit::NotTheSame),
        () if new == current => Err(PasswordUnfit::Unchanged),
        () => Ok(()),
    }
}

/// The facts about a user that a refresh needs today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStanding {
    /// Disabled users get no tokens.
    pub enabled: bool,
    /// The last time that everything they had was ended: by a new password, or "sign out everywhere".
    pub ended: LastEnd,
}

impl UserStanding {
    /// Whether a proof of identity still counts: the user proved who they are when `seen` ends were counted,
    /// at `auth_time`.
    pub fn accepts(self, seen: Ends, auth_time: Timestamp) -> bool {
        self.enabled && self.ended.spares(seen, auth_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back() {
        let id = UserId([9; 16]);
        assert_eq!(UserId::from_subject(&id.subject()), Some(id));
        assert_eq!(UserId::from_subject("demo"), None);
    }

    #[test]
    fn a_new_password_is_long_enough_another_one_and_typed_the_same_way_twice() {
        let check = |new: &str| check_new_password("the old one", new, new);
        assert_eq!(check("ünd söö!"), Ok(()), "8 characters, more bytes");
        assert_eq!(check("ünd söö"), Err(PasswordUnfit::TooShort));
        assert_eq!(check(&"x".repeat(PASSWORD_MAX_BYTES)), Ok(()));
        assert_eq!(check(&"x".repeat(PASSWORD_MAX_BYTES + 1)), Err(PasswordUnfit::TooLong));
        assert_eq!(check("the old one"), Err(PasswordUnfit::Unchanged));
        let twice = check_new_password("the old one", "a new one", "a new ome");
        assert_eq!(twice, Err(PasswordUnfit::NotTheSame));
    }

    #[test]
    fn user_names_have_no_control_characters_and_no_outer_white_space() {
        for bad in ["", " a", "a ", "a\0b", "a\nb", &"x".repeat(256)] {
            assert_eq!(Username::parse(bad), None, "{bad:?}");
        }
        assert!(Username::parse("Ünal Ö. @ example").is_some());
    }
}
