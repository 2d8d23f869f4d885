//! Redirection URIs: where the answer of the authorization endpoint goes (RFC 6749 §3.1.2).
//!
//! A URI is registered once, by strict rules, and then compared byte by byte: nothing is normalized,
//! decoded or completed. Only the port of a loopback IP literal may differ (RFC 8252 §7.3). Refuses at
//! registration whatever could send an answer elsewhere or run in the browser.

use std::fmt;

use url::Url;

/// The longest redirection URI, in bytes.
pub const MAX_LEN: usize = 2048;
/// The most of them that a client may have.
pub const MAX_COUNT: usize = 64;

/// Names that an answer has. A registered query must not have them, or a client that reads the first
/// of two would read the wrong one.
const ANSWERED: [&str; 11] = [
    "access_token",
    "code",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "id_token",
    "iss",
    "session_state",
    "state",
    "token_type",
];

/// Schemes that browsers run, read or make up (checked in any letter case: the parser folds it).
const DANGEROUS: [&str; 11] = [
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "vbscript",
    "view-source",
    "ws",
];

const LOOPBACK_LITERALS: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// A registered redirection URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RedirectUri(String);

/// The reason why a redirection URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Spaces, control characters, backslashes, non-ASCII: what parsers disagree about.
    #[error(
        "a redirection URI has visible ASCII characters only, no backslash, and at most 2048 of them"
    )]
    Characters,
    /// RFC 6749 §3.1.2: an absolute URI.
    #[error("a redirection URI is absolute: it begins with a scheme, such as https://")]
    Relative,
    /// RFC 6749 §3.1.2.
    #[error("a redirection URI has no fragment (RFC 6749 section 3.1.2)")]
    Fragment,
    /// `https://good@evil` looks like `good`.
    #[error("a redirection URI has no user name or password in it")]
    UserInfo,
    /// Browsers run it, or read it from somewhere else.
    #[error("this scheme is not safe to redirect to")]
    Scheme,
    /// RFC 9700 §2.6, RFC 8252 §7.3.
    #[error(
        "plain http is for loopback addresses only (http://127.0.0.1, http://[::1], http://localhost)"
    )]
    PlainHttp,
    /// RFC 8252 §7.1: the reversed domain name of its owner.
    #[error(
        "a private-use scheme is a reversed domain name, as in com.example.app (RFC 8252 section 7.1)"
    )]
    PrivateScheme,
    /// A parameter of its query is one that the answer has.
    #[error(
        "its query has a parameter that the answer to a request has too, such as code or state"
    )]
    Query,
    /// `https:///path`.
    #[error("a redirection URI names a host")]
    Host,
}

