//! Why a request is refused: the RFC's error code for the client, the exact cause for us.
//!
//! A client sees [`Code`] and a fixed sentence that never repeats its input (RFC 6749 §5.2). Logs,
//! metrics and tests see [`Why`].

use std::fmt;

/// The closed list of error codes that an endpoint may answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 6749 §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 7009 §2.2.1.
    UnsupportedTokenType,
}

impl Code {
    /// The value of the `error` member.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
        }
    }
}

/// A refused request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// What the client is told.
    pub code: Code,
    /// What happened.
    pub why: Why,
}

impl Reject {
    /// The fixed sentence of `error_description`.
    pub const fn description(self) -> &'static str {
        self.why.rule().1
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reject({} because {})", self.code.as_str(), self.why.name())
    }
}

impl From<Why> for Reject {
    fn from(why: Why) -> Self {
        Self { code: why.rule().0, why }
    }
}

/// One sentence for every dead token, so that an answer does not tell which of them it was.
const DEAD: &str = "The refresh token is not valid.";
const BAD_CLIENT: &str = "Client authentication failed.";
const BAD_PASSWORD: &str = "The user name or the password is not correct.";

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $code:ident, $sentence:expr;)*) => {
        /// The exact cause of a refusal, one variant for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Why { $($(#[$doc])* $name,)* }

        impl Why {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The cause in logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// The error code that the client sees.
            pub const fn code(self) -> Code {
                self.rule().0
            }

            const fn rule(self) -> (Code, &'static str) {
                match self { $(Self::$name => (Code::$code, $sentence),)* }
            }
        }
    };
}

