//! Logout requests of applications (OpenID Connect RP-Initiated Logout 1.0 §2).
//!
//! Refuses a hint that was not issued to the client that is named, and to send the browser anywhere that no
//! client, or a disabled one, has registered.

use crate::client::Client;
use crate::form::Form;
use crate::id_token::IdToken;
use crate::reject::{Reject, Why};

/// The parameter that says where the browser goes afterwards.
pub const REDIRECT_URI: &str = "post_logout_redirect_uri";

/// The `id_token_hint` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// There is none.
    Absent,
    /// It cannot be verified: it may be older than the keys that are left.
    Unverified,
    /// It was issued by this server.
    Verified(&'a IdToken),
}

/// Finds the client that a request comes from, which is the one that it names, or that its hint was issued to.
///
/// # Errors
/// `invalid_request` where the two disagree, and where an unverified hint is all that could say whose redirection
/// URI it is.
pub fn client_id<'a>(form: &'a Form<'_>, hint: Hint<'a>) -> Result<Option<&'a str>, Reject> {
    match (form.find("client_id"), hint) {
        (Some(id), Hint::Verified(hint)) if !hint.aud.contains(id) => {
            Err(Why::IdTokenHintInvalid.into())
        }
        (Some(id), _) => Ok(Some(id)),
        (None, Hint::Verified(hint)) => Ok(hint.aud.one()),
        (None, Hint::Unverified) if form.find(REDIRECT_URI).is_some() => {
            Err(Why::IdTokenHintInvalid.into())
        }
        (None, Hint::Unverified | Hint::Absent) => Ok(None),
    }
}

/// Finds where the browser goes afterwards, if the request says so.
///
/// # Errors
/// `invalid_request` unless an enabled client has it registered, compared as a redirection URI is: byte by byte,
/// but for the port of a loopback literal.
pub fn destination<'a>(
    form: &'a Form<'_>,
    client: Option<&Client>,
) -> Result<Option<&'a str>, Reject> {
    let Some(uri) = form.find(REDIRECT_URI) else { return Ok(None) };
    let client = client.filter(|client| client.enabled);
    let registered = client.map_or(&[][..], |c| &c.relying_party.post_logout_redirect_uris);
    if registered.iter().any(|registered| registered.matches(uri)) {
        Ok(Some(uri))
    } else {
        Err(Why::PostLogoutRedirectUriUnknown.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::tests::client;
    use crate::id_token::{HashedWith, Identity, SubjectId};
    use crate::redirect_uri::RedirectUri;
    use crate::signing_key::SigningAlg;
    use crate::time::Timestamp;

    const GOODBYE: &str = "https://app.example/goodbye";

    fn hint_of(client_id: &str) -> IdToken {
        let sub = SubjectId::parse("usr_1").unwrap();
        let identity = Identity::new("https://id.example", sub, client_id);
        let (with, now) = (HashedWith::default(), Timestamp::default());
        identity.issue(SigningAlg::Rs256, &with, now, Duration::from_mins(1))
    }

    fn found(request: &str, hint: Hint<'_>) -> Result<Option<String>, Why> {
        let form = Form::parse(request.as_bytes()).unwrap();
        client_id(&form, hint).map(|id| id.map(str::to_owned)).map_err(|reject| reject.why)
    }

    #[test]
    fn the_client_is_the_one_that_is_named_or_that_the_hint_was_issued_to() {
        let hint = hint_of("shop");
        let shop = Ok(Some("shop".to_owned()));
        assert_eq!(found("client_id=shop", Hint::Absent), shop);
        assert_eq!(found("client_id=shop", Hint::Unverified), shop);
        assert_eq!(found("client_id=shop", Hint::Verified(&hint)), shop);
        assert_eq!(found("", Hint::Verified(&hint)), shop);
        assert_eq!(found("", Hint::Absent), Ok(None));
        assert_eq!(found("", Hint::Unverified), Ok(None));
    }

    #[test]
    fn a_hint_of_another_client_is_refused() {
        let hint = hint_of("shop");
        let refused = Err(Why::IdTokenHintInvalid);
        assert_eq!(found("client_id=other", Hint::Verified(&hint)), refused);
    }

    #[test]
    fn a_hint_that_proves_no_client_leads_nowhere() {
        let request = "post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fgoodbye";
        assert_eq!(found(request, Hint::Unverified), Err(Why::IdTokenHintInvalid));
        assert_eq!(found(request, Hint::Absent), Ok(None), "refused for its URI, see below");
    }

    #[test]
    fn the_browser_goes_only_where_an_enabled_client_has_registered() {
        let mut shop = client("shop");
        shop.relying_party.post_logout_redirect_uris =
            vec![RedirectUri::register(GOODBYE).unwrap()];
        let request = "post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fgoodbye";
        let form = Form::parse(request.as_bytes()).unwrap();
        let refused = Err(Why::PostLogoutRedirectUriUnknown.into());
        assert_eq!(destination(&form, Some(&shop)), Ok(Some(GOODBYE)));
        assert_eq!(destination(&form, None), refused);
        assert_eq!(destination(&form, Some(&client("other"))), refused);
        let disabled = Client { enabled: false, ..shop.clone() };
        assert_eq!(destination(&form, Some(&disabled)), refused);
        let elsewhere = format!("{request}2");
        let elsewhere = Form::parse(elsewhere.as_bytes()).unwrap();
        assert_eq!(destination(&elsewhere, Some(&shop)), refused);
        assert_eq!(destination(&Form::default(), None), Ok(None));
    }
}
