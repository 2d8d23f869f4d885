//! The addresses among the settings: the issuer, the listeners, and where the root leads.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use super::values::{Setting, digits, quoted};

/// `issuer`: an https URL, or http on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the prefix of this server's URLs. It is the issuer itself, but for one that is named after an
    /// endpoint.
    pub fn base(&self) -> &str {
        self.0.strip_suffix(self.endpoint()).unwrap_or(&self.0)
    }

    /// Returns the path in front of this server's own paths if [`Self::base`] has one; empty otherwise.
    pub fn path(&self) -> &str {
        path_of(self.base())
    }

    /// The whole path of the issuer; empty where it has none.
    pub fn own_path(&self) -> &str {
        path_of(&self.0)
    }

    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split_once(':').map_or(authority, |(host, _)| host),
        }
    }

    /// The port, that of the scheme where none is written.
    pub fn port(&self) -> u16 {
        let written = self.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        written.unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Whether the port is written, and need not be.
    pub fn has_default_port(&self) -> bool {
        self.authority().ends_with(if self.is_https() { ":443" } else { ":80" })
    }

    /// Whether browsers speak TLS to it.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Whether it names this machine alone: a loopback address, `localhost`, or a name below it (RFC 6761
    /// §6.3).
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.host())
    }

    fn authority(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }

    /// The endpoint that the issuer is named after, as those of WSO2 Identity Server are; empty for
    /// every other.
    pub fn endpoint(&self) -> &'static str {
        let path = self.own_path();
        NAMED_AFTER.into_iter().find(|endpoint| path.ends_with(endpoint)).unwrap_or("")
    }
}

/// The issuer of WSO2 Identity Server 5.1, and where later releases have their discovery document.
const NAMED_AFTER: [&str; 2] = ["/oauth2/token", "/oauth2/oidcdiscovery"];

/// Whether a host, without brackets, is this machine.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
}

impl Setting for Issuer {
    const EXPECTS: &'static str = "an https URL without query, fragment or trailing slash, for example \"https://id.example.com\"";

    fn read(text: &str) -> Option<Self> {
        let uri: hyper::Uri = text.parse().ok()?;
        let host = uri.host()?;
        let is_loopback = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        // RFC 8414 §2: an https URL without query or fragment.
        let is_scheme_good = match uri.scheme_str()? {
            "https" => true,
            "http" => is_loopback,
            _ => false,
        };
        // A zone (RFC 6874) means something on one machine alone, and a port of 0 nothing.
        let is_reachable = !host.contains('%') && uri.port_u16() != Some(0);
        let is_plain = uri.query().is_none()
            && is_reachable
            && !text.contains(['#', '@'])
            && !text.ends_with('/');
        (is_scheme_good && is_plain).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// `http.listen`: host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress(String);

impl ListenAddress {
    /// The socket addresses to listen on: both loopback addresses for `localhost`.
    ///
    /// # Errors
    /// When the host has no address.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let mut all: Vec<_> = match self.0.strip_prefix("localhost:") {
            Some(port) => {
                let port = port.parse().unwrap_or(0);
                vec![([127, 0, 0, 1], port).into(), (std::net::Ipv6Addr::LOCALHOST, port).into()]
            }
            None => self.0.to_socket_addrs()?.collect(),
        };
        all.dedup();
        Ok(all)
    }

    /// Whether nobody beyond this machine can connect.
    pub fn is_loopback(&self) -> bool {
        self.addresses().is_ok_and(|all| all.iter().all(|a| a.ip().is_loopback()))
    }

    /// Whether it is every address of this machine, or a public one.
    pub fn is_open_to_the_world(&self) -> bool {
        let is_open =
            |ip: IpAddr| ip.is_unspecified() || remint_protocol::public_address::is_public(ip);
        self.addresses().is_ok_and(|all| all.iter().any(|a| is_open(a.ip().to_canonical())))
    }

    /// The port, which is 0 where the system chooses one.
    pub fn port(&self) -> u16 {
        self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
    }

    /// Whether both cannot be listened on.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        if self.port() != other.port() || self.port() == 0 {
            return false;
        }
        let (Ok(ours), Ok(theirs)) = (self.addresses(), other.addresses()) else { return false };
        let ips = |all: &[SocketAddr]| all.iter().map(SocketAddr::ip).collect::<Vec<_>>();
        let (ours, theirs) = (ips(&ours), ips(&theirs));
        let any = |all: &[IpAddr]| all.iter().any(IpAddr::is_unspecified);
        any(&ours) || any(&theirs) || ours.iter().any(|ip| theirs.contains(ip))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same host with the port that the system chose where 0 was asked for.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        let host = self.0.rsplit_once(':').map_or(self.0.as_str(), |(host, _)| host);
        Self(format!("{host}:{port}"))
    }
}

impl Setting for ListenAddress {
    const EXPECTS: &'static str = "host and port, for example \"127.0.0.1:9443\" or \"[::]:9443\"";

    fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let is_host_good = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
        (is_host_good && digits::<u16>(port).is_some()).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `pages.home`: where the root leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeUrl(String);

impl HomeUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for HomeUrl {
    const EXPECTS: &'static str = "an https URL, for example \"https://www.example.com/\"";

    fn read(text: &str) -> Option<Self> {
        let uri = url::Url::parse(text).ok()?;
        let host = uri.host_str()?.trim_matches(['[', ']']);
        let is_good = match uri.scheme() {
            "https" => true,
            "http" => is_loopback_host(host),
            _ => false,
        };
        let has_no_user = uri.username().is_empty() && uri.password().is_none();
        // As a header has it: escaped, without what a browser would take for something else.
        (is_good && has_no_user).then(|| Self(uri.into()))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// `ops.listen`: host and port, or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpsListen {
    /// No operators' listener.
    Off,
    /// Here.
    On(ListenAddress),
}

impl Setting for OpsListen {
    const EXPECTS: &'static str = "host and port, for example \"127.0.0.1:9464\", or \"off\"";

    fn read(text: &str) -> Option<Self> {
        if text == "off" { Some(Self::Off) } else { ListenAddress::read(text).map(Self::On) }
    }

    fn show(&self) -> String {
        match self {
            Self::Off => quoted("off"),
            Self::On(address) => address.show(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_issuer_is_what_follows_its_host() {
        for (issuer, path) in [("https://a.example", ""), ("https://a.example:1/t/x", "/t/x")] {
            let read = Issuer::read(issuer).unwrap();
            assert_eq!((read.path(), read.own_path(), read.base()), (path, path, issuer));
        }
    }

    #[test]
    fn an_issuer_that_is_named_after_an_endpoint_is_not_what_urls_begin_with() {
        for (issuer, base, path) in [
            ("https://a.example:9443/oauth2/token", "https://a.example:9443", ""),
            ("https://a.example/id/oauth2/token", "https://a.example/id", "/id"),
            ("https://a.example/oauth2/oidcdiscovery", "https://a.example", ""),
        ] {
            let read = Issuer::read(issuer).unwrap();
            assert_eq!((read.base(), read.path()), (base, path));
            assert_eq!(format!("{base}{}", read.endpoint()), issuer);
        }
        for other in ["https://a.example/oauth2/tokens", "https://oauth2/token"] {
            let read = Issuer::read(other).unwrap();
            assert_eq!((read.base(), read.endpoint()), (other, ""));
        }
    }
}
