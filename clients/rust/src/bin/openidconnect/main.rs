//! The `openidconnect` crate: signing in with a code and PKCE, userinfo, refreshes and signing out, as
//! a public and as a confidential client.
//!
//! Usage: `openidconnect ISSUER CERTIFICATE`

mod browser;

use std::error::Error;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken,
    CoreIdTokenClaims, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::reqwest::Certificate;
use openidconnect::reqwest::blocking::{Client as Http, ClientBuilder};
use openidconnect::reqwest::redirect::Policy;
use openidconnect::url::Url;
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    TokenResponse as _,
};

use browser::Browser;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The crate's client with the endpoints that discovery sets.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

// Nothing listens there: the browser stops short of it.
const HOME: &str = "http://127.0.0.1:8403/";
const CALLBACK: &str = "http://127.0.0.1:8403/callback";
const SCOPE: [&str; 3] = ["profile", "email", "read"];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(certificate)) = (arguments.next(), arguments.next()) else {
        return Err("usage: openidconnect ISSUER CERTIFICATE".into());
    };
    let certificate = std::fs::read(certificate)?;
    for (id, secret, auth_type) in [
        ("playground", None, AuthType::RequestBody),
        ("demo", Some("demo-secret"), AuthType::BasicAuth),
        ("demo", Some("demo-secret"), AuthType::RequestBody),
    ] {
        let site = Site::discover(&issuer, &certificate, (id, secret, auth_type))?;
        signs_in_and_out(&site)?;
    }
    Ok(())
}

/// A client of this kind is told to trust the server's own certificate, and no other.
fn http(certificate: &[u8]) -> Result<ClientBuilder> {
    // As the crate's documentation asks: following redirects would send secrets elsewhere.
    Ok(Http::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(30))
        .tls_built_in_root_certs(false)
        .add_root_certificate(Certificate::from_pem(certificate)?))
}

/// A client, what it knows of the server, and a person's browser.
struct Site {
    client: Client,
    metadata: ProviderMetadataWithLogout,
    http: Http,
    browser: Browser,
}

/// What comes back from the authorization endpoint, and what was sent along.
struct Authorized {
    target: Url,
    pressed: Vec<String>,
    verifier: PkceCodeVerifier,
    nonce: Nonce,
}

impl Site {
    fn discover(
        issuer: &str,
        certificate: &[u8],
        (id, secret, auth_type): (&str, Option<&str>, AuthType),
    ) -> Result<Self> {
        let http = http(certificate)?.build()?;
        let metadata =
            ProviderMetadataWithLogout::discover(&IssuerUrl::new(issuer.into())?, &http)?;
        let secret = secret.map(|secret| ClientSecret::new(secret.into()));
        let id = ClientId::new(id.into());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret)
            .set_auth_type(auth_type)
            .set_redirect_uri(RedirectUrl::new(CALLBACK.into())?);
        Ok(Self { client, metadata, http, browser: Browser::new(certificate)? })
    }

    fn step(&self, what: &str) {
        println!("openidconnect {}, {}: {what}", version(), self.client.client_id().as_str());
    }

    fn authorizes(&self, prompt: Option<CoreAuthPrompt>, consent: &str) -> Result<Authorized> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = self
            .client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(SCOPE.map(|scope| Scope::new(scope.into())))
            .set_pkce_challenge(challenge);
        let (url, state, nonce) =
            prompt.into_iter().fold(request, |request, prompt| request.add_prompt(prompt)).url();
        let visit = self.browser.visit(&url, consent)?;
        let (target, pressed) = (visit.target, visit.pressed);
        expect(target.as_str().starts_with(CALLBACK), "the browser comes to the redirect URI")?;
        expect(find(&target, "state").as_ref() == Some(state.secret()), "the state comes back")?;
        // RFC 9207 section 2.4
        let issuer = self.metadata.issuer().as_str();
        expect(find(&target, "iss").as_deref() == Some(issuer), "the issuer comes along")?;
        Ok(Authorized { target, pressed, verifier, nonce })
    }

    /// Redeems the code and checks the ID token.
    fn redeems(&self, authorized: Authorized) -> Result<(CoreTokenResponse, CoreIdTokenClaims)> {
        let code = find(&authorized.target, "code").ok_or("expected: a code")?;
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code))?
            .set_pkce_verifier(authorized.verifier)
            .request(&self.http)?;
        // Signature by the jwks, issuer, audience, times, nonce.
        let claims =
            id_token(&answer)?.claims(&self.client.id_token_verifier(), &authorized.nonce)?.clone();
        self.checks_hash(&answer, &claims)?;
        Ok((answer, claims))
    }

    /// OpenID Connect Core 3.1.3.8, which the crate leaves to its users.
    fn checks_hash(&self, answer: &CoreTokenResponse, claims: &CoreIdTokenClaims) -> Result<()> {
        let verifier = self.client.id_token_verifier();
        let token = id_token(answer)?;
        let (alg, key) = (token.signing_alg()?, token.signing_key(&verifier)?);
        let hash = AccessTokenHash::from_token(answer.access_token(), alg, key)?;
        expect(claims.access_token_hash() == Some(&hash), "the hash of the access token")
    }

    fn expect_dead(&self, token: &RefreshToken) -> Result<()> {
        match self.client.exchange_refresh_token(token)?.request(&self.http) {
            Err(RequestTokenError::ServerResponse(answer)) => {
                expect(*answer.error() == CoreErrorResponseType::InvalidGrant, "invalid_grant")
            }
            other => Err(format!("expected: invalid_grant, not {other:?}").into()),
        }
    }
}

