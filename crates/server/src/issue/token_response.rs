//! The issuing stage of the token endpoint: what a grant decided becomes a response (RFC 6749 §5.1).
//!
//! It comes before the grant writes anything: a token that cannot be sealed or signed changes nothing.

use remint_protocol::claims_parameter::Requested;
use remint_protocol::family::Family;
use remint_protocol::grant::Access;
use remint_protocol::scope::Scope;
use remint_protocol::token::{self, AccessToken, RefreshToken};
use serde::Serialize;

use crate::entropy;
use crate::http::client_request::ClientRequest;
use crate::http::failure::Failure;
use crate::issue::id_token::{IdTokenParams, SignedIn};

/// The decision of a grant. Nothing is sealed or written yet.
pub(crate) struct Issued<'a> {
    access: AccessToken,
    family: Option<&'a Family>,
    refresh: Refresh<'a>,
    nonce: Option<&'a str>,
}

/// The refresh token of a response.
pub(crate) enum Refresh<'a> {
    /// There is none.
    None,
    /// A new one.
    New(RefreshToken),
    /// The one that was presented.
    Same(&'a str),
}

impl<'a> Issued<'a> {
    /// A token by which the client speaks for itself.
    pub(crate) const fn for_client(access: AccessToken) -> Self {
        Self { access, family: None, refresh: Refresh::None, nonce: None }
    }

    /// Tokens by which the client speaks for the user of `family`.
    pub(crate) fn for_user(
        request: &ClientRequest<'_>,
        access: Access,
        family: &'a Family,
        refresh: Refresh<'a>,
    ) -> Result<Self, Failure> {
        let client_id = request.caller.client().id.clone();
        let access = access.into_token(client_id, entropy::jti()?, request.now);
        Ok(Self { access, family: Some(family), refresh, nonce: None })
    }

    /// The tokens of a new family: with a refresh token only where its client gets one.
    pub(crate) fn for_new_family(
        request: &ClientRequest<'_>,
        access: Access,
        family: &'a Family,
        first: RefreshToken,
    ) -> Result<Self, Failure> {
        let refresh = if request.caller.client().gets_refresh_token(&family.scope) {
            Refresh::New(first)
        } else {
            Refresh::None
        };
        Self::for_user(request, access, family, refresh)
    }

    /// Binds the ID token to the `nonce` of the authentication request.
    pub(crate) fn with_nonce(self, nonce: Option<&'a str>) -> Self {
        Self { nonce, ..self }
    }
}

/// A successful response (RFC 6749 §5.1).
#[derive(Serialize)]
pub(crate) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    /// OpenID Connect Core §3.1.3.3, §12.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl ClientRequest<'_> {
    /// Seals and signs what was decided.
    pub(crate) async fn issue(&self, issued: Issued<'_>) -> Result<TokenResponse, Failure> {
        let (app, client) = (self.app, self.caller.client());
        let Issued { access, family, refresh, nonce } = issued;
        let refresh_token = match refresh {
            Refresh::None => None,
            Refresh::New(new) => {
                let sealed = token::seal_refresh(&app.keys(), &new, &client.id);
                Some(sealed.ok_or(Failure::KeyNotHere)?)
            }
            Refresh::Same(text) => Some(text.to_owned()),
        };
        let mut response = TokenResponse {
            access_token: app.seal_access_token(client, &access, family).await?,
            token_type: "Bearer",
            expires_in: access.expires_at.left(access.issued_at).as_secs().try_into().unwrap_or(0),
            refresh_token,
            scope: access.scope.as_str().to_owned(),
            id_token: None,
        };
        if let Some(family) = family.filter(|_| access.scope.contains("openid")) {
            // Boxed: most refreshes have none, and its future is large.
            let id_token = Box::pin(self.id_token(family, nonce, &response.access_token)).await?;
            response.id_token = Some(id_token);
        }
        Ok(response)
    }

    async fn id_token(
        &self,
        family: &Family,
        nonce: Option<&str>,
        access_token: &str,
    ) -> Result<String, Failure> {
        let client = self.caller.client();
        let requested = Requested::kept(&family.origin.claims, client);
        let with = IdTokenParams {
            // OpenID Connect Core §5.4: the claims of the scope come from the userinfo endpoint.
            scope: &Scope::default(),
            requested: &requested,
            nonce,
            access_token: Some(access_token),
            code: None,
        };
        self.app.id_token(client, &SignedIn::of(family), &with, self.now).await
    }
}
