//! The rules for the registration of a client: what none may have, the defaults, and its secret
//! (RFC 6749 §2, RFC 7591 §2).

use std::time::Duration;

use crate::client::{Client, GrantType, RefreshTokens};
use crate::pkce::Pkce;
use crate::policy::{Policy, PolicyError};
use crate::redirect_uri;
use crate::relying_party::{self, RelyingPartyError};
use crate::secret::StoredSecret;
use crate::time::Timestamp;

/// Checks what no registration may have, by itself and with the policy of the server.
///
/// # Errors
/// Says which rule the registration breaks.
pub fn check(client: &Client, server: &Policy) -> Result<(), RegistrationError> {
    check_members(client)?;
    client.policy(server).check()?;
    Ok(())
}

fn check_members(client: &Client) -> Result<(), RegistrationError> {
    if client.auth_methods.is_empty() {
        return Err(RegistrationError::NoAuthMethod);
    }
    if client.scope.as_str().len() + client.resources.as_str().len() > Client::MAX_EXTENT {
        return Err(RegistrationError::TooLong);
    }
    if client.may_use(GrantType::AuthorizationCode) && client.authorize.redirect_uris.is_empty() {
        return Err(RegistrationError::NoRedirectUri);
    }
    if client.authorize.redirect_uris.len() > redirect_uri::MAX_COUNT {
        return Err(RegistrationError::TooManyRedirectUris);
    }
    if client.authorize.response_types.is_empty() {
        return Err(RegistrationError::NoResponseType);
    }
    relying_party::check(client)?;
    if !client.is_public() {
        return Ok(());
    }
    if client.authorize.pkce == Pkce::OrNonce {
        return Err(RegistrationError::PublicWithoutPkce);
    }
    if client.auth_methods.len() > 1 {
        return Err(RegistrationError::PublicAndConfidential);
    }
    if client.may_use(GrantType::ClientCredentials) {
        return Err(RegistrationError::PublicClientCredentials);
    }
    if client.overrides.renew_refresh_token == Some(false) {
        return Err(RegistrationError::PublicWithoutRenewal);
    }
    if !client.serves.is_empty() {
        return Err(RegistrationError::PublicResourceServer);
    }
    if client.secret.is_some() || client.previous_secret.is_some() {
        return Err(RegistrationError::PublicWithSecret);
    }
    Ok(())
}

/// The grants of a client that named none: those that its responses at the authorization endpoint lead to.
pub fn default_grants(client: &Client) -> Vec<GrantType> {
    let has_codes = client.authorize.response_types.iter().any(|kind| kind.code);
    if !has_codes || !has_flow(client) {
        return Vec::new();
    }
    match client.authorize.refresh_tokens {
        RefreshTokens::Never => vec![GrantType::AuthorizationCode],
        RefreshTokens::Always | RefreshTokens::OfflineAccess => {
            vec![GrantType::AuthorizationCode, GrantType::RefreshToken]
        }
    }
}

/// Whether the authorization endpoint can answer the client.
fn has_flow(client: &Client) -> bool {
    !client.authorize.redirect_uris.is_empty()
}

/// Whether the client can do anything: get tokens, or introspect those of others.
pub fn is_of_use(client: &Client) -> bool {
    !client.grants.is_empty() || !client.serves.is_empty() || has_flow(client)
}

/// The consequence of a changed registration for the client's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretChange {
    /// Nothing changes.
    Kept,
    /// The client became public, and lost the secret that it had.
    Removed,
    /// The client became confidential, and needs its first secret.
    Needed,
    /// A confidential client has no secret to authenticate with.
    Missing,
}

/// Fits the secret to the authentication methods of a client that `was_public` before the change.
pub fn fit_secret(client: &mut Client, was_public: bool) -> SecretChange {
    if client.is_public() {
        client.previous_secret = None;
        return match client.secret.take() {
            Some(_) => SecretChange::Removed,
            None => SecretChange::Kept,
        };
    }
    match (was_public, &client.secret) {
        (true, _) => SecretChange::Needed,
        (false, None) => SecretChange::Missing,
        (false, Some(_)) => SecretChange::Kept,
    }
}

