//! The elements under `<OAuth>` that WSO2 Identity Server 5.1.0 knows, and those of later versions
//! that concern refresh tokens, each with what becomes of it.

/// The treatment of an element.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing, for this reason.
    Ignored(&'static str),
    /// `tokens.access_token_lifetime`.
    AccessLifetime,
    /// The same, for a client that acts for itself.
    ApplicationLifetime,
    /// `tokens.refresh_token_lifetime`.
    RefreshLifetime,
    /// `tokens.renew_refresh_token`.
    Renew,
    /// `tokens.extend_on_renewal`.
    Extend,
    /// `tokens.grace_period`.
    Grace,
    /// The time by which tokens end earlier than announced.
    Skew,
    /// The URL that gives `issuer` and `http.listen`.
    TokenEndpoint,
    /// The URL of an endpoint that Remint serves at this path.
    Endpoint(&'static str),
    /// A grant that Remint has, by its name there.
    Grant(&'static str),
    /// A switch for something that Remint always does; the reason for on, then the one for off.
    Always(&'static str, &'static str),
    /// Whether a grant gives out refresh tokens.
    RefreshAllowed,
}

/// The feature that tells elements of the same path apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By the value of an attribute.
    Attribute(&'static str),
    /// By the text of a child.
    Child(&'static str),
}

/// The names in WSO2 of elements that may be there more than once.
const REPEATED: [(&str, By); 9] = [
    ("SupportedGrantTypes/SupportedGrantType", By::Child("GrantTypeName")),
    ("SupportedResponseTypes/SupportedResponseType", By::Child("ResponseTypeName")),
    ("ClientAuthHandlers/ClientAuthHandler", By::Attribute("Class")),
    ("ClientAuthHandlers/ClientAuthHandler/Property", By::Attribute("Name")),
    ("OAuthCallbackHandlers/OAuthCallbackHandler", By::Attribute("Class")),
    ("OAuthCallbackHandlers/OAuthCallbackHandler/Properties/Property", By::Attribute("Name")),
    ("TokenValidators/TokenValidator", By::Attribute("type")),
    ("ScopeValidators/ScopeValidator", By::Attribute("class")),
    ("ScopeHandlers/ScopeHandler", By::Attribute("class")),
];

const UNKNOWN: Rule = Rule::Ignored("not an element of WSO2 5.1.0 that Remint knows");

/// Finds the feature that tells the elements at `path` apart, if there may be several.
pub(super) fn told_apart_by(path: &str) -> Option<By> {
    REPEATED.iter().find(|(repeated, _)| *repeated == path).map(|(_, by)| *by)
}

/// Finds the rule for the element at `path`, which `label` tells from others there.
pub(super) fn rule(path: &str, label: Option<&str>) -> &'static Rule {
    let labelled = label.map(|label| format!("{path}[{label}]"));
    let find = |path: &str| ELEMENTS.iter().find(|(known, _)| *known == path);
    labelled.and_then(|path| find(&path)).or_else(|| find(path)).map_or(&UNKNOWN, |(_, rule)| rule)
}

/// Whether the element, or one within it, is in the table.
pub(super) fn is_known(path: &str) -> bool {
    ELEMENTS.iter().any(|(known, _)| {
        known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

use Rule::{
    AccessLifetime, Always, ApplicationLifetime, Endpoint, Extend, Grace, Grant, Ignored,
    RefreshAllowed, RefreshLifetime, Renew, Skew, TokenEndpoint,
};

const CACHE: &str = "Remint needs no cache of this kind: a refresh is one read by primary key";
const OAUTH_1: &str = "OAuth 1.0a is not part of Remint";
const NO_AUTHORIZE: &str = "the authorization endpoint and its pages are not in this version";
const NO_OPENID: &str = "OpenID Connect is not in this version";
const NO_ID_TOKEN: &str = "ID tokens are not in this version";
const NO_USERINFO: &str = "the userinfo endpoint is not in this version";
const NO_JWT: &str = "Remint hands no JWT on to backends; they ask /oauth2/introspect";
const NO_SAML: &str = "SAML 2.0 assertions are not among the grants of Remint";
const NO_PLUG_INS: &str = "a Java class: Remint is one binary and loads no plug-ins";
const GRANT_CLASS: &str = "a Java class: the grants of Remint are built in";
const RESPONSE_CLASS: &str = "a Java class: Remint has no authorization endpoint in this version";
const TOKEN_CLASS: &str = "a Java class: Remint makes its sealed tokens by itself";
const NOT_STORED: &str = "Remint stores no tokens: a session is one row with a hash";
const SCOPE_CLASS: &str =
    "a Java class: Remint checks the scope against what the client may ask for";

/// Every element, as `Section/Element`, `[name]` for one of several, with its rule.
const ELEMENTS: &[(&str, Rule)] = &[
    // Caches.
    ("AppInfoCacheTimeout", Ignored(CACHE)),
    ("AuthorizationGrantCacheTimeout", Ignored(CACHE)),
    ("SessionDataCacheTimeout", Ignored(CACHE)),
    ("ClaimCacheTimeout", Ignored(CACHE)),
    ("EnableOAuthCache", Ignored(CACHE)),
    // Addresses.
    ("OAuth1RequestTokenUrl", Ignored(OAUTH_1)),
    ("OAuth1AuthorizeUrl", Ignored(OAUTH_1)),
    ("OAuth1AccessTokenUrl", Ignored(OAUTH_1)),
    ("RequestTokenUrl", Ignored(OAUTH_1)),
    ("AuthorizeUrl", Ignored(OAUTH_1)),
    ("AccessTokenUrl", Ignored(OAUTH_1)),
    ("OAuth2TokenEPUrl", TokenEndpoint),
    ("OAuth2RevokeEPUrl", Endpoint("/oauth2/revoke")),
    ("OAuth2IntrospectEPUrl", Endpoint("/oauth2/introspect")),
    ("OAuth2AuthzEPUrl", Ignored(NO_AUTHORIZE)),
    ("OAuth2ParEPUrl", Ignored(NO_AUTHORIZE)),
    ("OAuth2UserInfoEPUrl", Ignored(NO_USERINFO)),
    (
        "OAuth2JWKSPage",
        Ignored("access tokens of Remint are opaque, so there is no key to publish"),
    ),
    ("OAuth2DCREPUrl", Ignored("clients are registered with `remint client create`")),
    ("OIDCConsentPage", Ignored(NO_AUTHORIZE)),
    ("OAuth2ConsentPage", Ignored(NO_AUTHORIZE)),
    ("OAuth2ErrorPage", Ignored(NO_AUTHORIZE)),
    ("OIDCLogoutConsentPage", Ignored(NO_OPENID)),
    ("OIDCLogoutPage", Ignored(NO_OPENID)),
    ("OIDCCheckSessionEPUrl", Ignored(NO_OPENID)),
    ("OIDCLogoutEPUrl", Ignored(NO_OPENID)),
    ("OIDCWebFingerEPUrl", Ignored(NO_OPENID)),
    ("OIDCDiscoveryEPUrl", Ignored(NO_OPENID)),
    // Lifetimes and renewal.
    (
        "AuthorizationCodeDefaultValidityPeriod",
        Ignored("there are no authorization codes in this version"),
    ),
    ("AccessTokenDefaultValidityPeriod", ApplicationLifetime),
    ("UserAccessTokenDefaultValidityPeriod", AccessLifetime),
    ("RefreshTokenValidityPeriod", RefreshLifetime),
    ("TimestampSkew", Skew),
    ("RenewRefreshTokenForRefreshGrant", Renew),
    ("ExtendRenewedRefreshTokenExpiryTime", Extend),
    (
        "RenewTokenPerRequest",
        Always(
            "Remint makes new tokens for every request",
            "Remint makes new tokens for every request and never gives the same one twice",
        ),
    ),
    (
        "ValidateAuthenticatedUserForRefreshGrant",
        Always(
            "Remint checks at every refresh that the user is still enabled",
            "Remint always checks at a refresh that the user is still enabled",
        ),
    ),
    ("GracefulRefreshTokenRotation/ValidityPeriodMax", Grace),
    (
        "GracefulRefreshTokenRotation/ReuseLimitMax",
        Ignored(
            "within the grace period Remint gives the same successor however often it is asked",
        ),
    ),
    // Storage.
    ("TokenPersistenceProcessor", Ignored(NOT_STORED)),
    ("TokenPersistence/PersistAccessToken", Ignored(NOT_STORED)),
    ("TokenPersistence/PersistRefreshToken", Ignored(NOT_STORED)),
    ("TokenPersistence/KeepRevokedAccessTokens", Ignored(NOT_STORED)),
    (
        "TokenCleanup/EnableTokenCleanup",
        Always(
            "Remint removes what has expired by itself",
            "Remint always removes what has expired; there is no table of tokens that would grow",
        ),
    ),
    ("TokenCleanup/RetainOldAccessToken", Ignored(NOT_STORED)),
    ("EnableAccessTokenPartitioning", Ignored("Remint has no table of tokens to divide")),
    ("AccessTokenPartitioningDomains", Ignored("Remint has no table of tokens to divide")),
    // Making and checking tokens.
    ("OAuthTokenGenerator", Ignored(TOKEN_CLASS)),
    ("IdentityOAuthTokenGenerator", Ignored(TOKEN_CLASS)),
    ("AccessTokenValueGenerator", Ignored(TOKEN_CLASS)),
    (
        "EnableAssertions/UserName",
        Ignored("tokens of Remint are sealed; whose they are is told by /oauth2/introspect"),
    ),
    (
        "TokenValidators/TokenValidator",
        Ignored("Remint has no SOAP validation service; resource servers ask /oauth2/introspect"),
    ),
    ("OAuthScopeValidator", Ignored(SCOPE_CLASS)),
    ("ScopeValidators/ScopeValidator", Ignored(SCOPE_CLASS)),
    ("ScopeHandlers/ScopeHandler", Ignored(SCOPE_CLASS)),
    // Clients.
    (
        "ClientAuthHandlers/ClientAuthHandler",
        Ignored("a Java class: Remint's own ways to authenticate a client are set for each client"),
    ),
    ("ClientAuthHandlers/ClientAuthHandler/Property", Ignored("a setting of a Java class")),
    (
        "ClientAuthHandlers/ClientAuthHandler/Property[StrictClientCredentialValidation]",
        Always(
            "Remint always checks the secret of a client that has one",
            "Remint always checks the secret of a client that has one; register clients that \
             cannot keep one as public",
        ),
    ),
    (
        "OAuthCallbackHandlers/OAuthCallbackHandler",
        Ignored("a Java class: which scope a client may get is set for each client"),
    ),
    ("OAuthCallbackHandlers/OAuthCallbackHandler/Priority", Ignored("a setting of a Java class")),
    (
        "OAuthCallbackHandlers/OAuthCallbackHandler/Properties/Property",
        Ignored("a setting of a Java class"),
    ),
    // Grants.
    ("SupportedGrantTypes/SupportedGrantType[password]", Grant("password")),
    ("SupportedGrantTypes/SupportedGrantType[client_credentials]", Grant("client_credentials")),
    ("SupportedGrantTypes/SupportedGrantType[refresh_token]", Grant("refresh_token")),
    (
        "SupportedGrantTypes/SupportedGrantType[authorization_code]",
        Ignored("the authorization code grant is not in this version"),
    ),
    (
        "SupportedGrantTypes/SupportedGrantType[urn:ietf:params:oauth:grant-type:saml2-bearer]",
        Ignored(NO_SAML),
    ),
    (
        "SupportedGrantTypes/SupportedGrantType[iwa:ntlm]",
        Ignored("NTLM needs a Windows host and is not among the grants of Remint"),
    ),
    (
        "SupportedGrantTypes/SupportedGrantType",
        Ignored("Remint has the grants password, client_credentials and refresh_token only"),
    ),
    ("SupportedGrantTypes/SupportedGrantType/GrantTypeHandlerImplClass", Ignored(GRANT_CLASS)),
    ("SupportedGrantTypes/SupportedGrantType/GrantTypeValidatorImplClass", Ignored(GRANT_CLASS)),
    ("SupportedGrantTypes/SupportedGrantType/IsRefreshTokenAllowed", RefreshAllowed),
    ("SupportedGrantTypes/SupportedGrantType/IdTokenAllowed", Ignored(NO_ID_TOKEN)),
    (
        "SupportedGrantTypes/SupportedGrantType/PublicClientAllowed",
        Ignored("whether a client is public is set for each client"),
    ),
    ("SupportedResponseTypes/SupportedResponseType", Ignored(NO_AUTHORIZE)),
    (
        "SupportedResponseTypes/SupportedResponseType/ResponseTypeHandlerImplClass",
        Ignored(RESPONSE_CLASS),
    ),
    (
        "SupportedResponseTypes/SupportedResponseType/ResponseTypeValidatorImplClass",
        Ignored(RESPONSE_CLASS),
    ),
    ("SAML2Grant", Ignored(NO_SAML)),
    ("SAML2Grant/SAML2TokenHandler", Ignored(NO_SAML)),
    // What goes with a token.
    ("AuthorizationContextTokenGeneration/Enabled", Ignored(NO_JWT)),
    ("AuthorizationContextTokenGeneration/TokenGeneratorImplClass", Ignored(NO_PLUG_INS)),
    ("AuthorizationContextTokenGeneration/ClaimsRetrieverImplClass", Ignored(NO_PLUG_INS)),
    ("AuthorizationContextTokenGeneration/ConsumerDialectURI", Ignored(NO_JWT)),
    (
        "AuthorizationContextTokenGeneration/SignatureAlgorithm",
        Ignored("it signs JWTs for backends and ID tokens, which are not in this version"),
    ),
    ("AuthorizationContextTokenGeneration/AuthorizationContextTTL", Ignored(NO_JWT)),
    ("OpenIDConnect/IDTokenBuilder", Ignored(NO_PLUG_INS)),
    (
        "OpenIDConnect/IDTokenIssuerID",
        Ignored(
            "ID tokens are not in this version, and the issuer of Remint is an address without a \
             path, not the token URL",
        ),
    ),
    (
        "OpenIDConnect/IDTokenSubjectClaim",
        Ignored("Remint names a user by an id that never changes, not by a claim"),
    ),
    ("OpenIDConnect/IDTokenCustomClaimsCallBackHandler", Ignored(NO_PLUG_INS)),
    ("OpenIDConnect/IDTokenExpiration", Ignored(NO_ID_TOKEN)),
    ("OpenIDConnect/UserInfoEndpointClaimDialect", Ignored(NO_USERINFO)),
    ("OpenIDConnect/UserInfoEndpointClaimRetriever", Ignored(NO_PLUG_INS)),
    ("OpenIDConnect/UserInfoEndpointRequestValidator", Ignored(NO_PLUG_INS)),
    ("OpenIDConnect/UserInfoEndpointAccessTokenValidator", Ignored(NO_PLUG_INS)),
    ("OpenIDConnect/UserInfoEndpointResponseBuilder", Ignored(NO_PLUG_INS)),
    (
        "OpenIDConnect/SkipUserConsent",
        Ignored("there is no page on which a user would consent in this version"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_stands_in_the_table_once() {
        let mut paths: Vec<&str> = ELEMENTS.iter().map(|(path, _)| *path).collect();
        paths.sort_unstable();
        let all = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), all);
    }

    #[test]
    fn the_name_of_one_of_several_finds_its_own_rule_first() {
        let grant = "SupportedGrantTypes/SupportedGrantType";
        assert_eq!(rule(grant, Some("password")), &Rule::Grant("password"));
        assert!(matches!(rule(grant, Some("kerberos")), Rule::Ignored(_)));
        assert_eq!(rule("OpenIDConnect/Later", None), &UNKNOWN);
    }

    #[test]
    fn sections_are_known_by_what_is_in_them() {
        assert!(is_known("OpenIDConnect"));
        assert!(is_known("OpenIDConnect/IDTokenExpiration"));
        assert!(!is_known("OpenID"));
        assert!(!is_known("OpenIDConnect/IDToken"));
        assert!(!is_known("EnableOAuthCache/Child"));
    }
}
