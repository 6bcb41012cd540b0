//! [`Networks`]: ranges of addresses, as operators write them.

use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Some networks; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<IpNet>);

/// A text that is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8")]
pub struct InvalidNetwork(pub String);

impl Networks {
    /// These networks. IPv4-mapped IPv6 networks are taken as IPv4.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }

    /// Parses addresses and networks.
    ///
    /// # Errors
    /// [`InvalidNetwork`] with the first text that is neither.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidNetwork> {
        let parse_one = |text: &str| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| address()).map_err(|_| InvalidNetwork(text.to_owned()))
        };
        texts.into_iter().map(parse_one).collect::<Result<Vec<_>, _>>().map(Self::new)
    }

    /// Each as it is usually written: `10.0.0.0/8`.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }

    /// Whether the address is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let mapped = v6.addr().to_ipv4_mapped();
    let v4 = mapped.zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_however_both_are_written() {
        let networks =
            Networks::parse(["10.0.0.0/8", "::ffff:192.0.2.0/120", "2001:db8::/32", "203.0.113.7"]).expect("networks");
        let contains = |text: &str| networks.contains(text.parse().expect("an address"));
        for inside in ["10.255.0.1", "::ffff:10.0.0.1", "192.0.2.9", "2001:db8:ffff::1", "203.0.113.7"] {
            assert!(contains(inside), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.3.1", "2001:db9::1", "203.0.113.8", "::1"] {
            assert!(!contains(outside), "{outside}");
        }
        for bad in ["10.0.0.0/33", "10.0.0", "example.com", ""] {
            assert_eq!(Networks::parse([bad]), Err(InvalidNetwork(bad.to_owned())));
        }
    }
}
