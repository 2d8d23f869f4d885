//! The host that a request names (RFC 9112 §3.2, RFC 9110 §7.2), checked before anything else looks at it.
//!
//! Refuses what a proxy in front and this server could understand differently: HTTP/1.1 without `Host`, two of
//! them, and a value that is no host and port. Nothing here depends on the host: URLs are made from the issuer.

use std::net::Ipv6Addr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header};
use axum::response::Response;

use crate::http::field;

/// The reason a request is refused unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No host, several, or an invalid one.
    Host,
    /// The body's length is given in two ways (RFC 9112 §6.1).
    Length,
}

impl Refused {
    /// The cause in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Host => "host_malformed",
            Self::Length => "length_ambiguous",
        }
    }
}

/// Checks that a request names one host, as it must, and gives its length in only one way.
pub(crate) fn check(version: Version, target: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_good = match (hosts.next(), hosts.next()) {
        // HTTP/1.0 had no such field; absolute-form asks for it all the same (RFC 9112 §3.2.2).
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => is_host(field::strip(host.as_bytes())),
        (Some(_), Some(_)) => false,
    };
    if !is_good || !is_target_good(target) {
        return Err(Refused::Host);
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return Err(Refused::Length);
    }
    Ok(())
}

/// RFC 9112 §3.2.2: if the target is a whole URL, its host counts, and `Host` is ignored.
fn is_target_good(target: &Uri) -> bool {
    let Some(authority) = target.authority() else { return true };
    let is_scheme_good =
        target.scheme_str().is_none_or(|scheme| matches!(scheme, "http" | "https"));
    is_scheme_good && is_host(authority.as_str().as_bytes())
}

/// RFC 9110 §7.2: `uri-host [ ":" port ]`; §4.2.1 and §4.2.4 refuse an empty host and user information.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (is_host_good, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((literal, port)) = rest.split_once(']') else { return false };
        (literal.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_reg_name(name), port)
    };
    let is_port_good = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_host_good && is_port_good
}

/// RFC 3986 §3.2.2: `*( unreserved / pct-encoded / sub-delims )`, and at least one of them.
fn is_reg_name(name: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
    let is_escape = |after: &str| {
        after.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    !name.is_empty() && name.bytes().all(is_legal) && name.split('%').skip(1).all(is_escape)
}

/// The response to such a request. It ends the connection: the start of the next request is uncertain.
pub(crate) fn refuse(refused: Refused) -> Response {
    let text = match refused {
        Refused::Host => {
            "The request needs exactly one Host header with a host name (RFC 9112 section 3.2).\n"
        }
        Refused::Length => {
            "The request has both Content-Length and Transfer-Encoding (RFC 9112 section 6.1).\n"
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONNECTION, "close"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, target: &str, hosts: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_bytes(host).unwrap());
        }
        check(version, &target.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in [
            "localhost",
            "localhost:9443",
            "id.example.com.",
            "my_app",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:9443",
            "a:",
            "a%20b",
            "0",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a/b", "a?b", "a#b", "user@a", "u:p@a", "a:80:81", "a:+80", "a:8o",
            "a,b c", "[::1", "::1", "[]", "[a]", "[::1]x", "[::1]:x", "a%2", "a%zz", "a\"", "a\\b",
            "ä", "a\u{a0}", "<a>", "a\t",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad:?}");
        }
        assert!(!is_host(b"\xff"));
    }

    #[test]
    fn http_1_1_needs_one_host_and_no_request_has_two() {
        use Version as V;
        assert!(checked(V::HTTP_11, "/", &[b"a"]));
        assert!(checked(V::HTTP_11, "/", &[b" a\t"]));
        assert!(!checked(V::HTTP_11, "/", &[]));
        assert!(!checked(V::HTTP_11, "/", &[b""]));
        assert!(!checked(V::HTTP_11, "/", &[b"a", b"a"]));
        assert!(checked(V::HTTP_10, "/", &[]));
        assert!(checked(V::HTTP_10, "/", &[b"a"]));
        assert!(!checked(V::HTTP_10, "/", &[b"a", b"b"]));
        assert!(!checked(V::HTTP_10, "/", &[b"a b"]));
    }

    #[test]
    fn the_host_of_a_whole_url_is_checked_as_well() {
        let one: &[&[u8]] = &[b"a"];
        assert!(checked(Version::HTTP_11, "http://a/x", one));
        assert!(checked(Version::HTTP_11, "https://other:1/x", one), "Host is not looked at");
        assert!(!checked(Version::HTTP_11, "http://user@a/x", one));
        assert!(!checked(Version::HTTP_11, "ftp://a/x", one));
        assert!(!checked(Version::HTTP_11, "http://a/x", &[]), "it must be there all the same");
    }
}
