//! What the kernel counts.

use evenkeel_netlink::attribute::{Attributes, get_u32, get_u64};

/// Of packets and connections: a sum, or so many in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// New connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients; only with NAT.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients; only with NAT.
    pub bytes_out: u64,
}

impl Counts {
    fn place(&mut self, number: u16) -> Option<&mut u64> {
        Some(match number {
            0 => &mut self.connections,
            1 => &mut self.packets_in,
            2 => &mut self.packets_out,
            3 => &mut self.bytes_in,
            4 => &mut self.bytes_out,
            _ => return None,
        })
    }
}

/// What was counted of a service or a destination since it was made or [`zeroed`](crate::Client::zero).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// The sums.
    pub total: Counts,
    /// In a second, of late: the kernel looks every two seconds, and smooths.
    pub rate: Counts,
}

/// `IPVS_STATS_ATTR_CONNS` is 1, and the others follow; `IPVS_STATS_ATTR_CPS` is 6.
const RATES: u16 = 6;

impl Stats {
    /// Reads the nested attribute of 64 bits, or where there is none (before Linux 4.1) that of 32 bits.
    pub(crate) fn decode(long: Option<&[u8]>, short: Option<&[u8]>) -> Self {
        let mut stats = Self::default();
        let (buf, is_long) = match (long, short) {
            (Some(buf), _) => (buf, true),
            (None, short) => (short.unwrap_or_default(), false),
        };
        for (kind, value) in Attributes::new(buf) {
            let place = if kind < RATES {
                stats.total.place(kind.wrapping_sub(1))
            } else {
                stats.rate.place(kind - RATES)
            };
            // Bytes have 64 bits in both.
            let number = match value.len() {
                8 => get_u64(value),
                _ if is_long => None,
                _ => get_u32(value).map(u64::from),
            };
            if let (Some(place), Some(number)) = (place, number) {
                *place = number;
            }
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_netlink::attribute::put;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statistics_of_64_bits_are_preferred() {
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for kind in 1..=10_u16 {
            put(&mut long, kind, &(u64::from(kind) << 33).to_ne_bytes());
            put(&mut short, kind, &u32::from(kind).to_ne_bytes());
        }
        let stats = Stats::decode(Some(&long), Some(&short));
        assert_eq!(stats.total.connections, 1 << 33);
        assert_eq!(stats.total.bytes_out, 5 << 33);
        assert_eq!(stats.rate.connections, 6 << 33);
        assert_eq!(stats.rate.bytes_out, 10 << 33);
        let old = Stats::decode(None, Some(&short));
        assert_eq!((old.total.packets_in, old.rate.packets_in), (2, 7));
        assert_eq!(Stats::decode(None, None), Stats::default());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Stats::decode(Some(&bytes), Some(&bytes));
            let _ = Stats::decode(None, Some(&bytes));
        }
    }
}