impl RedirectUri {
    /// Takes a URI for registration.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn register(text: &str) -> Result<Self, RedirectUriError> {
        use RedirectUriError as E;
        if text.len() > MAX_LEN || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(E::Characters);
        }
        let url = Url::parse(text).map_err(|_| E::Relative)?;
        if text.contains('#') {
            return Err(E::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(E::UserInfo);
        }
        if url.query_pairs().any(|(name, _)| ANSWERED.contains(&&*name)) {
            return Err(E::Query);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(E::PlainHttp),
            scheme if DANGEROUS.contains(&scheme) => return Err(E::Scheme),
            scheme if !scheme.contains('.') => return Err(E::PrivateScheme),
            _ => return Ok(Self(text.to_owned())),
        }
        // What a browser would have to mend is read differently by different ones.
        let has_host = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
        if has_host { Ok(Self(text.to_owned())) } else { Err(E::Host) }
    }

    /// Reads back what the store has.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::register(text).ok()
    }

    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request may have its answer sent to `presented`.
    pub fn matches(&self, presented: &str) -> bool {
        // RFC 9700 §2.1: exact string matching …
        self.0 == presented || self.is_same_but_for_the_port(presented)
    }

    /// … except for the port of a loopback IP literal (RFC 8252 §7.3).
    fn is_same_but_for_the_port(&self, presented: &str) -> bool {
        LOOPBACK_LITERALS.iter().any(|literal| {
            let own = self.0.strip_prefix(literal).and_then(after_port);
            own.is_some() && own == presented.strip_prefix(literal).and_then(after_port)
        })
    }

    /// Whether requests may have it with a port of their own (RFC 8252 §7.3).
    pub fn has_any_port(&self) -> bool {
        self.is_same_but_for_the_port(&self.0)
    }

    /// Whether nobody can know who listens there: any program may register a private-use scheme or
    /// listen on a loopback port (RFC 8252 §8.6).
    pub fn is_unproven(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() != "https")
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the destination of a URI in words for people: its host, or its scheme if it has none.
pub fn host_or_scheme(uri: &str) -> String {
    Url::parse(uri).map_or_else(
        |_| String::new(),
        |url| url.host_str().map_or_else(|| format!("{}:", url.scheme()), ToOwned::to_owned),
    )
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Returns the text after the port; `None` if anything else than a port follows the host.
fn after_port(rest: &str) -> Option<&str> {
    let Some(tail) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest);
    };
    let end = tail.find(['/', '?']).unwrap_or(tail.len());
    let (port, path) = tail.split_at_checked(end)?;
    let is_port = (1..=5).contains(&port.len())
        && port.bytes().all(|b| b.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_port.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::register(text).unwrap()
    }

    #[test]
    fn checklist_2_what_is_unsafe_to_redirect_to_is_not_registered() {
        use RedirectUriError as E;
        for (bad, why) in [
            ("https://a.example/cb#x", E::Fragment),
            ("https://a.example/cb#", E::Fragment),
            ("/cb", E::Relative),
            ("a.example/cb", E::Relative),
            ("https://user@a.example/cb", E::UserInfo),
            ("https://@a.example/cb", E::UserInfo),
            ("javascript:alert(1)", E::Scheme),
            ("JaVaScRiPt:alert(1)", E::Scheme),
            ("data:text/html,x", E::Scheme),
            ("vbscript:x", E::Scheme),
            ("file:///etc/passwd", E::Scheme),
            ("about:blank", E::Scheme),
            ("blob:https://a.example/x", E::Scheme),
            ("http://a.example/cb", E::PlainHttp),
            ("http://127.0.0.1.example/cb", E::PlainHttp),
            ("myapp:/cb", E::PrivateScheme),
            ("https:///cb", E::Host),
            ("https://a.example\\cb", E::Characters),
            ("https://a.example/c b", E::Characters),
            ("https://ä.example/", E::Characters),
            ("https://a.example/?code=1", E::Query),
            ("https://a.example/?st%61te=1", E::Query),
        ] {
            assert_eq!(RedirectUri::register(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn what_applications_have_is_registered() {
        for good in [
            "https://a.example/cb",
            "https://a.example",
            "https://a.example:8443/cb?tenant=1",
            "http://127.0.0.1/cb",
            "http://[::1]:8080/cb",
            "http://localhost:3000/cb",
            "com.example.app:/oauth2redirect",
            "com.example.app://cb",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
    }

    #[test]
    fn checklist_1_only_the_port_of_a_loopback_literal_may_vary() {
        let web = uri("https://a.example/cb");
        assert!(web.matches("https://a.example/cb"));
        for other in [
            "https://a.example/cb/",
            "https://a.example/CB",
            "https://A.example/cb",
            "https://a.example:443/cb",
            "https://a.example/cb?",
            "https://a.example/cb?x=1",
            "https://a.example/%63b",
            "http://a.example/cb",
            "https://a.example/x/../cb",
            "https://a.example.evil/cb",
            "https://a.example/cb#f",
            "",
        ] {
            assert!(!web.matches(other), "{other}");
        }
        assert!(!uri("http://localhost:3000/cb").matches("http://localhost:3001/cb"));
    }

    #[test]
    fn checklist_80_any_loopback_port_of_either_family_is_taken() {
        for (registered, host) in
            [("http://127.0.0.1/cb", "127.0.0.1"), ("http://[::1]:1/cb", "[::1]")]
        {
            let native = uri(registered);
            for port in ["", ":1", ":8080", ":65535"] {
                assert!(native.matches(&format!("http://{host}{port}/cb")), "{port}");
            }
            for bad in [":", ":0", ":65536", ":+80", ":8080x", ":80@evil", ":80:80", "0", ".evil"] {
                assert!(!native.matches(&format!("http://{host}{bad}/cb")), "{bad}");
            }
            assert!(!native.matches(&format!("http://{host}:80/other")));
        }
        assert!(!uri("http://127.0.0.1/cb").matches("http://127.0.0.2:1/cb"));
    }
}
