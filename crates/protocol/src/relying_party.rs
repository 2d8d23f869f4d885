//! The registration of a client as a relying party (OpenID Connect Dynamic Client Registration §2,
//! Back-Channel Logout §2.2, Front-Channel Logout §2).
//!
//! Refuses URLs that this server or a browser would follow to somewhere else than they seem to lead,
//! origins that no `Origin` header could equal, and algorithms that nothing here signs with.

use url::Url;

use crate::client::{Client, RelyingParty};
use crate::redirect_uri::{self, RedirectUri, is_loopback};
use crate::signing_key::SigningAlg;

/// The reason why a value cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelyingPartyError {
    /// None of [`SigningAlg::ALL`].
    #[error("id_token_signed_response_alg is not known: write one of RS256, ES256, PS256, EdDSA")]
    Alg,
    /// Something else than the name of a host (OpenID Connect Core §8.1).
    #[error(
        "a pairwise sector is the name of a host in small letters: write for example app.example"
    )]
    Sector,
    /// A URL that is not one to follow.
    #[error(
        "{0} is a URL that begins with https://, or with http:// on a loopback address, without user name, \
         password and fragment"
    )]
    Url(&'static str),
    /// Front-Channel Logout §2: scheme, host and port are those of a redirection URI.
    #[error(
        "frontchannel_logout_uri has the scheme, the host and the port of one of the client's redirection URIs"
    )]
    ForeignFrontchannel,
    /// An `Origin` header never has a path, capital letters, or the default port.
    #[error(
        "a web origin is what browsers send as Origin: write for example https://app.example or \
         http://localhost:3000, without a path"
    )]
    Origin,
    /// More than is ever looked through for one request.
    #[error("a client has at most 64 of post_logout_redirect_uris and of web_origins")]
    TooMany,
}

/// Checks what no registration may have.
pub(crate) fn check(client: &Client) -> Result<(), RelyingPartyError> {
    use RelyingPartyError as E;
    let party = &client.relying_party;
    let counts = [party.post_logout_redirect_uris.len(), party.web_origins.len()];
    if counts.iter().any(|count| *count > redirect_uri::MAX_COUNT) {
        return Err(E::TooMany);
    }
    if party.id_token_alg.as_deref().is_some_and(|alg| SigningAlg::parse(alg).is_none()) {
        return Err(E::Alg);
    }
    if party.pairwise_sector.as_deref().is_some_and(|sector| !is_host(sector)) {
        return Err(E::Sector);
    }
    if !party.web_origins.iter().all(|origin| is_origin(origin)) {
        return Err(E::Origin);
    }
    if let Some((name, _)) = urls(party).into_iter().find(|(_, url)| !url.is_none_or(is_web)) {
        return Err(E::Url(name));
    }
    let registered = &client.authorize.redirect_uris;
    let is_own = |uri: &str| registered.iter().any(|own| is_same_origin(own.as_str(), uri));
    if party.frontchannel_logout_uri.as_deref().is_some_and(|uri| !is_own(uri)) {
        return Err(E::ForeignFrontchannel);
    }
    Ok(())
}

fn urls(party: &RelyingParty) -> [(&'static str, Option<&str>); 5] {
    [
        ("backchannel_logout_uri", party.backchannel_logout_uri.as_deref()),
        ("frontchannel_logout_uri", party.frontchannel_logout_uri.as_deref()),
        ("client_uri", party.links.home.as_deref()),
        ("policy_uri", party.links.policy.as_deref()),
        ("tos_uri", party.links.terms.as_deref()),
    ]
}

/// By the rules for redirection URIs, but with a scheme of the web.
fn is_web(text: &str) -> bool {
    let is_web = |url: &Url| matches!(url.scheme(), "https" | "http");
    RedirectUri::register(text).is_ok() && Url::parse(text).is_ok_and(|url| is_web(&url))
}

fn is_same_origin(one: &str, other: &str) -> bool {
    let origin = |text| Url::parse(text).ok().map(|url| url.origin());
    let one = origin(one).filter(url::Origin::is_tuple);
    one.is_some() && one == origin(other)
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        // URLs may have a star in the host, but no browser is there.
        is_safe && !text.contains('*') && url.origin().ascii_serialization() == text
    })
}

