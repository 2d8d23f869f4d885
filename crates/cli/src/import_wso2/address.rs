//! The few things about a URL that an import needs: scheme, host, port and path. Anything with a
//! user name, a placeholder that nobody resolved or another scheme is refused.

use std::net::{IpAddr, Ipv6Addr};

/// An `http` or `https` URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: &'static str,
    host: String,
    port: u16,
    path: String,
}

impl Address {
    /// Takes a URL without user name; `None` for anything else.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => ("https", 443),
            "http" => ("http", 80),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((host, port)) if !port.ends_with(']') => {
                let is_number = port.bytes().all(|b| b.is_ascii_digit());
                (host, port.parse().ok().filter(|port| *port > 0 && is_number)?)
            }
            _ => (authority, default_port),
        };
        is_host(host).then(|| Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// Scheme, host and port, the form of `issuer` (RFC 8414 §2).
    pub(super) fn origin(&self) -> String {
        match (self.scheme, self.port) {
            ("https", 443) | ("http", 80) => format!("{}://{}", self.scheme, self.host),
            (scheme, port) => format!("{scheme}://{}:{port}", self.host),
        }
    }

    /// Returns the listen address of a server that answers at this address. A name is no interface, and the
    /// one that it stands for may belong to a proxy: so all of them, except for this machine's own.
    pub(super) fn listen(&self) -> String {
        let host = match self.host.as_str() {
            own if self.is_loopback() => own,
            v6 if v6.starts_with('[') => "[::]",
            _ => "0.0.0.0",
        };
        format!("{host}:{}", self.port)
    }

    /// The same with TLS, unless nobody beyond this machine is meant.
    pub(super) fn secured(self) -> Self {
        if self.scheme == "https" || self.is_loopback() {
            return self;
        }
        let port = if self.port == 80 { 443 } else { self.port };
        Self { scheme: "https", port, ..self }
    }

    /// The path and what follows it, without slashes at its end.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether requests go there without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.scheme == "http"
    }

    fn is_loopback(&self) -> bool {
        let ip = self.host.trim_matches(['[', ']']).parse();
        self.host == "localhost" || ip.is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    match inner {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Option<(String, String, String)> {
        Address::parse(url).map(|a| (a.origin(), a.listen(), a.path().to_owned()))
    }

    #[test]
    fn an_address_gives_its_origin_where_to_listen_and_its_path() {
        let parts = |origin: &str, listen: &str, path: &str| {
            Some((origin.to_owned(), listen.to_owned(), path.to_owned()))
        };
        assert_eq!(
            parse("https://localhost:9443/oauth2/token/"),
            parts("https://localhost:9443", "localhost:9443", "/oauth2/token")
        );
        assert_eq!(
            parse("HTTPS://Id.Example.com/oauth2/token?tenantDomain=a"),
            parts("https://id.example.com", "0.0.0.0:443", "/oauth2/token?tenantDomain=a")
        );
        assert_eq!(parse("http://[2001:db8::1]:80"), parts("http://[2001:db8::1]", "[::]:80", ""));
        assert_eq!(parse("https://[::1]/"), parts("https://[::1]", "[::1]:443", ""));
        assert_eq!(parse("https://127.example:1"), parts("https://127.example:1", "0.0.0.0:1", ""));
        assert_eq!(
            parse("https://127.0.0.2:8243"),
            parts("https://127.0.0.2:8243", "127.0.0.2:8243", "")
        );
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let secured = |url| Address::parse(url).map(|a| a.secured().origin());
        let is = |url: &str| Some(url.to_owned());
        assert_eq!(secured("http://localhost:9763"), is("http://localhost:9763"));
        assert_eq!(secured("http://[::1]"), is("http://[::1]"));
        assert_eq!(secured("http://id.example:9763"), is("https://id.example:9763"));
        assert_eq!(secured("http://id.example"), is("https://id.example"));
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for url in [
            "",
            "/oauth2/token",
            "https://",
            "https:///x",
            "https://:9443",
            "https://a:0",
            "https://a:65536",
            "https://a:",
            "https://user:pw@a/",
            "https://${carbon.host}:9443/oauth2/token",
            "ftp://a",
            "https://[::g]",
            "https://a\"b",
            "https://ä.example",
        ] {
            assert_eq!(Address::parse(url), None, "{url}");
        }
    }
}
