//! Which address a request comes from, when proxies stand in between.
//!
//! Anyone may write `X-Forwarded-For`; only the entries that our own proxies appended are worth anything. So the list is
//! walked from the right, where the nearest proxy wrote, for as long as the entry before was written by a trusted proxy.
//! The first address that is not a trusted proxy's is the client.
//!
//! `Forwarded` (RFC 7239) is read where `X-Forwarded-For` is absent. A proxy that writes only `Forwarded` must therefore
//! remove `X-Forwarded-For` from what its clients send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};
use vestibule_core::network::{InvalidNetwork, Networks};

use crate::bounds::FORWARDED_ENTRIES;
use crate::headers::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::origin::{Authority, Scheme};

/// The networks whose members may speak for others. Empty by default: nobody is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Networks);

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client's address; an IPv4-mapped IPv6 address is given as IPv4.
    pub ip: IpAddr,
    /// Whether the connection itself came from a trusted proxy, so that its other forwarding headers may be read.
    pub peer_is_trusted: bool,
}

/// Scheme and host that a trusted proxy says the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ForwardedTarget<'a> {
    /// The scheme, where a trusted proxy gave a valid one.
    pub scheme: Option<Scheme>,
    /// The host with its port, where a trusted proxy gave a valid one.
    pub host: Option<&'a str>,
}

impl TrustedProxies {
    /// Trusts the members of these networks.
    #[must_use]
    pub fn new(networks: Networks) -> Self {
        Self(networks)
    }

    /// Trusts loopback, as development mode does.
    #[must_use]
    pub fn loopback() -> Self {
        let v4 = IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));
        Self(Networks::new(vec![v4, IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]))
    }

    /// Parses addresses and networks as an operator writes them.
    ///
    /// # Errors
    /// [`InvalidNetwork`] with the first entry that is neither.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        Networks::parse(entries).map(Self)
    }

    /// Whether the address belongs to a trusted proxy.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.contains(address)
    }

    /// Finds the client of a request. Does not allocate.
    ///
    /// The walk ends at the first entry that is not an address (the last trusted hop is the answer then), at the first
    /// address that is not trusted, and after [`FORWARDED_ENTRIES`] entries.
    #[must_use]
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        let peer_is_trusted = self.trusts(peer);
        let ip = if !peer_is_trusted {
            peer
        } else if headers.contains_key(&X_FORWARDED_FOR) {
            self.walk(peer, entries_from_right(headers, &X_FORWARDED_FOR).map(|entry| parse_node(entry?)))
        } else {
            let elements = entries_from_right(headers, &FORWARDED);
            self.walk(peer, elements.map(|element| parse_node(parameter(element?, "for")?)))
        };
        ClientAddress { ip, peer_is_trusted }
    }

    /// What the proxy next to us says about scheme and host; nothing unless the peer is trusted.
    ///
    /// Of a list the last entry counts: the nearest proxy wrote it.
    #[must_use]
    pub fn forwarded_target<'a>(&self, peer: IpAddr, headers: &'a HeaderMap) -> ForwardedTarget<'a> {
        if !self.trusts(peer) {
            return ForwardedTarget::default();
        }
        let nearest = |name, key| match entries_from_right(headers, name).next() {
            Some(entry) => entry,
            None => parameter(entries_from_right(headers, &FORWARDED).next()??, key),
        };
        ForwardedTarget {
            scheme: nearest(&X_FORWARDED_PROTO, "proto").and_then(Scheme::parse),
            host: nearest(&X_FORWARDED_HOST, "host").filter(|host| Authority::parse(host).is_some()),
        }
    }

    /// `hops` gives the address of each hop from the nearest on, `None` for what is not an address.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for hop in hops.take(FORWARDED_ENTRIES) {
            match hop {
                None => break,
                Some(address) => nearest = address,
            }
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }
}

/// The entries of a list header from the last line's last to the first line's first; `None` for a line with bytes outside
/// visible ASCII.
///
/// A comma always separates, also inside quotes: no address, scheme or host has one, and a quote that a client left open
/// must not swallow what our own proxy appended.
fn entries_from_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
    headers.get_all(name).into_iter().rev().flat_map(|line| {
        line.as_bytes().rsplit(|byte| *byte == b',').map(|entry| std::str::from_utf8(entry).ok().map(str::trim_ascii))
    })
}

