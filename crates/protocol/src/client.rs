//! Clients: the applications that ask for tokens, and what each is registered for (RFC 6749 §2,
//! RFC 7591 §2 for the names).

use std::fmt;
use std::time::Duration;

use crate::client_id::ClientId;
use crate::ends::LastEnd;
use crate::pkce::Pkce;
use crate::policy::{Overrides, RefreshTokens};
use crate::redirect_uri::{self, RedirectUri};
use crate::relying_party::{self, RelyingPartyError};
use crate::resource::Resources;
use crate::response::{ResponseMode, ResponseType};
use crate::scope::Scope;
use crate::secret::StoredSecret;
use crate::time::Timestamp;
use crate::wire_names::wire_names;

wire_names! {
    /// The grants that this server has; the values of `grant_type`.
    GrantType {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 6749 §4.3.
        Password = "password",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
    }
}

wire_names! {
    /// How a client proves who it is; the values of `token_endpoint_auth_method` (RFC 7591 §2).
    AuthMethod {
        /// The `Authorization: Basic` header.
        ClientSecretBasic = "client_secret_basic",
        /// `client_id` and `client_secret` in the body.
        ClientSecretPost = "client_secret_post",
        /// A public client: `client_id` in the body, nothing to prove it.
        None = "none",
    }
}

wire_names! {
    /// The format of a client's access tokens.
    AccessTokenFormat {
        /// Sealed: whoever gets one asks the introspection endpoint what it says.
        Opaque = "opaque",
        /// A JWT, signed (RFC 9068).
        Jwt = "jwt",
    }
}

wire_names! {
    /// What a client knows a user by; the values of `subject_type` (OpenID Connect Core §8).
    SubjectType {
        /// The same `sub` for every client.
        Public = "public",
        /// Another `sub` in every sector.
        Pairwise = "pairwise",
    }
}

/// What a client is registered for at the authorization endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize {
    /// Where answers may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// What it may ask for.
    pub response_types: Vec<ResponseType>,
    /// How answers may travel; empty for any way.
    pub response_modes: Vec<ResponseMode>,
    /// What must protect a code on its way.
    pub pkce: Pkce,
    /// Whether the challenge may be `plain`, for clients that can not do better.
    pub plain_challenge: bool,
    /// Whether the token request must repeat `redirect_uri` (RFC 6749 §4.1.3; OAuth 2.1 dropped it).
    pub repeat_redirect_uri: bool,
    /// Whether it belongs to those who run the server: its users are not asked for consent.
    pub first_party: bool,
    /// When it gets a refresh token.
    pub refresh_tokens: RefreshTokens,
    /// How old the proof of who the user is may be where a request does not say.
    pub default_max_age: Option<Duration>,
}

impl Default for Authorize {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            response_types: vec![ResponseType::CODE],
            response_modes: Vec::new(),
            pkce: Pkce::Required,
            plain_challenge: false,
            repeat_redirect_uri: true,
            first_party: false,
            refresh_tokens: RefreshTokens::Always,
            default_max_age: None,
        }
    }
}

/// What a client is registered for as a relying party (OpenID Connect Dynamic Client Registration §2,
/// RP-Initiated, Back-Channel and Front-Channel Logout).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelyingParty {
    /// The algorithm of its ID tokens; none: the server's default.
    pub id_token_alg: Option<String>,
    /// What it knows users by; `None` is `public`.
    pub pairwise_sector: Option<String>,
    /// Whether its access tokens are JWTs.
    pub jwt_access_tokens: bool,
    /// Where the browser may go after signing out.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Who is told that a session ended, server to server.
    pub backchannel_logout_uri: Option<String>,
    /// What the browser loads when a session ends.
    pub frontchannel_logout_uri: Option<String>,
    /// The origins whose scripts may call the token endpoint and userinfo.
    pub web_origins: Vec<String>,
    /// The client's own pages, for the consent page: home, privacy policy, terms.
    pub links: Links,
}