fn signs_in_and_out(site: &Site) -> Result<()> {
    site.step("discovery");

    let denied = site.authorizes(Some(CoreAuthPrompt::Consent), "consent-deny")?;
    expect(denied.pressed == ["login-submit", "consent-deny"], "sign-in and consent")?;
    let error = find(&denied.target, "error");
    expect(error.as_deref() == Some("access_denied"), "access_denied")?;
    site.step("access_denied where the person does not allow it");

    let authorized = site.authorizes(Some(CoreAuthPrompt::Consent), "consent-allow")?;
    expect(authorized.pressed == ["consent-allow"], "consent alone in a session")?;
    let (first, claims) = site.redeems(authorized)?;
    expect(claims.auth_time().is_some(), "the time of the sign-in")?;
    site.step("code with PKCE through the pages, ID token checked by the jwks");

    // The crate compares the subjects.
    let subject = claims.subject().clone();
    let person: CoreUserInfoClaims =
        site.client.user_info(first.access_token().clone(), Some(subject))?.request(&site.http)?;
    let name = person.name().and_then(|name| name.get(None));
    expect(name.is_some_and(|name| name.as_str() == "Alice Liddell"), "the profile")?;
    expect(person.email().is_some_and(|at| at.as_str() == "alice@example.com"), "the address")?;
    site.step("userinfo with profile and email");

    let last = refreshes(site, &first, &claims)?;
    site.step("refreshes, with an ID token of the same sign-in");

    signs_out(site, &last)?;
    site.step("RP-initiated logout, which ends session and tokens");
    Ok(())
}

fn refreshes(
    site: &Site,
    first: &CoreTokenResponse,
    claims: &CoreIdTokenClaims,
) -> Result<CoreTokenResponse> {
    let mut last = first.clone();
    for _ in 0..3 {
        let used = refresh_token(&last)?;
        let next = site.client.exchange_refresh_token(used)?.request(&site.http)?;
        expect(refresh_token(&next)?.secret() != used.secret(), "another refresh token")?;
        let access = [&last, &next].map(|answer| answer.access_token().secret());
        expect(access[0] != access[1], "another access token")?;
        // OpenID Connect Core 12.2: no nonce, or the first one's.
        let no_matter = |_: Option<&Nonce>| Ok(());
        let again = id_token(&next)?.claims(&site.client.id_token_verifier(), no_matter)?;
        expect(again.subject() == claims.subject(), "the same subject")?;
        expect(again.audiences() == claims.audiences(), "the same audience")?;
        expect(again.auth_time() == claims.auth_time(), "the same time of the sign-in")?;
        site.checks_hash(&next, again)?;
        last = next;
    }
    Ok(last)
}

fn signs_out(site: &Site, tokens: &CoreTokenResponse) -> Result<()> {
    let endpoint = &site.metadata.additional_metadata().end_session_endpoint;
    let state = CsrfToken::new_random();
    let url = LogoutRequest::from(endpoint.clone().ok_or("expected: an end session endpoint")?)
        .set_id_token_hint(id_token(tokens)?)
        .set_client_id(site.client.client_id().clone())
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(HOME.into())?)
        .set_state(state.clone())
        .http_get_url();
    let visit = site.browser.visit(&url, "")?;
    expect(visit.pressed.is_empty(), "no question where the ID token is the session's")?;
    expect(visit.target.as_str().starts_with(HOME), "the browser comes to the start page")?;
    expect(find(&visit.target, "state").as_ref() == Some(state.secret()), "the state comes back")?;

    let silent = site.authorizes(Some(CoreAuthPrompt::None), "")?;
    let error = find(&silent.target, "error");
    expect(error.as_deref() == Some("login_required"), "login_required")?;
    site.expect_dead(refresh_token(tokens)?)
}

fn id_token(answer: &CoreTokenResponse) -> Result<&CoreIdToken> {
    Ok(answer.id_token().ok_or("expected: an ID token")?)
}

fn refresh_token(answer: &CoreTokenResponse) -> Result<&RefreshToken> {
    Ok(answer.refresh_token().ok_or("expected: a refresh token")?)
}

fn find(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// The crate's version, as the lock file has it.
fn version() -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    let found = lock.split_once("name = \"openidconnect\"\nversion = \"");
    found.and_then(|(_, rest)| rest.split('"').next()).unwrap_or("?")
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("expected: {what}").into()) }
}