fn is_host(text: &str) -> bool {
    let url = Url::parse(&format!("https://{text}/"));
    let is_host = |url: Url| url.host_str() == Some(text) && url.domain().is_some();
    !text.contains('*') && url.is_ok_and(is_host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Links;
    use crate::client::tests::client;
    use crate::policy::Policy;
    use crate::registration::{self, RegistrationError};

    fn why(party: RelyingParty) -> Option<RelyingPartyError> {
        let client = Client { relying_party: party, ..client("shop") };
        match registration::check(&client, &Policy::default()) {
            Ok(()) => None,
            Err(RegistrationError::RelyingParty(why)) => Some(why),
            Err(other) => panic!("{other}"),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the fields have it")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn algorithms_and_sectors_are_known_ones() {
        let alg = |alg| why(RelyingParty { id_token_alg: text(alg), ..RelyingParty::default() });
        for bad in ["none", "HS256", "rs256", ""] {
            assert_eq!(alg(bad), Some(RelyingPartyError::Alg), "{bad}");
        }
        assert_eq!(SigningAlg::ALL.map(|known| alg(known.as_str())), [None; 4]);
        let sector =
            |host| why(RelyingParty { pairwise_sector: text(host), ..RelyingParty::default() });
        for bad in
            ["", "https://a.example", "a.example/x", "a.example:1", "A.example", "u@a", "a b"]
        {
            assert_eq!(sector(bad), Some(RelyingPartyError::Sector), "{bad}");
        }
        assert_eq!(sector("app.example"), None);
    }

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        let origins = |all: &[&str]| {
            let web_origins = all.iter().map(ToString::to_string).collect();
            why(RelyingParty { web_origins, ..RelyingParty::default() })
        };
        for bad in [
            "*",
            "null",
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "https://u@a.example",
            "https://*.a.example",
            "http://a.example",
            "app.example",
            "com.example.app://x",
            "file://",
            "",
        ] {
            assert_eq!(origins(&[bad]), Some(RelyingPartyError::Origin), "{bad}");
        }
        let good = ["https://a.example", "https://a.example:8443", "http://localhost:3000"];
        assert_eq!(origins(&good), None);
        assert_eq!(origins(&["https://a.example"; 65]), Some(RelyingPartyError::TooMany));
    }

    #[test]
    fn what_is_followed_is_https_or_loopback() {
        for bad in [
            "http://a.example/x",
            "https://a.example/x#y",
            "https://u:p@a.example/x",
            "javascript:alert(1)",
            "com.example.app:/x",
            "/x",
            "",
        ] {
            let party = RelyingParty::default;
            let links = [
                Links { home: text(bad), ..Links::default() },
                Links { policy: text(bad), ..Links::default() },
                Links { terms: text(bad), ..Links::default() },
            ];
            let mut all = links.map(|links| RelyingParty { links, ..party() }).to_vec();
            all.push(RelyingParty { backchannel_logout_uri: text(bad), ..party() });
            all.push(RelyingParty { frontchannel_logout_uri: text(bad), ..party() });
            for party in all {
                let refused = why(party);
                assert!(matches!(refused, Some(RelyingPartyError::Url(_))), "{bad}: {refused:?}");
            }
        }
        let backchannel_logout_uri = text("http://127.0.0.1:8080/logout?x=1");
        assert_eq!(why(RelyingParty { backchannel_logout_uri, ..RelyingParty::default() }), None);
    }

    #[test]
    fn what_the_browser_loads_at_logout_is_on_an_origin_of_the_client() {
        let front = |uri| {
            why(RelyingParty { frontchannel_logout_uri: text(uri), ..RelyingParty::default() })
        };
        assert_eq!(front("https://app.example/logout?x=1"), None);
        for foreign in ["https://other.example/", "https://app.example:8443/", "http://localhost/"]
        {
            assert_eq!(front(foreign), Some(RelyingPartyError::ForeignFrontchannel), "{foreign}");
        }
    }
}