/// Links that the consent page shows (RFC 7591 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// `client_uri`.
    pub home: Option<String>,
    /// `policy_uri`.
    pub policy: Option<String>,
    /// `tos_uri`.
    pub terms: Option<String>,
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Who it is.
    pub id: ClientId,
    /// For people to read.
    pub name: String,
    /// The methods that it may authenticate with; `[None]` for a public client.
    pub auth_methods: Vec<AuthMethod>,
    /// Its secret; public clients have none.
    pub secret: Option<StoredSecret>,
    /// The secret before the last rotation, and until when it still works.
    pub previous_secret: Option<(StoredSecret, Timestamp)>,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The scope that it may ask for, which is also what it gets when it asks for none.
    pub scope: Scope,
    /// The resources that its tokens may be meant for (RFC 8707).
    pub resources: Resources,
    /// The resources that it serves: it may introspect access tokens meant for one of them.
    pub serves: Resources,
    /// What it is registered for at the authorization endpoint.
    pub authorize: Authorize,
    /// What it is registered for as a relying party.
    pub relying_party: RelyingParty,
    /// Where it departs from the server-wide policy.
    pub overrides: Overrides,
    /// Whether it may do anything at all.
    pub enabled: bool,
    /// The last time that all its sessions were ended.
    pub ended: LastEnd,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Client {
    /// The most bytes that scope and resources have together.
    pub const MAX_EXTENT: usize = 8192;

    /// A registration with nothing in it but its id: a confidential client that may do nothing yet.
    /// What was issued to another client that had this id before `at` is not its own.
    pub fn new(id: ClientId, at: Timestamp) -> Self {
        Self {
            id,
            name: String::new(),
            auth_methods: vec![AuthMethod::ClientSecretBasic],
            secret: None,
            previous_secret: None,
            grants: Vec::new(),
            scope: Scope::default(),
            resources: Resources::default(),
            serves: Resources::default(),
            authorize: Authorize::default(),
            relying_party: RelyingParty::default(),
            overrides: Overrides::default(),
            enabled: true,
            ended: LastEnd::uncounted(at.before(Duration::from_millis(1))),
            created_at: at,
            updated_at: at,
        }
    }

    /// Whether this client has no way to prove who it is (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.auth_methods.contains(&AuthMethod::None)
    }

    /// Whether a grant with this scope comes with a refresh token.
    pub fn gets_refresh_token(&self, scope: &Scope) -> bool {
        self.may_use(GrantType::RefreshToken)
            && match self.authorize.refresh_tokens {
                RefreshTokens::Always => true,
                RefreshTokens::OfflineAccess => scope.contains("offline_access"),
                RefreshTokens::Never => false,
            }
    }

    /// Whether the client is registered for a grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }
}

/// Why a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// `none` beside another method would let anyone skip the proof.
    #[error(
        "`none` can not stand beside other authentication methods: a client is public or it is not"
    )]
    PublicAndConfidential,
    /// What a client is registered for travels in its access tokens, whose size is bounded.
    #[error(
        "scope and resources are too long together: at most 8192 bytes travel in each access token"
    )]
    TooLong,
    /// A confidential client must have a method.
    #[error("a client needs at least one authentication method")]
    NoAuthMethod,
    /// RFC 6749 §4.4: client credentials are for confidential clients only.
    #[error(
        "a public client can not use the grant `client_credentials` (RFC 6749 §4.4): it has no credentials"
    )]
    PublicClientCredentials,
    /// RFC 9700 §2.2.2.
    #[error(
        "renew_refresh_token can not be switched off for a public client: anyone who copies its refresh token \
         could use it unnoticed until it expires (RFC 9700 §2.2.2)"
    )]
    PublicWithoutRenewal,
    /// The code flow has nowhere to send its answer.
    #[error("the grant authorization_code needs a redirection URI")]
    NoRedirectUri,
    /// More than is ever looked through for one request.
    #[error("a client has at most 64 redirection URIs")]
    TooManyRedirectUris,
    /// What has no challenge would be protected by nothing: a public client has no secret.
    #[error("a public client needs PKCE (RFC 9700 section 2.1.1): pkce can not be or_nonce")]
    PublicWithoutPkce,
    /// What has a secret that it is never asked for is taken for confidential by those who look at it.
    #[error("a public client has no secret: remove the secret, or name a method that proves it")]
    PublicWithSecret,
    /// A public client has no secret to introspect or serve with.
    #[error("a public client can not be a resource server: it can not prove who it is")]
    PublicResourceServer,
    /// What it has as a relying party.
    #[error(transparent)]
    RelyingParty(#[from] RelyingPartyError),
    /// The authorization endpoint has nothing to answer with.
    #[error("a client with redirection URIs needs at least one response type, such as code")]
    NoResponseType,
}