/// Gives a confidential client another secret. The one before still works for as long as `keep`.
///
/// # Errors
/// [`RegistrationError::PublicWithSecret`]: with a secret the client would be confidential, and the
/// application, which sends none, locked out.
pub fn rotate_secret(
    client: &mut Client,
    secret: StoredSecret,
    keep: Duration,
    now: Timestamp,
) -> Result<(), RegistrationError> {
    if client.is_public() {
        return Err(RegistrationError::PublicWithSecret);
    }
    let before = client.secret.replace(secret);
    client.previous_secret = before.filter(|_| !keep.is_zero()).map(|old| (old, now.after(keep)));
    Ok(())
}

/// The time of a change to a client that was read as of `seen_at`. That time guards the change, so each change
/// has another one, whatever the clock says.
pub fn changed_at(seen_at: Timestamp, now: Timestamp) -> Timestamp {
    now.max(seen_at.after(Duration::from_millis(1)))
}

/// The reason for which a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// `none` beside another method would let anyone skip the proof.
    #[error(
        "`none` can not stand beside other authentication methods: a client is public or it is not"
    )]
    PublicAndConfidential,
    /// Scope and resources travel in access tokens, whose size is bounded.
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
    /// Without a challenge nothing would protect the code: a public client has no secret.
    #[error("a public client needs PKCE (RFC 9700 section 2.1.1): pkce can not be or_nonce")]
    PublicWithoutPkce,
    /// A secret that is never asked for makes a client look confidential.
    #[error("a public client has no secret: remove the secret, or name a method that proves it")]
    PublicWithSecret,
    /// A public client has no secret to introspect or serve with.
    #[error("a public client can not be a resource server: it can not prove who it is")]
    PublicResourceServer,
    /// A member of the relying party.
    #[error(transparent)]
    RelyingParty(#[from] RelyingPartyError),
    /// The authorization endpoint has nothing to answer with.
    #[error("a client with redirection URIs needs at least one response type, such as code")]
    NoResponseType,
    /// Its own settings make no sense with those of the server.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::AuthMethod;
    use crate::client::tests::client;
    use crate::resource::Resources;
    use crate::response::ResponseType;
    use crate::secret::SecretHash;

    const fn secret(byte: u8) -> StoredSecret {
        StoredSecret { kid: 1, hash: SecretHash([byte; 32]) }
    }

    #[test]
    fn a_registration_too_long_for_an_access_token_is_refused() {
        let mut demo = client("demo");
        let uris: Vec<String> =
            (0..10).map(|i| format!("https://{i}.{}", "x".repeat(1000))).collect();
        demo.resources = Resources::parse(uris.iter().map(String::as_str)).unwrap();
        assert_eq!(check(&demo, &Policy::default()), Err(RegistrationError::TooLong));
    }

    #[test]
    fn a_public_client_keeps_renewal_on_and_has_no_client_credentials() {
        let refused = |client: &Client| check(client, &Policy::default());
        let mut public = client("spa");
        public.auth_methods = vec![AuthMethod::None];
        assert_eq!(refused(&public), Err(RegistrationError::PublicClientCredentials));
        public.grants = vec![GrantType::Password, GrantType::RefreshToken];
        assert_eq!(refused(&public), Ok(()));
        public.overrides.renew_refresh_token = Some(false);
        assert_eq!(refused(&public), Err(RegistrationError::PublicWithoutRenewal));
        public.auth_methods.push(AuthMethod::ClientSecretPost);
        assert_eq!(refused(&public), Err(RegistrationError::PublicAndConfidential));
    }

    #[test]
    fn a_clients_own_settings_must_make_sense_with_those_of_the_server() {
        let mut shop = client("shop");
        assert_eq!(check(&shop, &Policy::default()), Ok(()));
        shop.overrides.refresh_token_lifetime = Some(Duration::from_hours(24 * 366));
        let refused = check(&shop, &Policy::default()).unwrap_err().to_string();
        assert!(refused.starts_with("refresh_token_max_lifetime: "), "{refused}");
    }

    #[test]
    fn a_client_that_names_no_grant_gets_those_of_its_flow() {
        use GrantType::{AuthorizationCode, RefreshToken};
        let mut app = client("app");
        assert_eq!(default_grants(&app), [AuthorizationCode, RefreshToken]);
        app.authorize.refresh_tokens = RefreshTokens::OfflineAccess;
        assert_eq!(default_grants(&app), [AuthorizationCode, RefreshToken]);
        app.authorize.refresh_tokens = RefreshTokens::Never;
        assert_eq!(default_grants(&app), [AuthorizationCode]);
        app.authorize.response_types = vec![ResponseType::parse("token").unwrap()];
        assert_eq!(default_grants(&app), []);
        app.authorize.response_types = vec![ResponseType::CODE];
        app.authorize.redirect_uris.clear();
        assert_eq!(default_grants(&app), []);
    }

    #[test]
    fn a_client_is_of_use_with_a_grant_a_flow_or_a_resource_that_it_serves() {
        let mut idle = client("idle");
        idle.grants.clear();
        assert!(is_of_use(&idle), "it has a redirection URI");
        idle.authorize.redirect_uris.clear();
        assert!(!is_of_use(&idle));
        idle.serves = Resources::parse(["https://api.example"]).unwrap();
        assert!(is_of_use(&idle));
    }

    #[test]
    fn a_secret_follows_from_whether_the_client_is_public() {
        let mut app = client("app");
        assert_eq!(fit_secret(&mut app, false), SecretChange::Missing);
        assert_eq!(fit_secret(&mut app, true), SecretChange::Needed);
        app.secret = Some(secret(1));
        assert_eq!(fit_secret(&mut app, false), SecretChange::Kept);
        app.previous_secret = Some((secret(2), Timestamp::from_millis(9)));
        app.auth_methods = vec![AuthMethod::None];
        assert_eq!(fit_secret(&mut app, false), SecretChange::Removed);
        assert_eq!((app.secret, app.previous_secret), (None, None));
        assert_eq!(fit_secret(&mut app, true), SecretChange::Kept);
    }

    #[test]
    fn the_secret_before_works_on_for_as_long_as_is_said_and_a_public_client_gets_none() {
        let mut app = client("app");
        let (minute, now) = (Duration::from_mins(1), Timestamp::from_millis(5));
        assert_eq!(rotate_secret(&mut app, secret(1), minute, now), Ok(()));
        assert_eq!((app.secret, app.previous_secret), (Some(secret(1)), None));
        assert_eq!(rotate_secret(&mut app, secret(2), minute, now), Ok(()));
        assert_eq!(app.secret, Some(secret(2)));
        assert_eq!(app.previous_secret, Some((secret(1), now.after(minute))));
        assert_eq!(rotate_secret(&mut app, secret(3), Duration::ZERO, now), Ok(()));
        assert_eq!((app.secret, app.previous_secret), (Some(secret(3)), None));
        app.auth_methods = vec![AuthMethod::None];
        let refused = Err(RegistrationError::PublicWithSecret);
        assert_eq!(rotate_secret(&mut app, secret(4), minute, now), refused);
        assert_eq!(app.secret, Some(secret(3)));
    }

    #[test]
    fn no_two_changes_have_the_same_time() {
        let at = Timestamp::from_millis;
        assert_eq!(changed_at(at(5), at(9)), at(9));
        assert_eq!(changed_at(at(5), at(5)), at(6));
        assert_eq!(changed_at(at(5), at(2)), at(6), "by a clock that was set back");
    }
}
