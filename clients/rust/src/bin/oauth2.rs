//! The `oauth2` crate: a password grant, refreshes, introspection and revocation.
//!
//! Usage: `oauth2 URL CERTIFICATE`

use std::error::Error;
use std::time::Duration;

use oauth2::basic::{
    BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType,
};
use oauth2::reqwest::Certificate;
use oauth2::reqwest::blocking::Client as Http;
use oauth2::reqwest::redirect::Policy;
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, IntrospectionUrl,
    RefreshToken, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, RevocationUrl,
    Scope, StandardRevocableToken, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The crate's client with the three endpoints that it is used with here.
type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(certificate)) = (arguments.next(), arguments.next()) else {
        return Err("usage: oauth2 URL CERTIFICATE".into());
    };
    let trusting = http(Some(Certificate::from_pem(&std::fs::read(certificate)?)?))?;
    // Without it the certificate must not pass, or nothing is checked at all.
    let mistrusting = http(None)?;
    for auth_type in [AuthType::BasicAuth, AuthType::RequestBody] {
        let client = client(&url, auth_type)?;
        let refused = password(&client, &mistrusting).err().map(|error| format!("{error:?}"));
        let is_untrusted = refused.is_some_and(|error| error.contains("UnknownIssuer"));
        expect(is_untrusted, "the self-signed certificate is refused where it is not trusted")?;
        refreshes(&client, &trusting)?;
        introspects_and_revokes(&client, &trusting)?;
    }
    Ok(())
}

fn http(trusted: Option<Certificate>) -> Result<Http> {
    // As the crate's documentation asks: following redirects would send secrets elsewhere.
    let builder = Http::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(30))
        .tls_built_in_root_certs(false);
    let builder = match trusted {
        Some(certificate) => builder.add_root_certificate(certificate),
        None => builder,
    };
    Ok(builder.build()?)
}

fn client(url: &str, auth_type: AuthType) -> Result<Client> {
    Ok(BasicClient::new(ClientId::new("demo".into()))
        .set_client_secret(ClientSecret::new("demo-secret".into()))
        .set_auth_type(auth_type)
        .set_token_uri(TokenUrl::new(format!("{url}/oauth2/token"))?)
        .set_introspection_url(IntrospectionUrl::new(format!("{url}/oauth2/introspect"))?)
        .set_revocation_url(RevocationUrl::new(format!("{url}/oauth2/revoke"))?))
}

fn password(client: &Client, http: &Http) -> Result<BasicTokenResponse> {
    let user = ResourceOwnerUsername::new("alice".into());
    let password = ResourceOwnerPassword::new("wonderland".into());
    let answer = client
        .exchange_password(&user, &password)
        .add_scopes(["read", "write"].map(|scope| Scope::new(scope.into())))
        .request(http)?;
    expect(*answer.token_type() == BasicTokenType::Bearer, "a bearer token")?;
    expect(scope_of(&answer) == ["read", "write"], "the scope that was asked for")?;
    Ok(answer)
}

fn refreshes(client: &Client, http: &Http) -> Result<()> {
    let first = refresh_token(&password(client, http)?)?;
    let mut last = first.clone();
    let mut access = Vec::new();
    for _ in 0..3 {
        let answer = client.exchange_refresh_token(&last).request(http)?;
        let next = refresh_token(&answer)?;
        expect(next.secret() != last.secret(), "another refresh token")?;
        expect(scope_of(&answer) == ["read", "write"], "the same scope")?;
        expect(!access.contains(answer.access_token().secret()), "another access token")?;
        access.push(answer.access_token().secret().clone());
        last = next;
    }
    let narrow =
        client.exchange_refresh_token(&last).add_scope(Scope::new("read".into())).request(http)?;
    expect(scope_of(&narrow) == ["read"], "the narrower scope that was asked for")?;
    expect_refused(client, http, &first)
}

fn introspects_and_revokes(client: &Client, http: &Http) -> Result<()> {
    let answer = password(client, http)?;
    let access = answer.access_token().clone();
    let refresh = refresh_token(&answer)?;
    let seen = client.introspect(&access).set_token_type_hint("access_token").request(http)?;
    expect(seen.active(), "an active access token")?;
    expect(seen.client_id().is_some_and(|id| id.as_str() == "demo"), "the client's id")?;
    expect(seen.token_type() == Some(&BasicTokenType::Bearer), "the type of the token")?;
    expect(is_active(client, http, refresh.secret())?, "an active refresh token")?;

    client.revoke_token(StandardRevocableToken::AccessToken(access.clone()))?.request(http)?;
    expect(!is_active(client, http, access.secret())?, "a revoked access token is inactive")?;
    expect(is_active(client, http, refresh.secret())?, "its refresh token is active still")?;

    client.revoke_token(StandardRevocableToken::RefreshToken(refresh.clone()))?.request(http)?;
    expect(!is_active(client, http, refresh.secret())?, "a revoked refresh token is inactive")?;
    expect_refused(client, http, &refresh)
}

/// The crate introspects what it calls access tokens; the server knows any token by itself.
fn is_active(client: &Client, http: &Http, token: &str) -> Result<bool> {
    Ok(client.introspect(&AccessToken::new(token.into())).request(http)?.active())
}

fn refresh_token(answer: &BasicTokenResponse) -> Result<RefreshToken> {
    Ok(answer.refresh_token().ok_or("expected: a refresh token")?.clone())
}

fn scope_of(answer: &BasicTokenResponse) -> Vec<&str> {
    answer.scopes().into_iter().flatten().map(|scope| scope.as_str()).collect()
}

fn expect_refused(client: &Client, http: &Http, token: &RefreshToken) -> Result<()> {
    match client.exchange_refresh_token(token).request(http) {
        Err(RequestTokenError::ServerResponse(answer)) => is_invalid_grant(&answer),
        other => Err(format!("expected: invalid_grant, not {other:?}").into()),
    }
}

fn is_invalid_grant(answer: &BasicErrorResponse) -> Result<()> {
    expect(*answer.error() == BasicErrorResponseType::InvalidGrant, "invalid_grant")
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("expected: {what}").into()) }
}
