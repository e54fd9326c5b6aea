//! VRRP messages on the wire: RFC 3768 section 5.1 (version 2), RFC 9568 section 5.1 (version 3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::model::{Checksum, Family, Password, VrrpVersion};

/// The type of the only message there is.
const ADVERTISEMENT: u8 = 1;
/// Bytes before the addresses.
const HEADER: usize = 8;
/// Bytes of version 2's authentication data.
const AUTHENTICATION: usize = 8;
/// IP protocol number.
pub const PROTOCOL: u8 = 112;

/// An advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Version.
    pub version: VrrpVersion,
    /// VRID.
    pub router_id: u8,
    /// 0: the master hands over.
    pub priority: u8,
    /// Between adverts.
    pub interval: Duration,
    /// Addresses, all of the adverts' family.
    pub addresses: Vec<IpAddr>,
    /// Version 2 only.
    pub authentication: Authentication,
}

/// Version 2's authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Type 0; always so in version 3.
    None,
    /// Type 1: simple text.
    Text(Password),
    /// Another type.
    Other(u8),
}

/// Why a message is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short, of another type, with an address count that does not fit its length.
    #[error("malformed")]
    Malformed,
    /// Neither version 2 nor 3, or version 2 over IPv6.
    #[error("version {0}")]
    Version(u8),
    /// Wrong.
    #[error("wrong checksum")]
    Checksum,
}

/// The router ID of a message, without looking at the rest: to find the instance that it is for.
#[must_use]
pub fn router_id(payload: &[u8]) -> Option<u8> {
    payload.get(1).copied()
}

impl Advert {
    /// The message, as sent from `source` to `destination`, which the checksum may cover.
    #[must_use]
    pub fn encode(&self, source: IpAddr, destination: IpAddr, checksum: Checksum) -> Vec<u8> {
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        let mut out = vec![
            self.version.number() << 4 | ADVERTISEMENT,
            self.router_id,
            self.priority,
            count,
        ];
        match self.version {
            VrrpVersion::V2 => {
                let (kind, _) = self.authentication.parts();
                let seconds = u8::try_from(self.interval.as_secs()).unwrap_or(u8::MAX);
                out.extend([kind, seconds]);
            }
            VrrpVersion::V3 => {
                let centiseconds = u16::try_from(self.interval.as_millis() / 10).unwrap_or(0xfff);
                out.extend(centiseconds.min(0xfff).to_be_bytes());
            }
        }
        out.extend([0, 0]);
        for address in self.addresses.iter().take(usize::from(u8::MAX)) {
            match address {
                IpAddr::V4(v4) => out.extend(v4.octets()),
                IpAddr::V6(v6) => out.extend(v6.octets()),
            }
        }
        if self.version == VrrpVersion::V2 {
            out.extend(self.authentication.parts().1);
        }
        let pseudo = self.version == VrrpVersion::V3
            && (source.is_ipv6() || checksum == Checksum::PseudoHeader);
        let start = if pseudo {
            pseudo_header(source, destination, out.len())
        } else {
            0
        };
        let sum = !fold(add(start, &out));
        if let Some(field) = out.get_mut(6..8) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        out
    }

    /// Reads a message that came from `source` to `destination`.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(
        payload: &[u8],
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Self, DecodeError> {
        let (header, rest) = payload
            .split_first_chunk::<HEADER>()
            .ok_or(DecodeError::Malformed)?;
        let [first, router_id, priority, count, a, b, _, _] = *header;
        let family = Family::of(source);
        let version = match (first >> 4, family) {
            (2, Family::V4) => VrrpVersion::V2,
            (3, _) => VrrpVersion::V3,
            (other, _) => return Err(DecodeError::Version(other)),
        };
        if first & 0xf != ADVERTISEMENT || Family::of(destination) != family || router_id == 0 {
            return Err(DecodeError::Malformed);
        }
        let size = match family {
            Family::V4 => 4,
            Family::V6 => 16,
        };
        let trailer = if version == VrrpVersion::V2 {
            AUTHENTICATION
        } else {
            0
        };
        let length = usize::from(count) * size;
        if rest.len() != length + trailer {
            return Err(DecodeError::Malformed);
        }
        let plain = fold(add(0, payload)) == 0xffff;
        let with_header = || {
            fold(add(
                pseudo_header(source, destination, payload.len()),
                payload,
            )) == 0xffff
        };
        let right = match (version, family) {
            (VrrpVersion::V2, _) => plain,
            (VrrpVersion::V3, Family::V4) => plain || with_header(),
            (VrrpVersion::V3, Family::V6) => with_header(),
        };
        if !right {
            return Err(DecodeError::Checksum);
        }
        let (addresses, data) = rest.split_at(length);
        let (interval, authentication) = match version {
            VrrpVersion::V2 => (Duration::from_secs(b.into()), Authentication::read(a, data)),
            VrrpVersion::V3 => {
                let centiseconds = u16::from_be_bytes([a & 0xf, b]);
                (
                    Duration::from_millis(u64::from(centiseconds) * 10),
                    Authentication::None,
                )
            }
        };
        if interval.is_zero() {
            return Err(DecodeError::Malformed);
        }
        Ok(Self {
            version,
            router_id,
            priority,
            interval,
            addresses: addresses.chunks_exact(size).filter_map(address).collect(),
            authentication,
        })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
}

impl Authentication {
    fn parts(self) -> (u8, [u8; AUTHENTICATION]) {
        match self {
            Self::None => (0, [0; AUTHENTICATION]),
            Self::Text(Password(bytes)) => (1, bytes),
            Self::Other(kind) => (kind, [0; AUTHENTICATION]),
        }
    }

    fn read(kind: u8, data: &[u8]) -> Self {
        match (kind, <[u8; AUTHENTICATION]>::try_from(data)) {
            (0, _) => Self::None,
            (1, Ok(bytes)) => Self::Text(Password(bytes)),
            (other, _) => Self::Other(other),
        }
    }
}

/// The sum of the pseudo-header (RFC 9568 section 5.2.8; RFC 8200 section 8.1): source, destination, length, protocol.
fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> u64 {
    let mut sum = u64::from(PROTOCOL) + u64::try_from(length).unwrap_or(u64::MAX >> 1);
    for address in [source, destination] {
        sum = match address {
            IpAddr::V4(v4) => add(sum, &v4.octets()),
            IpAddr::V6(v6) => add(sum, &v6.octets()),
        };
    }
    sum
}

fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        let high = pair.first().copied().unwrap_or_default();
        let low = pair.get(1).copied().unwrap_or_default();
        sum + u64::from(u16::from_be_bytes([high, low]))
    })
}

/// RFC 1071.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}
