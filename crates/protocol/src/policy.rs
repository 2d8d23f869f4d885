//! The lifetimes of tokens and the effects of a renewal: server-wide, and as clients override them.

use std::time::Duration;

use crate::time::Timestamp;

/// An upper bound that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxLifetime {
    /// No bound.
    Endless,
    /// At most this long.
    Of(Duration),
}

/// The effect on a family of the presentation of a used-up refresh token (RFC 9700 §4.14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReuse {
    /// The request is refused, the family lives.
    Deny,
    /// The request is refused and the family ends, with all of its access tokens.
    RevokeFamily,
}

impl OnReuse {
    /// The value in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::RevokeFamily => "revoke_family",
        }
    }

    /// Reads the value of the configuration.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Deny, Self::RevokeFamily].into_iter().find(|v| v.as_str() == text)
    }
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// Hands the settings of tokens to the macro `$then`: of each the documentation, the name, the type and the word
/// for its value in help texts. This is the one list of them; it leaves their defaults to [`Policy::default`].
#[macro_export]
macro_rules! token_settings {
    ($then:ident) => {
        $then! {
            /// Lifetime of an access token.
            access_token_lifetime: Duration, "TIME";
            /// Lifetime of a refresh token.
            refresh_token_lifetime: Duration, "TIME";
            /// Whether each refresh gives a new refresh token and makes the previous one unusable.
            renew_refresh_token: bool, "BOOL";
            /// Whether a renewed refresh token gets a new expiry, or inherits the old one.
            extend_on_renewal: bool, "BOOL";
            /// Time for which all refresh tokens of one authorization live together, or `none`.
            refresh_token_max_lifetime: MaxLifetime, "TIME";
            /// Time after a renewal for which the previous refresh token still gets the same successor.
            grace_period: Duration, "TIME";
            /// Effect of a used-up refresh token: `revoke_family` or `deny`.
            on_reuse: OnReuse, "WHAT";
            /// Whether a renewal ends the access tokens issued before it.
            revoke_access_token_on_refresh: bool, "BOOL";
        }
    };
}

macro_rules! policy {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty, $word:literal;)*) => {
        /// The settings that govern a grant's tokens.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Policy {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        /// A client's own values for the server-wide policy; `None` follows it.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Overrides {
            $($(#[doc = $doc])* pub $name: Option<$type>,)*
        }

        impl Policy {
            /// Returns the policy with the settings that `own` names in place of its own.
            #[must_use]
            pub fn overridden_by(&self, own: &Overrides) -> Self {
                Self { $($name: own.$name.unwrap_or(self.$name),)* }
            }
        }
    };
}

token_settings!(policy);

impl Default for Policy {
    fn default() -> Self {
        Self {
            access_token_lifetime: Duration::from_hours(1),
            refresh_token_lifetime: DAY,
            renew_refresh_token: true,
            extend_on_renewal: true,
            refresh_token_max_lifetime: MaxLifetime::Of(DAY * 365),
            grace_period: Duration::ZERO,
            on_reuse: OnReuse::RevokeFamily,
            revoke_access_token_on_refresh: false,
        }
    }
}

impl Policy {
    /// The longest life of an access token: it also bounds how long dead rows must be remembered.
    pub const MAX_ACCESS_TOKEN_LIFETIME: Duration = Duration::from_hours(720);
    /// The longest grace period: a longer one would be a second life for a stolen token.
    pub const MAX_GRACE_PERIOD: Duration = Duration::from_mins(10);

    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// Names the setting at fault and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        let fault = |setting, advice| Err(PolicyError { setting, advice });
        let access = self.access_token_lifetime;
        if !(SECOND..=Self::MAX_ACCESS_TOKEN_LIFETIME).contains(&access) {
            return fault(
                "access_token_lifetime",
                "write a time from \"1s\" to \"30d\", for example \"1h\"",
            );
        }
        if self.refresh_token_lifetime < SECOND {
            return fault("refresh_token_lifetime", "write at least \"1s\", for example \"1d\"");
        }
        if let MaxLifetime::Of(max) = self.refresh_token_max_lifetime
            && max < self.refresh_token_lifetime
        {
            return fault(
                "refresh_token_max_lifetime",
                "write at least refresh_token_lifetime, or \"none\" for no bound",
            );
        }
        if self.grace_period > Self::MAX_GRACE_PERIOD {
            return fault("grace_period", "write at most \"10m\", for example \"60s\"");
        }
        Ok(())
    }

    /// Returns the time at which a family that starts `now` ends, however often it is refreshed.
    pub fn family_end(&self, now: Timestamp) -> Timestamp {
        match self.refresh_token_max_lifetime {
            MaxLifetime::Endless => Timestamp::from_millis(i64::MAX),
            MaxLifetime::Of(max) => now.after(max),
        }
    }
}

/// A policy that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {advice}")]
pub struct PolicyError {
    /// The setting at fault.
    pub setting: &'static str,
    /// The advice on what to write instead.
    pub advice: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_values_are_refused_by_name() {
        let good = Policy::default();
        assert_eq!(good.check(), Ok(()));
        let setting = |policy: Policy| policy.check().unwrap_err().setting;
        assert_eq!(
            setting(Policy { access_token_lifetime: DAY * 31, ..good.clone() }),
            "access_token_lifetime"
        );
        assert_eq!(
            setting(Policy { refresh_token_lifetime: DAY * 366, ..good.clone() }),
            "refresh_token_max_lifetime"
        );
        assert_eq!(setting(Policy { grace_period: SECOND * 601, ..good }), "grace_period");
    }
}
