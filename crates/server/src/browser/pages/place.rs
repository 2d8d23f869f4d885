//! Roughly where somebody is: the network of an address, not the address. It is enough to see that a
//! session comes from elsewhere, and little enough for whoever looks over the shoulder.

use std::net::{IpAddr, Ipv6Addr};

/// A rough place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The machine that the server runs on.
    ThisMachine,
    /// An address that is not routed on the internet.
    Local,
    /// A network of the internet, such as `203.0.113.0/24` or `2001:db8:7::/48`.
    Network(String),
}

impl Place {
    /// The network of an address: 24 bits of IPv4, 48 of IPv6, which is what a site is given.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            ip if ip.is_loopback() => Self::ThisMachine,
            IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() => Self::Local,
            IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Self::Local,
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Self::Network(format!("{a}.{b}.{c}.0/24"))
            }
            IpAddr::V6(ip) => {
                let [a, b, c, ..] = ip.segments();
                Self::Network(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_network_and_no_address() {
        for (address, place) in [
            ("203.0.113.77", Place::Network("203.0.113.0/24".into())),
            ("::ffff:203.0.113.77", Place::Network("203.0.113.0/24".into())),
            ("2001:db8:7:1::99", Place::Network("2001:db8:7::/48".into())),
            ("192.168.1.2", Place::Local),
            ("fe80::1", Place::Local),
            ("fd00::1", Place::Local),
            ("127.0.0.1", Place::ThisMachine),
            ("::1", Place::ThisMachine),
        ] {
            assert_eq!(Place::of(address.parse().unwrap()), place, "{address}");
        }
    }
}