impl Client {
    /// What people read: its name, or its id where it has none.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
    }

    /// Checks what no registration may have.
    ///
    /// # Errors
    /// Says which rule the registration breaks.
    pub fn check(&self) -> Result<(), RegistrationError> {
        if self.auth_methods.is_empty() {
            return Err(RegistrationError::NoAuthMethod);
        }
        if self.scope.as_str().len() + self.resources.as_str().len() > Self::MAX_EXTENT {
            return Err(RegistrationError::TooLong);
        }
        if self.may_use(GrantType::AuthorizationCode) && self.authorize.redirect_uris.is_empty() {
            return Err(RegistrationError::NoRedirectUri);
        }
        if self.authorize.redirect_uris.len() > redirect_uri::MAX_COUNT {
            return Err(RegistrationError::TooManyRedirectUris);
        }
        if self.authorize.response_types.is_empty() {
            return Err(RegistrationError::NoResponseType);
        }
        relying_party::check(self)?;
        if !self.is_public() {
            return Ok(());
        }
        if self.authorize.pkce == Pkce::OrNonce {
            return Err(RegistrationError::PublicWithoutPkce);
        }
        if self.auth_methods.len() > 1 {
            return Err(RegistrationError::PublicAndConfidential);
        }
        if self.may_use(GrantType::ClientCredentials) {
            return Err(RegistrationError::PublicClientCredentials);
        }
        if self.overrides.renew_refresh_token == Some(false) {
            return Err(RegistrationError::PublicWithoutRenewal);
        }
        if !self.serves.is_empty() {
            return Err(RegistrationError::PublicResourceServer);
        }
        if self.secret.is_some() || self.previous_secret.is_some() {
            return Err(RegistrationError::PublicWithSecret);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn client(id: &str) -> Client {
        Client {
            grants: GrantType::ALL.to_vec(),
            scope: Scope::parse("a b c").unwrap(),
            authorize: Authorize {
                redirect_uris: vec![RedirectUri::register("https://app.example/cb").unwrap()],
                ..Authorize::default()
            },
            ..Client::new(ClientId::parse(id).unwrap(), Timestamp::default())
        }
    }

    #[test]
    fn checklist_54_a_client_id_can_not_pass_for_a_users_subject() {
        let subject = crate::user::UserId([3; 16]).subject();
        assert_eq!(ClientId::parse(&subject), None);
        for bad in ["", "a b", "a:b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(ClientId::parse(bad), None, "{bad:?}");
        }
        assert!(ClientId::parse("0pgUsAm_pDyfEUY26KjLoYs0c9Ea").is_some(), "WSO2's ids are fine");
    }

    #[test]
    fn a_registration_too_long_for_an_access_token_is_refused() {
        let mut demo = client("demo");
        let uris: Vec<String> =
            (0..10).map(|i| format!("https://{i}.{}", "x".repeat(1000))).collect();
        demo.resources = Resources::parse(uris.iter().map(String::as_str)).unwrap();
        assert_eq!(demo.check(), Err(RegistrationError::TooLong));
    }

    #[test]
    fn a_public_client_keeps_renewal_on_and_has_no_client_credentials() {
        let mut public = client("spa");
        public.auth_methods = vec![AuthMethod::None];
        assert_eq!(public.check(), Err(RegistrationError::PublicClientCredentials));
        public.grants = vec![GrantType::Password, GrantType::RefreshToken];
        assert_eq!(public.check(), Ok(()));
        public.overrides.renew_refresh_token = Some(false);
        assert_eq!(public.check(), Err(RegistrationError::PublicWithoutRenewal));
        public.auth_methods.push(AuthMethod::ClientSecretPost);
        assert_eq!(public.check(), Err(RegistrationError::PublicAndConfidential));
    }
}
