//! Clients: the applications that ask for tokens, and what each is registered for (RFC 6749 §2,
//! RFC 7591 §2 for the names).

use std::fmt;
use std::time::Duration;

use crate::client_id::ClientId;
use crate::ends::LastEnd;
use crate::pkce::Pkce;
use crate::policy::{Overrides, Policy};
use crate::redirect_uri::RedirectUri;
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
    /// The methods by which clients authenticate; the values of `token_endpoint_auth_method` (RFC 7591 §2).
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
    /// The kinds of identifiers by which clients know users; the values of `subject_type` (OpenID Connect
    /// Core §8).
    SubjectType {
        /// The same `sub` for every client.
        Public = "public",
        /// Another `sub` in every sector.
        Pairwise = "pairwise",
    }
}

wire_names! {
    /// The grants with which a client gets a refresh token, provided that it has the grant `refresh_token`.
    RefreshTokens {
        /// With every grant that has a user.
        Always = "always",
        /// With those for which `offline_access` was granted (OpenID Connect Core §11).
        OfflineAccess = "offline_access",
        /// Never.
        Never = "never",
    }
}

/// The registration of a client for the authorization endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize {
    /// The URIs to which responses may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// The response types that it may request.
    pub response_types: Vec<ResponseType>,
    /// The response modes that it may request; empty for any.
    pub response_modes: Vec<ResponseMode>,
    /// The required protection of a code on its way.
    pub pkce: Pkce,
    /// Whether the challenge may be `plain`, for clients that cannot do better.
    pub plain_challenge: bool,
    /// Whether the token request must repeat `redirect_uri` (RFC 6749 §4.1.3; OAuth 2.1 dropped it).
    pub repeat_redirect_uri: bool,
    /// Whether it belongs to those who run the server: its users are not asked for consent.
    pub first_party: bool,
    /// The grants with which it gets a refresh token.
    pub refresh_tokens: RefreshTokens,
    /// The greatest age of the proof of identity, for requests that do not say.
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

/// The registration of a client as a relying party (OpenID Connect Dynamic Client Registration §2,
/// RP-Initiated, Back-Channel and Front-Channel Logout).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelyingParty {
    /// The algorithm of its ID tokens; none: the server's default.
    pub id_token_alg: Option<String>,
    /// The sector in which its users have their `sub`; `None` is `public`.
    pub pairwise_sector: Option<String>,
    /// Whether its access tokens are JWTs.
    pub jwt_access_tokens: bool,
    /// The URIs to which the browser may go after signing out.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// The URL that is notified of the end of a session, server to server.
    pub backchannel_logout_uri: Option<String>,
    /// The URL that the browser loads at the end of a session.
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
    /// Its id.
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
    /// Its registration for the authorization endpoint.
    pub authorize: Authorize,
    /// Its registration as a relying party.
    pub relying_party: RelyingParty,
    /// Its own values for settings of the server-wide policy.
    pub overrides: Overrides,
    /// Whether it may do anything at all.
    pub enabled: bool,
    /// The last time that all its sessions were ended.
    pub ended: LastEnd,
    /// The time of its registration.
    pub created_at: Timestamp,
    /// The time of its last change.
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

    /// The policy for its tokens: the server's, with the client's own settings over it.
    #[must_use]
    pub fn policy(&self, server: &Policy) -> Policy {
        let own = server.overridden_by(&self.overrides);
        // RFC 9700 §2.2.2: refresh tokens of public clients must be renewed or sender-constrained.
        Policy { renew_refresh_token: own.renew_refresh_token || self.is_public(), ..own }
    }

    /// Whether the client is registered for a grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }
}

impl Client {
    /// Returns the name for people to read: its name, or its id if it has none.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { self.id.as_str() } else { &self.name }
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
    fn a_client_overrides_what_it_names_and_follows_the_rest() {
        let mut shop = client("shop");
        shop.overrides.grace_period = Some(Duration::from_mins(1));
        shop.overrides.renew_refresh_token = Some(false);
        let policy = shop.policy(&Policy::default());
        let expected = Policy {
            grace_period: Duration::from_mins(1),
            renew_refresh_token: false,
            ..Policy::default()
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn public_clients_rotate_even_where_renewal_is_off_for_the_server() {
        let server = Policy { renew_refresh_token: false, ..Policy::default() };
        let mut spa = client("spa");
        assert!(!spa.policy(&server).renew_refresh_token);
        spa.auth_methods = vec![AuthMethod::None];
        assert!(spa.policy(&server).renew_refresh_token);
    }
}
