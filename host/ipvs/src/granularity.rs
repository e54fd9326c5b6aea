//! Which clients are one to a persistent service.

use std::net::Ipv4Addr;

use crate::family::Family;

/// Which clients are taken as one by persistence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// IPv4: those whose addresses agree in these bits.
    Mask(Ipv4Addr),
    /// IPv6: those whose addresses agree in so many first bits, 1 to 128.
    Prefix(u8),
}

impl Granularity {
    /// By so many first bits of the address: 0 to 32 for IPv4, 1 to 128 for IPv6.
    #[must_use]
    pub fn new(family: Family, bits: u8) -> Self {
        match family {
            Family::V4 => {
                let below = 32_u32.saturating_sub(bits.into());
                Self::Mask(u32::MAX.checked_shl(below).unwrap_or(0).into())
            }
            Family::V6 => Self::Prefix(bits),
        }
    }

    /// Each address by itself: what services without persistence have.
    #[must_use]
    pub fn single(family: Family) -> Self {
        match family {
            Family::V4 => Self::new(family, 32),
            Family::V6 => Self::new(family, 128),
        }
    }

    /// How many first bits; `None`: a mask that is no prefix.
    #[must_use]
    pub fn bits(self) -> Option<u8> {
        match self {
            Self::Prefix(bits) => Some(bits),
            Self::Mask(mask) => {
                let ones = mask.to_bits().leading_ones();
                let bits = u8::try_from(ones).ok()?;
                (Self::new(Family::V4, bits) == self).then_some(bits)
            }
        }
    }

    pub(crate) fn encode(self) -> [u8; 4] {
        match self {
            Self::Mask(mask) => mask.octets(),
            Self::Prefix(bits) => u32::from(bits).to_ne_bytes(),
        }
    }

    pub(crate) fn decode(value: &[u8], family: Family) -> Option<Self> {
        let bytes: [u8; 4] = *value.first_chunk()?;
        Some(match family {
            Family::V4 => Self::Mask(bytes.into()),
            Family::V6 => Self::Prefix(u8::try_from(u32::from_ne_bytes(bytes)).ok()?),
        })
    }
}
