//! The network in front of this server: the proxies that are believed, and whether one of them ends TLS.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::values::{Setting, quoted};

/// `http.trusted_proxies`: addresses and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether an address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether none is written.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first that is wider than anybody's own network.
    pub(super) fn too_wide(&self) -> Option<&IpNet> {
        // 10.0.0.0/8 and fc00::/7 are the widest that are not public.
        self.0.iter().find(|network| match network {
            IpNet::V4(network) => network.prefix_len() < 8,
            IpNet::V6(network) => network.prefix_len() < 7,
        })
    }
}

/// IPv4 addresses in IPv6 form (RFC 4291 §2.5.5.2) as what they are.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 =
        mapped.and_then(|(address, prefix): (Ipv4Addr, u8)| Ipv4Net::new(address, prefix).ok());
    v4.map_or(network, IpNet::V4)
}

fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().ok()?,
    };
    let network = canonical(network);
    // 10.0.0.5/8 may mean the one address or all sixteen million.
    (network == network.trunc()).then_some(network)
}

impl Setting for Networks {
    const EXPECTS: &'static str = "IP addresses, or networks whose address ends with the prefix, for example [\"127.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\"]";

    fn read(text: &str) -> Option<Self> {
        let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
        parts.map(network).collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        let shown = |network: &IpNet| {
            if network.prefix_len() == network.max_prefix_len() {
                quoted(&network.addr().to_string())
            } else {
                quoted(&network.to_string())
            }
        };
        format!("[{}]", self.0.iter().map(shown).collect::<Vec<_>>().join(", "))
    }
}

/// `http.plain`: whether the listener speaks HTTP without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// It speaks TLS.
    No,
    /// On a loopback address.
    Loopback,
    /// On any address, to proxies that end TLS.
    BehindProxy,
}

impl Plain {
    /// Whether there is no TLS.
    pub fn is_on(self) -> bool {
        self != Self::No
    }
}

impl Setting for Plain {
    const EXPECTS: &'static str = "true, false or \"behind_proxy\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "false" => Some(Self::No),
            "true" => Some(Self::Loopback),
            "behind_proxy" => Some(Self::BehindProxy),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::No => "false".to_owned(),
            Self::Loopback => "true".to_owned(),
            Self::BehindProxy => quoted("behind_proxy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(networks: &str, address: &str) -> bool {
        Networks::read(networks).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_a_network_however_either_is_written() {
        for (networks, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.0"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
            ("::ffff:10.0.0.5", "10.0.0.5", "10.0.0.6"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("127.0.0.1, 10.1.0.0/16 ::1", "10.1.200.1", "10.2.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        ] {
            assert!(contains(networks, inside), "{networks} has {inside}");
            assert!(!contains(networks, outside), "{networks} has not {outside}");
            let shown = Networks::read(networks).unwrap().show();
            assert_eq!(
                Networks::read(&shown.replace(['[', ']', '"'], "")),
                Networks::read(networks)
            );
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "10.0.0.0/33",
            "10.0.0.5/8",
            "fd00::1/8",
            "::/129",
            "10.0.0.0/",
            "10.0.0/8",
            "nginx",
            "10.0.0.0/-1",
            "10.0.0.0/08x",
            "fe80::1%eth0",
            "127.0.0.1:80",
            "/8",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(Networks::read(bad), None, "{bad}");
            assert_eq!(Networks::read(&format!("127.0.0.1 {bad}")), None, "{bad}");
        }
    }
}
