//! Which addresses count as one.

use super::{KeyError, LimitKey};
use std::net::{IpAddr, Ipv6Addr};

/// How much of an address is its key, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPrefixes {
    /// Of IPv4. Default 32: one address.
    pub ipv4: u8,
    /// Of IPv6. Default 64: what one customer usually has; 56 where providers hand out more.
    pub ipv6: u8,
}

impl Default for AddressPrefixes {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 64 }
    }
}

/// Makes keys of addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addresses(pub AddressPrefixes);

impl Addresses {
    /// The key of an address: `192.0.2.1`, `2001:db8::/64`.
    ///
    /// # Panics
    /// Never: a network is a valid key.
    #[must_use]
    pub fn key(&self, address: IpAddr) -> LimitKey {
        LimitKey::new(&self.fold(address)).expect("a network is a short text")
    }

    /// The key of an address as text, or of a network as this type writes it.
    ///
    /// # Errors
    /// [`KeyError::Address`], also for a network of another size.
    pub fn parse(&self, text: &str) -> Result<LimitKey, KeyError> {
        self.read(text).map(|(_, key)| key)
    }

    /// As [`Self::parse`], with the address itself.
    pub(super) fn read(&self, text: &str) -> Result<(IpAddr, LimitKey), KeyError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse().map_err(|_| KeyError::Address)?;
        let key = self.key(address);
        let counted_bits = key.text().split_once('/').map(|(_, bits)| bits);
        if bits.is_some() && bits != counted_bits { Err(KeyError::Address) } else { Ok((address, key)) }
    }

    fn fold(&self, address: IpAddr) -> String {
        match address.to_canonical() {
            IpAddr::V4(v4) if self.0.ipv4 >= 32 => v4.to_string(),
            IpAddr::V4(v4) => {
                let kept = u32::MAX.checked_shl(32 - u32::from(self.0.ipv4)).unwrap_or(0);
                format!("{}/{}", std::net::Ipv4Addr::from_bits(v4.to_bits() & kept), self.0.ipv4)
            }
            IpAddr::V6(v6) if self.0.ipv6 >= 128 => v6.to_string(),
            IpAddr::V6(v6) => {
                let kept = u128::MAX.checked_shl(128 - u32::from(self.0.ipv6)).unwrap_or(0);
                format!("{}/{}", Ipv6Addr::from_bits(v6.to_bits() & kept), self.0.ipv6)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefixes: AddressPrefixes, text: &str) -> String {
        Addresses(prefixes).parse(text).expect("an address").text().to_owned()
    }

    /// L16
    #[test]
    fn addresses_of_one_network_are_one_key() {
        let default = AddressPrefixes::default();
        assert_eq!(key(default, "192.0.2.1"), "192.0.2.1");
        assert_eq!(key(default, "::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(key(default, "2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(key(default, "2001:db8:1:2::9"), "2001:db8:1:2::/64");
        assert_eq!(key(default, "2001:db8:1:2::/64"), "2001:db8:1:2::/64");
        let wider = AddressPrefixes { ipv4: 24, ipv6: 56 };
        assert_eq!(key(wider, "2001:db8:1:2ff::9"), "2001:db8:1:200::/56");
        assert_eq!(key(wider, "192.0.2.77"), "192.0.2.0/24");
        for wrong in ["unknown", "192.0.2.1/24", "2001:db8::/48", "2001:db8::/"] {
            assert_eq!(Addresses(default).parse(wrong), Err(KeyError::Address), "{wrong}");
        }
    }
}
