//! The address that a request comes from, for rate limits and logs.
//!
//! `X-Forwarded-For` is believed only from a listed proxy (RFC 9700 §4.13 warns of injected headers).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::{Extensions, HeaderMap, HeaderValue};

use crate::http::field;

use crate::config::Networks;

/// The address of the peer that opened the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The source of a request that came over no connection.
pub(crate) const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The address that a request comes from, past the proxies that are trusted.
pub(crate) fn source(extensions: &Extensions, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let peer = extensions.get::<Peer>().map_or(UNKNOWN, |p| p.0.ip().to_canonical());
    if !trusted.contains(peer) {
        return peer;
    }
    // The first proxy writes the client alone, and each behind it appends the peer that it saw. Read
    // from the end, where our own proxy wrote: the first hop that is no proxy of ours is the client.
    // If the first proxy appends, too, whatever precedes that was written by the client itself. It may be any
    // bytes, and must not hide what the proxy wrote behind it.
    let values: Vec<&[u8]> =
        headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes).collect();
    let hops = values.into_iter().rev().flat_map(|list| list.rsplit(|b| *b == b','));
    let mut addresses = hops.map_while(|hop| address(std::str::from_utf8(field::strip(hop)).ok()?));
    addresses.find(|hop| !trusted.contains(*hop)).unwrap_or(peer)
}

/// Parses the address of a hop. Some proxies write the port, too.
fn address(hop: &str) -> Option<IpAddr> {
    let ip = hop.parse().or_else(|_| hop.parse().map(|socket: SocketAddr| socket.ip()));
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    ip.ok().or_else(bare).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, forwarded: &[&str]) -> String {
        from_behind("127.0.0.1", peer, forwarded)
    }

    fn from_behind(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(Peer(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append("x-forwarded-for", value);
        }
        let proxies = crate::config::Setting::read(proxies).unwrap();
        source(&extensions, &headers, &proxies).to_string()
    }

    #[test]
    fn checklist_83_every_proxy_of_a_trusted_network_is_passed_by() {
        let networks = "10.0.0.0/8 fd00::/8";
        assert_eq!(from_behind(networks, "10.9.8.7", &["1.1.1.1, 10.1.1.1"]), "1.1.1.1");
        assert_eq!(from_behind(networks, "::ffff:10.9.8.7", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(
            from_behind(networks, "fd12::7", &["6.6.6.6, 1.1.1.1, ::ffff:10.1.1.1"]),
            "1.1.1.1"
        );
        assert_eq!(from_behind(networks, "11.0.0.1", &["1.1.1.1"]), "11.0.0.1");
    }

    #[test]
    fn checklist_83_forwarded_addresses_count_only_from_a_listed_proxy() {
        assert_eq!(from("9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(from("127.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(
            from("127.0.0.1", &["6.6.6.6, 1.1.1.1"]),
            "1.1.1.1",
            "what a client adds itself"
        );
        assert_eq!(from("127.0.0.1", &["6.6.6.6", "1.1.1.1, 127.0.0.1"]), "1.1.1.1");
        assert_eq!(from("127.0.0.1", &["nonsense"]), "127.0.0.1");
        assert_eq!(
            from("127.0.0.1", &["nonsense, 1.1.1.1"]),
            "1.1.1.1",
            "whatever stands left of it"
        );
        assert_eq!(from("::ffff:127.0.0.1", &["::ffff:1.1.1.1"]), "1.1.1.1");
        assert_eq!(from("127.0.0.1", &["1.1.1.1:4711"]), "1.1.1.1");
        assert_eq!(from("127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(from("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(from("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_does_not_hide_what_the_proxy_wrote_behind_it() {
        assert_eq!(from("127.0.0.1", &["\u{e9}, 1.1.1.1"]), "1.1.1.1");
        assert_eq!(from("127.0.0.1", &["6.6.6.6", "\u{e9},1.1.1.1\t"]), "1.1.1.1");
        for no_address in
            ["\u{a0}1.1.1.1", "1.1.1.1\u{2000}", "+1.1.1.1", "01.1.1.1", "1.1.1.1:+1", "unknown"]
        {
            assert_eq!(from("127.0.0.1", &[no_address]), "127.0.0.1", "{no_address:?}");
        }
    }

    #[test]
    fn checklist_83_no_other_header_says_where_a_request_comes_from() {
        let mut extensions = Extensions::new();
        extensions.insert(Peer(SocketAddr::from(([127, 0, 0, 1], 1))));
        let mut headers = HeaderMap::new();
        for name in ["forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"]
        {
            headers.append(name, "for=6.6.6.6".parse().unwrap());
            headers.append(name, "6.6.6.6".parse().unwrap());
        }
        let trusted = crate::config::Setting::read("127.0.0.1").unwrap();
        assert_eq!(source(&extensions, &headers, &trusted).to_string(), "127.0.0.1");
    }
}