/// The value of one parameter of a `Forwarded` element, unquoted; `None` where it is absent, given twice or malformed.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    for pair in element.split(';') {
        let (key, value) = pair.split_once('=')?;
        if key.trim_ascii().eq_ignore_ascii_case(name) && found.replace(value.trim_ascii()).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\'])),
        None => Some(value),
    }
}

/// An address with or without port and brackets: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_node(node: &str) -> Option<IpAddr> {
    let address = if let Some(bracketed) = node.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        let port_is_fine = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        IpAddr::V6(address.parse().ok().filter(|_| port_is_fine)?)
    } else if let Ok(address) = node.parse() {
        address
    } else {
        let (address, port) = node.rsplit_once(':')?;
        IpAddr::V4(address.parse().ok().filter(|_| is_port(port))?)
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("test addresses are addresses")
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse(["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.7"]).expect("valid networks")
    }

    fn request(lines: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            let value = HeaderValue::from_str(line).expect("test lines are header values");
            headers.append(*name, value);
        }
        headers
    }

    fn client(peer: &str, lines: &[(&HeaderName, &str)]) -> IpAddr {
        proxies().client_address(ip(peer), &request(lines)).ip
    }

    // S43
    #[test]
    fn an_untrusted_peer_is_the_client() {
        let found = proxies().client_address(ip("198.51.100.1"), &request(&[(&X_FORWARDED_FOR, "203.0.113.9")]));
        assert_eq!(found.ip, ip("198.51.100.1"));
        assert!(!found.peer_is_trusted);
        let nobody = TrustedProxies::default();
        let found = nobody.client_address(ip("127.0.0.1"), &request(&[(&X_FORWARDED_FOR, "203.0.113.9")]));
        assert_eq!(found.ip, ip("127.0.0.1"));
    }

    // S43
    #[test]
    fn entries_that_the_client_sent_are_ignored() {
        assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, "1.1.1.1, 10.9.9.9, 203.0.113.9")]), ip("203.0.113.9"));
        assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, "junk, \", 203.0.113.9")]), ip("203.0.113.9"));
        let two_lines = [(&X_FORWARDED_FOR, "1.1.1.1"), (&X_FORWARDED_FOR, "203.0.113.9, 10.0.0.2")];
        assert_eq!(client("10.0.0.1", &two_lines), ip("203.0.113.9"));
    }

    #[test]
    fn a_chain_of_trusted_proxies_is_walked() {
        let chain = "1.1.1.1, 203.0.113.9, 192.0.2.7, 2001:db8:1::5";
        assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, chain)]), ip("203.0.113.9"));
        assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, "10.0.0.3, 10.0.0.2")]), ip("10.0.0.3"));
        assert_eq!(client("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn garbage_ends_the_walk_at_the_last_trusted_hop() {
        for garbage in ["unknown", "", "1.2.3", "1.2.3.4:", "1.2.3.4:99999", "[::1", "fe80::1%eth0", "01.2.3.4", "a.example"] {
            let chain = format!("203.0.113.9, {garbage}, 10.0.0.2");
            assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, &chain)]), ip("10.0.0.2"), "{garbage}");
        }
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_normalised() {
        let cases = [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
            ("2001:db8::9", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ];
        for (entry, address) in cases {
            assert_eq!(client("::ffff:10.0.0.1", &[(&X_FORWARDED_FOR, entry)]), ip(address), "{entry}");
        }
        let mapped = TrustedProxies::parse(["::ffff:10.0.0.0/104"]).expect("a valid network");
        assert!(mapped.trusts(ip("10.1.2.3")) && !mapped.trusts(ip("11.0.0.1")));
        assert!(TrustedProxies::loopback().trusts(ip("::1")) && TrustedProxies::loopback().trusts(ip("127.1.2.3")));
        assert_eq!(TrustedProxies::parse(["10.0.0.0/33"]), Err(InvalidNetwork("10.0.0.0/33".to_owned())));
    }

    #[test]
    fn the_walk_is_bounded() {
        let chain = vec!["10.0.0.2"; FORWARDED_ENTRIES].join(", ");
        let chain = format!("203.0.113.9, {chain}");
        assert_eq!(client("10.0.0.1", &[(&X_FORWARDED_FOR, &chain)]), ip("10.0.0.2"));
    }

    #[test]
    fn forwarded_is_read_where_the_other_is_absent() {
        let chain = "for=1.1.1.1, For=\"[2001:db8::9]:80\";proto=https;by=10.0.0.2, for=10.0.0.3";
        assert_eq!(client("10.0.0.1", &[(&FORWARDED, chain)]), ip("2001:db8::9"));
        let both = [(&FORWARDED, "for=1.1.1.1"), (&X_FORWARDED_FOR, "203.0.113.9")];
        assert_eq!(client("10.0.0.1", &both), ip("203.0.113.9"));
        for garbage in ["for=_hidden", "for=unknown", "proto=https", "for=1.1.1.1;for=2.2.2.2", "for=\"1.1.1.1", "for"] {
            assert_eq!(client("10.0.0.1", &[(&FORWARDED, garbage)]), ip("10.0.0.1"), "{garbage}");
        }
    }

    // S43
    #[test]
    fn a_quote_left_open_does_not_hide_what_the_proxy_appended() {
        let chain = "for=\"1.1.1.1, for=203.0.113.9";
        assert_eq!(client("10.0.0.1", &[(&FORWARDED, chain)]), ip("203.0.113.9"));
    }

    #[test]
    fn scheme_and_host_come_from_trusted_peers_only() {
        let headers = request(&[(&X_FORWARDED_PROTO, "http, HTTPS"), (&X_FORWARDED_HOST, "evil.example, app.example:8443")]);
        let target = proxies().forwarded_target(ip("10.0.0.1"), &headers);
        assert_eq!(target.scheme, Some(Scheme::Https));
        assert_eq!(target.host, Some("app.example:8443"));
        let untrusted = proxies().forwarded_target(ip("198.51.100.1"), &headers);
        assert_eq!(untrusted, ForwardedTarget::default());

        let headers = request(&[(&FORWARDED, "for=1.1.1.1;host=\"app.example:8443\";proto=https")]);
        let target = proxies().forwarded_target(ip("10.0.0.1"), &headers);
        assert_eq!((target.scheme, target.host), (Some(Scheme::Https), Some("app.example:8443")));

        let headers = request(&[(&X_FORWARDED_PROTO, "gopher"), (&X_FORWARDED_HOST, "a b")]);
        assert_eq!(proxies().forwarded_target(ip("10.0.0.1"), &headers), ForwardedTarget::default());
    }

    proptest! {
        // S43
        #[test]
        fn an_untrusted_peer_never_changes_the_outcome(peer in any::<u32>(), line in "[ -~]{0,80}", forwarded in "[ -~]{0,80}") {
            let peer = IpAddr::V4(Ipv4Addr::from(peer));
            prop_assume!(!proxies().trusts(peer));
            let headers = request(&[(&X_FORWARDED_FOR, &line), (&FORWARDED, &forwarded)]);
            prop_assert_eq!(proxies().client_address(peer, &headers).ip, peer);
            prop_assert_eq!(proxies().forwarded_target(peer, &headers), ForwardedTarget::default());
        }

        // S43
        #[test]
        fn what_the_client_prepends_never_changes_the_outcome(
            prepended in "[ -~]{0,80}",
            own_line in any::<bool>(),
            client_bits in any::<u32>(),
            hops in 0usize..4,
            standard in any::<bool>(),
        ) {
            let client = IpAddr::V4(Ipv4Addr::from(client_bits));
            prop_assume!(!proxies().trusts(client));
            let label = if standard { "for=" } else { "" };
            let name = if standard { &FORWARDED } else { &X_FORWARDED_FOR };
            let mut appended = format!("{label}{client}");
            for hop in 0..hops {
                appended.push_str(&format!(", {label}10.0.0.{hop}"));
            }
            let headers = if own_line {
                request(&[(name, &prepended), (name, &appended)])
            } else {
                request(&[(name, &format!("{prepended},{appended}"))])
            };
            let peer = Ipv4Addr::new(10, 0, 0, 1);
            prop_assert_eq!(proxies().client_address(IpAddr::V4(peer), &headers).ip, client);
        }
    }
}