causes! {
    /// The `Authorization` header is not well-formed Basic credentials (RFC 7617).
    BasicMalformed = "basic_malformed", InvalidClient, BAD_CLIENT;
    /// Two methods of client authentication in one request (RFC 6749 §2.3).
    ClientAuthTwice = "client_auth_twice", InvalidRequest,
        "Use one method of client authentication, either the Authorization header or the body.";
    /// The client is disabled.
    ClientDisabled = "client_disabled", InvalidClient, BAD_CLIENT;
    /// The client used a method that it is not registered for.
    ClientMethodNotRegistered = "client_method_not_registered", InvalidClient, BAD_CLIENT;
    /// Neither header nor body names a client.
    ClientMissing = "client_missing", InvalidClient, "The request does not say which client sends it.";
    /// The secret is wrong.
    ClientSecretWrong = "client_secret_wrong", InvalidClient, BAD_CLIENT;
    /// No client has this id.
    ClientUnknown = "client_unknown", InvalidClient, BAD_CLIENT;
    /// Header and body name different clients.
    ClientsDiffer = "clients_differ", InvalidRequest,
        "client_id in the body differs from the client in the Authorization header.";
    /// A content type other than `application/x-www-form-urlencoded`.
    ContentTypeWrong = "content_type_wrong", InvalidRequest,
        "Send the parameters as application/x-www-form-urlencoded.";
    /// A public client asked what a token says (RFC 7662 §2.1).
    CallerPublic = "caller_public", InvalidClient, "Only a client that authenticates may introspect tokens.";
    /// A confidential client's grant was tried by a public client (RFC 6749 §4.4).
    GrantNeedsConfidentialClient = "grant_needs_confidential_client", UnauthorizedClient,
        "Only a client that authenticates may use this grant type.";
    /// The client is not registered for this grant.
    GrantNotRegistered = "grant_not_registered", UnauthorizedClient,
        "The client is not registered for this grant type.";
    /// `grant_type` is missing.
    GrantTypeMissing = "grant_type_missing", InvalidRequest, "The parameter grant_type is missing.";
    /// A grant type that this server does not have.
    GrantTypeUnknown = "grant_type_unknown", UnsupportedGrantType,
        "This server does not support the grant type.";
    /// A parameter came twice.
    ParameterTwice = "parameter_twice", InvalidRequest, "A parameter was sent more than once.";
    /// Broken percent encoding, broken UTF-8 or a NUL.
    ParameterMalformed = "parameter_malformed", InvalidRequest,
        "A parameter is not well-formed UTF-8 in percent encoding.";
    /// More parameters than any request has.
    ParametersTooMany = "parameters_too_many", InvalidRequest, "The request has too many parameters.";
    /// A parameter of the request was put into the URL (OAuth 2.1 §2.4.1).
    ParametersInQuery = "parameters_in_query", InvalidRequest,
        "Send the parameters in the body, never in the URL.";
    /// `password` is missing.
    PasswordMissing = "password_missing", InvalidRequest, "The parameter password is missing.";
    /// The password is wrong.
    PasswordWrong = "password_wrong", InvalidGrant, BAD_PASSWORD;
    /// The family outlived its idle or its absolute lifetime.
    RefreshExpired = "refresh_expired", InvalidGrant, "Refresh token is expired.";
    /// A generation that was never issued: the root key may be in other hands.
    RefreshForged = "refresh_forged", InvalidGrant, DEAD;
    /// The seal does not open: garbage, damage, or another client's token.
    RefreshGarbage = "refresh_garbage", InvalidGrant, DEAD;
    /// `refresh_token` is missing.
    RefreshMissing = "refresh_missing", InvalidRequest, "The parameter refresh_token is missing.";
    /// The generation counter is used up.
    RefreshOverflow = "refresh_overflow", InvalidGrant, DEAD;
    /// A used-up refresh token was presented again (RFC 9700 §4.14.2).
    RefreshReused = "refresh_reused", InvalidGrant, DEAD;
    /// The family was revoked.
    RefreshRevoked = "refresh_revoked", InvalidGrant, DEAD;
    /// The family's secret does not match: right key, wrong token.
    RefreshSecretWrong = "refresh_secret_wrong", InvalidGrant, DEAD;
    /// The predecessor was retried after the session's rights changed.
    RefreshStaleRights = "refresh_stale_rights", InvalidGrant, DEAD;
    /// There is no such family.
    RefreshUnknown = "refresh_unknown", InvalidGrant, DEAD;
    /// The user was disabled, deleted or signed out everywhere.
    RefreshUserEnded = "refresh_user_ended", InvalidGrant, DEAD;
    /// All the client's sessions were ended.
    RefreshClientEnded = "refresh_client_ended", InvalidGrant, DEAD;
    /// A resource indicator that is not an absolute URI (RFC 8707 §2).
    ResourceMalformed = "resource_malformed", InvalidTarget,
        "A resource must be an absolute URI without a fragment.";
    /// A resource beyond what was granted or registered.
    ResourceNotGranted = "resource_not_granted", InvalidTarget,
        "The resource is not among those that this client or grant has.";
    /// Scope with characters outside of RFC 6749 §3.3.
    ScopeMalformed = "scope_malformed", InvalidScope, "The scope contains an illegal character or is too long.";
    /// A user's scope in a grant without a user.
    ScopeNeedsUser = "scope_needs_user", InvalidScope,
        "This grant type has no user, so it can not have scopes about one.";
    /// The client has lost every part of the scope that it asks for.
    ScopeLost = "scope_lost", InvalidScope, "Nothing of the scope is left that the client is registered for.";
    /// More than the original grant (RFC 6749 §6).
    ScopeNotGranted = "scope_not_granted", InvalidScope, "The scope exceeds the scope of the original grant.";
    /// More than the client is registered for.
    ScopeNotRegistered = "scope_not_registered", InvalidScope, "The client is not registered for this scope.";
    /// `token` is missing (RFC 7009 §2.1, RFC 7662 §2.1).
    TokenMissing = "token_missing", InvalidRequest, "The parameter token is missing.";
    /// The user is disabled. Told apart from a wrong password in logs only.
    UserDisabled = "user_disabled", InvalidGrant, BAD_PASSWORD;
    /// No such user.
    UserUnknown = "user_unknown", InvalidGrant, BAD_PASSWORD;
    /// `username` is missing.
    UsernameMissing = "username_missing", InvalidRequest, "The parameter username is missing.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_keeps_to_the_characters_of_rfc_6749() {
        for why in Why::ALL {
            let text = Reject::from(*why).description();
            let legal = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(text.bytes().all(legal) && text.ends_with('.'), "{why:?}: {text}");
        }
    }

    #[test]
    fn all_dead_refresh_tokens_but_an_expired_one_get_the_same_answer() {
        let dead: Vec<_> = Why::ALL
            .iter()
            .filter(|w| w.name().starts_with("refresh_"))
            .filter(|w| !matches!(w, Why::RefreshMissing | Why::RefreshExpired))
            .map(|w| (Reject::from(*w).code, Reject::from(*w).description()))
            .collect();
        assert!(dead.len() > 5 && dead.windows(2).all(|pair| pair[0] == pair[1]), "{dead:?}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Why::ALL.iter().map(|w| w.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Why::ALL.len());
    }
}
