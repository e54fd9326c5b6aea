//! Networks of clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network of clients, such as `10.0.0.0/8`; an address alone is a network, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text or an address and a prefix are no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANetwork;

impl std::fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a network such as 10.0.0.0/8 or 2001:db8::/32")
    }
}

impl std::error::Error for NotANetwork {}

impl Network {
    /// The network of an address. Bits beyond the prefix are dropped.
    ///
    /// # Errors
    /// A prefix of more than 32 or 128 bits.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, NotANetwork> {
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let host = bits.checked_sub(prefix.into()).ok_or(NotANetwork)?;
        let address = match address {
            IpAddr::V4(ip) => {
                Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(host).unwrap_or(0)).into()
            }
            IpAddr::V6(ip) => {
                Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(host).unwrap_or(0)).into()
            }
        };
        Ok(Self { address, prefix })
    }

    /// Its first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits of an address are the network's.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| NotANetwork)?,
            None => whole,
        };
        Self::new(address, prefix)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_written() {
        let read = |text: &str| Network::from_str(text).map(|it| it.to_string());
        assert_eq!(read("10.1.2.3/8").as_deref(), Ok("10.0.0.0/8"));
        assert_eq!(read("10.1.2.3").as_deref(), Ok("10.1.2.3/32"));
        assert_eq!(read("2001:db8::1/32").as_deref(), Ok("2001:db8::/32"));
        assert_eq!(read("::/0").as_deref(), Ok("::/0"));
        assert_eq!(read("0.0.0.0/0").as_deref(), Ok("0.0.0.0/0"));
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/300",
            "x/8",
        ] {
            assert_eq!(read(wrong), Err(NotANetwork), "{wrong}");
        }
    }
}
