//! The reasons for which requests are refused: the RFC's error code for the client, the exact cause for us.
//!
//! A client sees [`Code`] and a fixed sentence that never repeats its input (RFC 6749 §5.2). Logs,
//! metrics and tests see [`Why`].

use std::fmt;

/// The closed list of error codes that an endpoint may answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// RFC 6749 §4.1.2.1.
    AccessDenied,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    RegistrationNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6.
    RequestUriNotSupported,
    /// OpenID Connect Core Unmet Authentication Requirements §2.
    UnmetAuthenticationRequirements,
    /// RFC 6749 §4.1.2.1.
    UnsupportedResponseType,
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
            Self::AccessDenied => "access_denied",
            Self::ConsentRequired => "consent_required",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidToken => "invalid_token",
            Self::LoginRequired => "login_required",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::UnsupportedResponseType => "unsupported_response_type",
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
    /// The error code for the client.
    pub code: Code,
    /// The exact cause.
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
const DEAD_CODE: &str = "The authorization code is not valid.";
const BAD_CLIENT: &str = "Client authentication failed.";
const BAD_PASSWORD: &str = "The user name or the password is not correct.";

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $code:ident, $sentence:expr, $advice:literal;)*) => {
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

            /// The advice to whoever looks after the client or the server.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
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
    /// No bearer token: the answer is a challenge, and has no error (RFC 6750 §3.1).
    AccessTokenMissing = "access_token_missing", InvalidToken,
        "Send an access token, in the Authorization header or in the body.",
        "Send the access token as `Authorization: Bearer …`.";
    /// Several bearer tokens, or a malformed one.
    AccessTokenMalformed = "access_token_malformed", InvalidRequest,
        "Send the access token once, in the Authorization header or in the body.",
        "Send one `Authorization: Bearer` header, and no `access_token` beside it.";
    /// The access token is none of ours, expired or revoked.
    AccessTokenDead = "access_token_dead", InvalidToken, "The access token is not valid.",
        "Refresh, and try again with the new access token. `remint token explain` says what is wrong with one.";
    /// The access token does not speak about a person.
    AccessTokenWithoutOpenid = "access_token_without_openid", InsufficientScope,
        "The access token does not have the scope openid.",
        "Ask for the scope `openid` when the user signs in; client credentials have no user.";
    /// Another `acr` is essential (OpenID Connect Core §5.5.1.1).
    AcrUnmet = "acr_unmet", UnmetAuthenticationRequirements,
        "The user cannot be authenticated in the way that the request needs.",
        "Ask for the `acr` as a voluntary claim, or for one that the metadata lists.";
    /// There is no such client, or it is disabled.
    AuthorizeClientUnknown = "authorize_client_unknown", InvalidRequest,
        "The parameter client_id names no client of this server.",
        "Compare the `client_id` with `remint client list`; a disabled one is enabled by `remint client update ID --enabled true`.";
    /// `client_id` is missing.
    AuthorizeClientMissing = "authorize_client_missing", InvalidRequest, "The parameter client_id is missing.",
        "Send the `client_id`.";
    /// A code challenge is needed.
    ChallengeMissing = "challenge_missing", InvalidRequest, "The parameter code_challenge is missing (RFC 7636).",
        "Send a `code_challenge` (most libraries have a switch for PKCE), or register the client with `--pkce or_nonce`.";
    /// The challenge is not one of RFC 7636 §4.2.
    ChallengeMalformed = "challenge_malformed", InvalidRequest, "The parameter code_challenge is malformed.",
        "Send the base64url of the SHA-256 of the verifier: 43 characters without padding.";
    /// `plain`, or a method that nobody knows.
    ChallengeMethod = "challenge_method", InvalidRequest, "The parameter code_challenge_method must be S256.",
        "Send `code_challenge_method=S256`; a client that can only do `plain` is registered with `--plain-challenge`.";
    /// Not the JSON of OpenID Connect Core §5.5.
    ClaimsMalformed = "claims_malformed", InvalidRequest, "The parameter claims is malformed or too long.",
        "Send JSON as in OpenID Connect Core §5.5, within its length.";
    /// One of the two is needed.
    ChallengeOrNonceMissing = "challenge_or_nonce_missing", InvalidRequest,
        "The request needs a code_challenge, or the scope openid and a nonce.",
        "Send a `code_challenge`, or the scope `openid` and a `nonce`.";
    /// The seal does not open: garbage, damage, or another client's code.
    CodeGarbage = "code_garbage", InvalidGrant, DEAD_CODE,
        "Send the code as it came, once decoded, as the client that it was issued to.";
    /// The code is older than a minute.
    CodeExpired = "code_expired", InvalidGrant, "The authorization code is expired.",
        "Redeem a code within a minute; then begin anew. Compare the clocks where this comes often.";
    /// The user, the client or the session ended since.
    CodeRevoked = "code_ended", InvalidGrant, DEAD_CODE,
        "Let the user sign in again: they signed out, or were disabled, or took back their consent meanwhile.";
    /// `code` is missing.
    CodeMissing = "code_missing", InvalidRequest, "The parameter code is missing.",
        "Send the `code` of the redirect.";
    /// RFC 6749 §4.1.3.
    CodeRedirectDiffers = "code_redirect_differs", InvalidGrant,
        "The redirect_uri differs from the one of the authorization request.",
        "Send the very `redirect_uri` of the authorization request, character by character.";
    /// RFC 6749 §4.1.3.
    CodeRedirectMissing = "code_redirect_missing", InvalidGrant,
        "The redirect_uri of the authorization request must be sent again.",
        "Send the `redirect_uri` of the authorization request again.";
    /// A second redemption (RFC 6749 §4.1.2).
    CodeReused = "code_reused", InvalidGrant, DEAD_CODE,
        "Redeem each code once. What it had given is over: the user signs in again. Look for a page that is loaded twice.";
    /// The person said no.
    ConsentDenied = "consent_denied", AccessDenied, "The user did not allow it.",
        "Nothing: the user decided so.";
    /// `prompt=none`, but consent is needed.
    ConsentRequired = "consent_required", ConsentRequired, "The user must be asked for consent.",
        "Begin anew without `prompt=none`.";
    /// The hint is not an ID token of ours.
    IdTokenHintInvalid = "id_token_hint_invalid", InvalidRequest,
        "The parameter id_token_hint is not an ID token of this server.",
        "Send an ID token that this server issued to this client, or none.";
    /// `prompt=none`, but nobody is signed in, or not recently enough, or somebody else.
    LoginRequired = "login_required", LoginRequired, "The user must sign in.",
        "Begin anew without `prompt=none`, so that the user can sign in.";
    /// Not a number of seconds.
    MaxAgeMalformed = "max_age_malformed", InvalidRequest, "The parameter max_age must be a whole number of seconds.",
        "Send whole seconds.";
    /// A nonce is needed.
    NonceMissing = "nonce_missing", InvalidRequest, "The parameter nonce is missing.",
        "Send a `nonce`, which is compared with the one in the ID token.";
    /// The nonce is too long to travel.
    NonceTooLong = "nonce_too_long", InvalidRequest, "The parameter nonce is longer than 512 bytes.",
        "Send a shorter `nonce`; keep what it stands for at the client.";
    /// None of the client's.
    PostLogoutRedirectUriUnknown = "post_logout_redirect_uri_unknown", InvalidRequest,
        "The parameter post_logout_redirect_uri is not one that the client has registered.",
        "Register it: `remint client update ID --post-logout-redirect-uri URI`; characters must be the same.";
    /// `none` beside another value.
    PromptContradicts = "prompt_contradicts", InvalidRequest, "The value none of prompt must stand alone.",
        "Send `none` alone.";
    /// A value of `prompt` that nobody knows.
    PromptUnknown = "prompt_unknown", InvalidRequest, "The parameter prompt has an unknown value.",
        "Send `none`, `login`, `consent` or `select_account`.";
    /// `redirect_uri` is missing.
    RedirectUriMissing = "redirect_uri_missing", InvalidRequest, "The parameter redirect_uri is missing.",
        "Send the `redirect_uri`.";
    /// The client has none.
    RedirectUriNotRegistered = "redirect_uri_not_registered", InvalidRequest,
        "The client has no redirect_uri registered.",
        "Register one: `remint client update ID --redirect-uri URI`.";
    /// None of the client's.
    RedirectUriUnknown = "redirect_uri_unknown", InvalidRequest,
        "The parameter redirect_uri is not one that the client has registered.",
        "Compare `redirect_uri` of the line with `remint client show ID`, character by character: scheme, host, port, path, a slash at the end.";
    /// OpenID Connect Core §7.2.1.
    RegistrationParameter = "registration_parameter", RegistrationNotSupported,
        "The parameter registration is not supported.",
        "Leave out `registration`; clients are registered by `remint client create`.";
    /// OpenID Connect Core §6.1.
    RequestObject = "request_object", RequestNotSupported, "The parameter request is not supported.",
        "Send the parameters themselves instead of `request`.";
    /// OpenID Connect Core §6.2.
    RequestUri = "request_uri", RequestUriNotSupported, "The parameter request_uri is not supported.",
        "Send the parameters themselves instead of `request_uri`.";
    /// A query that would carry tokens.
    ResponseModeLeaks = "response_mode_leaks", InvalidRequest,
        "The response_mode query is not allowed where tokens are in the answer.",
        "Use `fragment` or `form_post`, or the response type `code`.";
    /// The client is not registered for it.
    ResponseModeNotRegistered = "response_mode_not_registered", UnauthorizedClient,
        "The client is not registered for this response_mode.",
        "Register it: `remint client update ID --response-mode MODE`.";
    /// A mode that nobody knows.
    ResponseModeUnknown = "response_mode_unknown", InvalidRequest, "The parameter response_mode has an unknown value.",
        "Send `query`, `fragment` or `form_post`.";
    /// `response_type` is missing.
    ResponseTypeMissing = "response_type_missing", InvalidRequest, "The parameter response_type is missing.",
        "Send `response_type=code`.";
    /// The client is not registered for it.
    ResponseTypeNotRegistered = "response_type_not_registered", UnauthorizedClient,
        "The client is not registered for this response_type.",
        "Use `code`, or register the type: `remint client update ID --response-type TYPE`.";
    /// A type that nobody knows.
    ResponseTypeUnknown = "response_type_unknown", UnsupportedResponseType,
        "The parameter response_type has an unknown value.",
        "Send `response_type=code`.";
    /// An ID token without its scope.
    ScopeWithoutOpenid = "scope_without_openid", InvalidScope, "An ID token needs the scope openid.",
        "Add `openid` to the scope.";
    /// The state is too long to travel.
    StateTooLong = "state_too_long", InvalidRequest, "The parameter state is longer than 4096 bytes.",
        "Send a shorter `state`; keep what it stands for at the client.";
    /// `code_verifier` is missing.
    VerifierMissing = "verifier_missing", InvalidGrant, "The parameter code_verifier is missing.",
        "Send the `code_verifier` that belongs to the challenge: was it lost between the two requests?";
    /// A verifier for a request without a challenge (RFC 9700 §4.8.2).
    VerifierUnexpected = "verifier_unexpected", InvalidGrant,
        "There is a code_verifier, but the authorization request had no code_challenge.",
        "Send a `code_challenge` in the authorization request, or no `code_verifier`. It may be an attack by downgrade.";
    /// The verifier is not the one of the challenge.
    VerifierWrong = "verifier_wrong", InvalidGrant, "The code_verifier does not fit the code_challenge.",
        "Send the verifier of this very request; two sign-ins in one browser may have been mixed up.";
    /// The `Authorization` header is not well-formed Basic credentials (RFC 7617).
    BasicMalformed = "basic_malformed", InvalidClient, BAD_CLIENT,
        "Send `Basic` and the base64 of `ID:SECRET`, each form-encoded first (RFC 6749 §2.3.1).";
    /// Two methods of client authentication in one request (RFC 6749 §2.3).
    ClientAuthTwice = "client_auth_twice", InvalidRequest,
        "Use one method of client authentication, either the Authorization header or the body.",
        "Send the credentials either in the header or in the body.";
    /// The client is disabled.
    ClientDisabled = "client_disabled", InvalidClient, BAD_CLIENT,
        "`remint client update ID --enabled true`, if it should be.";
    /// The client used a method that it is not registered for.
    ClientMethodNotRegistered = "client_method_not_registered", InvalidClient, BAD_CLIENT,
        "Use the method that `remint client show ID` has, or register another by `--token-endpoint-auth-method`.";
    /// Neither header nor body names a client.
    ClientMissing = "client_missing", InvalidClient, "The request does not say which client sends it.",
        "Send `client_id`, or an `Authorization` header.";
    /// The secret is wrong.
    ClientSecretWrong = "client_secret_wrong", InvalidClient, BAD_CLIENT,
        "Compare the secret where it is deployed; `remint client rotate-secret` makes a new one while the old one goes on working.";
    /// No client has this id.
    ClientUnknown = "client_unknown", InvalidClient, BAD_CLIENT,
        "Compare `client_id` with `remint client list`, and the issuer: is it the right server?";
    /// Header and body name different clients.
    ClientsDiffer = "clients_differ", InvalidRequest,
        "client_id in the body differs from the client in the Authorization header.",
        "Send one `client_id`.";
    /// A content type other than `application/x-www-form-urlencoded`.
    ContentTypeWrong = "content_type_wrong", InvalidRequest,
        "Send the parameters as application/x-www-form-urlencoded.",
        "Send `Content-Type: application/x-www-form-urlencoded`, once.";
    /// A public client asked what a token says (RFC 7662 §2.1).
    CallerPublic = "caller_public", InvalidClient, "Only a client that authenticates may introspect tokens.",
        "Let the resource server have a confidential client of its own.";
    /// A confidential client's grant was tried by a public client (RFC 6749 §4.4).
    GrantNeedsConfidentialClient = "grant_needs_confidential_client", UnauthorizedClient,
        "Only a client that authenticates may use this grant type.",
        "Use a client with a secret.";
    /// The client is not registered for this grant.
    GrantNotRegistered = "grant_not_registered", UnauthorizedClient,
        "The client is not registered for this grant type.",
        "`remint client update ID --grant GRANT`, if it should have it.";
    /// `grant_type` is missing.
    GrantTypeMissing = "grant_type_missing", InvalidRequest, "The parameter grant_type is missing.",
        "Send `grant_type`.";
    /// A grant type that this server does not have.
    GrantTypeUnknown = "grant_type_unknown", UnsupportedGrantType,
        "This server does not support the grant type.",
        "Send one of the grants in the metadata.";
    /// A parameter came twice.
    ParameterTwice = "parameter_twice", InvalidRequest, "A parameter was sent more than once.",
        "Send each parameter once.";
    /// Broken percent encoding, broken UTF-8 or a NUL.
    ParameterMalformed = "parameter_malformed", InvalidRequest,
        "A parameter is not well-formed UTF-8 in percent encoding.",
        "Percent-encode the UTF-8 bytes of each value.";
    /// More parameters than any request has.
    ParametersTooMany = "parameters_too_many", InvalidRequest, "The request has too many parameters.",
        "Leave out what the endpoint does not know.";
    /// A parameter of the request was put into the URL (OAuth 2.1 §2.4.1).
    ParametersInQuery = "parameters_in_query", InvalidRequest,
        "Send the parameters in the body, never in the URL.",
        "Send the parameters in the body: URLs are kept in logs and histories. What was in this one should be revoked.";
    /// `password` is missing.
    PasswordMissing = "password_missing", InvalidRequest, "The parameter password is missing.",
        "Send `password`.";
    /// The password is wrong.
    PasswordWrong = "password_wrong", InvalidGrant, BAD_PASSWORD,
        "Nothing, unless it is many: then see `login.throttled`.";
    /// The family outlived its idle or its absolute lifetime.
    RefreshExpired = "refresh_expired", InvalidGrant, "Refresh token is expired.",
        "Let the user sign in again. The lifetimes are `refresh_token_lifetime` and `refresh_token_max_lifetime`.";
    /// A generation that was never issued: the root key may be in other hands.
    RefreshForged = "refresh_forged", InvalidGrant, DEAD,
        "Follow the [runbook for a stolen key file](keys.md), unless an older database was restored without `remint store epoch bump`.";
    /// The seal does not open: garbage, damage, or another client's token.
    RefreshGarbage = "refresh_garbage", InvalidGrant, DEAD,
        "Send the token as it came, as the client that it was issued to; `remint token explain` says what is wrong with it.";
    /// `refresh_token` is missing.
    RefreshMissing = "refresh_missing", InvalidRequest, "The parameter refresh_token is missing.",
        "Send `refresh_token`.";
    /// The generation counter is used up.
    RefreshOverflow = "refresh_overflow", InvalidGrant, DEAD,
        "Let the user sign in again.";
    /// A used-up refresh token was presented again (RFC 9700 §4.14.2).
    RefreshReused = "refresh_reused", InvalidGrant, DEAD,
        "Let the user sign in again, and find out who has the copy: a thief, or a client that refreshes twice at once (give it a `grace_period`).";
    /// The family was revoked.
    RefreshRevoked = "refresh_revoked", InvalidGrant, DEAD,
        "Let the user sign in again; `remint session list --all` says why the session ended, and when.";
    /// The family's secret does not match: right key, wrong token.
    RefreshSecretWrong = "refresh_secret_wrong", InvalidGrant, DEAD,
        "As for `refresh_forged`.";
    /// The predecessor was retried after the session's rights changed.
    RefreshStaleRights = "refresh_stale_rights", InvalidGrant, DEAD,
        "Let the user sign in again; the predecessor was sent after the rights of the session had changed.";
    /// There is no such family.
    RefreshUnknown = "refresh_unknown", InvalidGrant, DEAD,
        "Let the user sign in again: the session is over for so long that it was deleted, or the database is another one.";
    /// The user was disabled, deleted or signed out everywhere.
    UserSessionsRevoked = "refresh_user_ended", InvalidGrant, DEAD,
        "Let the user sign in again, if they may.";
    /// All the client's sessions were ended.
    RefreshClientEnded = "refresh_client_ended", InvalidGrant, DEAD,
        "Let the user sign in again: `remint session revoke --client` ended them all.";
    /// A resource indicator that is not an absolute URI (RFC 8707 §2).
    ResourceMalformed = "resource_malformed", InvalidTarget,
        "A resource must be an absolute URI without a fragment.",
        "Send an absolute URI without a fragment.";
    /// A resource beyond what was granted or registered.
    ResourceNotGranted = "resource_not_granted", InvalidTarget,
        "The resource is not among those that this client or grant has.",
        "Register it (`remint client update ID --resource URI`), and ask for it when the user signs in.";
    /// Scope with characters outside of RFC 6749 §3.3.
    ScopeMalformed = "scope_malformed", InvalidScope, "The scope contains an illegal character or is too long.",
        "Separate scopes by one space; no quotes, no backslashes.";
    /// A user's scope in a grant without a user.
    ScopeNeedsUser = "scope_needs_user", InvalidScope,
        "This grant type has no user, so it cannot have scopes about one.",
        "Leave out `openid` and the other scopes about people.";
    /// The client has lost every part of the scope that it asks for.
    ScopeLost = "scope_lost", InvalidScope, "Nothing of the scope is left that the client is registered for.",
        "`remint client update ID --scope …` gives them back; otherwise ask for less.";
    /// More than the original grant (RFC 6749 §6).
    ScopeNotGranted = "scope_not_granted", InvalidScope, "The scope exceeds the scope of the original grant.",
        "Ask for what was granted, or let the user sign in for more.";
    /// More than the client is registered for.
    ScopeNotRegistered = "scope_not_registered", InvalidScope, "The client is not registered for this scope.",
        "Compare `scope` of the line with `remint client show ID`; `remint client update ID --scope …` adds to it.";
    /// `token` is missing (RFC 7009 §2.1, RFC 7662 §2.1).
    TokenMissing = "token_missing", InvalidRequest, "The parameter token is missing.",
        "Send `token`.";
    /// The user is disabled. Told apart from a wrong password in logs only.
    UserDisabled = "user_disabled", InvalidGrant, BAD_PASSWORD,
        "`remint user enable`, if it should be.";
    /// No such user.
    UserUnknown = "user_unknown", InvalidGrant, BAD_PASSWORD,
        "Compare with `remint user list`; names are looked for as they are written.";
    /// `username` is missing.
    UsernameMissing = "username_missing", InvalidRequest, "The parameter username is missing.",
        "Send `username`.";
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
