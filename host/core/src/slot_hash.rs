//! Which slot a hashing plan has for a client: the kernel's own arithmetic, so that it can be said, and simulated, without
//! asking the kernel.
//!
//! nft's `jhash` is Jenkins' hash of the registers' bytes (`include/linux/jhash.h`, `jhash()`), scaled to the number of
//! slots (`net/netfilter/nft_hash.c`, `reciprocal_scale`). A port takes four bytes, the last two of them 0.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::selector::Selector;

/// Seed of the hash of a spread without groups: fixed, so that both directors of a pair choose the same server.
pub const SEED: u32 = 0x4c42;

/// `JHASH_INITVAL`.
const INITIAL: u32 = 0xdead_beef;

/// Which of `slots` a connection from `client` to `service` takes. `None`: the plan does not hash, has no slots, or the
/// addresses are of two families.
#[must_use]
pub fn slot(
    selector: Selector,
    client: SocketAddr,
    service: SocketAddr,
    slots: usize,
    seed: u32,
) -> Option<usize> {
    let slots = u32::try_from(slots).ok().filter(|slots| *slots > 0)?;
    if client.is_ipv4() != service.is_ipv4() {
        return None;
    }
    let mut key = Vec::with_capacity(40);
    match selector {
        Selector::Sequence | Selector::Random => return None,
        Selector::HashSource => put_address(&mut key, client.ip()),
        Selector::HashNetwork(prefixes) => {
            let prefix = if client.is_ipv4() {
                prefixes.v4
            } else {
                prefixes.v6
            };
            let network = IpNet::new(client.ip(), prefix).ok()?.network();
            put_address(&mut key, network);
        }
        Selector::HashFlow => {
            for end in [client, service] {
                put_address(&mut key, end.ip());
                key.extend(end.port().to_be_bytes());
                key.extend([0, 0]);
            }
        }
    }
    let scaled = (u64::from(jhash(&key, seed)) * u64::from(slots)) >> 32;
    usize::try_from(scaled).ok()
}

fn put_address(key: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(ip) => key.extend(ip.octets()),
        IpAddr::V6(ip) => key.extend(ip.octets()),
    }
}

/// Of a multiple of four bytes.
fn jhash(key: &[u8], seed: u32) -> u32 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let start = INITIAL.wrapping_add(length).wrapping_add(seed);
    let mut state = [start; 3];
    let words = key.as_chunks::<4>().0;
    // The last one to three words are not followed by another round.
    let rounds = words.len().saturating_sub(1) / 3;
    for (round, words) in words.chunks(3).enumerate() {
        let more = round < rounds;
        for (sum, word) in state.iter_mut().zip(words) {
            // The kernel reads words as the processor has them in memory, and the last ones byte by byte.
            let read = if more {
                u32::from_ne_bytes
            } else {
                u32::from_le_bytes
            };
            *sum = sum.wrapping_add(read(*word));
        }
        state = if more { mix(state) } else { last(state) };
    }
    state[2]
}

fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    let step = |x: &mut u32, y: u32, z: &mut u32, w: u32, turn: u32| {
        *x = x.wrapping_sub(y) ^ y.rotate_left(turn);
        *z = z.wrapping_add(w);
    };
    step(&mut a, c, &mut c, b, 4);
    step(&mut b, a, &mut a, c, 6);
    step(&mut c, b, &mut b, a, 8);
    step(&mut a, c, &mut c, b, 16);
    step(&mut b, a, &mut a, c, 19);
    step(&mut c, b, &mut b, a, 4);
    [a, b, c]
}

fn last([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    let step = |x: u32, y: u32, turn: u32| (x ^ y).wrapping_sub(y.rotate_left(turn));
    c = step(c, b, 14);
    a = step(a, c, 11);
    b = step(b, a, 25);
    c = step(c, b, 16);
    a = step(a, c, 4);
    b = step(b, a, 14);
    c = step(c, b, 24);
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Prefixes;

    const HASHES: [Selector; 2] = [Selector::HashSource, Selector::HashFlow];

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn slots_are_in_range_and_of_one_client_the_same() {
        let service = address("10.10.54.151:80");
        for selector in HASHES {
            for slots in [1, 2, 3, 251, 65_536] {
                for n in 0..200_u8 {
                    let client = SocketAddr::from(([172, 16, 3, n], 40_000));
                    let taken = slot(selector, client, service, slots, SEED).unwrap();
                    assert!(taken < slots);
                    let again = slot(selector, client, service, slots, SEED);
                    assert_eq!(again, Some(taken));
                }
            }
        }
    }

    #[test]
    fn clients_are_spread_over_all_slots() {
        let service = address("10.10.54.151:80");
        for selector in HASHES {
            let mut counts = [0_u32; 8];
            for n in 0..8000_u32 {
                let client =
                    SocketAddr::new(std::net::Ipv4Addr::from(0xac10_0000 + n).into(), 40_000);
                counts[slot(selector, client, service, 8, SEED).unwrap()] += 1;
            }
            assert!(
                counts.iter().all(|count| (850..1150).contains(count)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn a_port_counts_where_the_flow_is_hashed_and_only_there() {
        let service = address("[2001:db8::1]:80");
        let of = |selector, port| {
            let client = SocketAddr::new("2001:db8::9".parse().unwrap(), port);
            slot(selector, client, service, 65_536, SEED)
        };
        assert_eq!(of(Selector::HashSource, 1), of(Selector::HashSource, 2));
        assert_ne!(of(Selector::HashFlow, 1), of(Selector::HashFlow, 2));
    }

    #[test]
    fn where_nothing_is_hashed_there_is_no_slot() {
        let [client, service] = ["192.0.2.9:4000", "192.0.2.1:80"].map(address);
        let of = |selector, service, slots| slot(selector, client, service, slots, SEED);
        assert_eq!(of(Selector::Sequence, service, 4), None);
        assert_eq!(of(Selector::Random, service, 4), None);
        assert_eq!(of(Selector::HashSource, service, 0), None);
        assert_eq!(of(Selector::HashSource, address("[::1]:80"), 4), None);
    }

    #[test]
    fn clients_of_a_network_have_one_slot_and_another_seed_has_another() {
        let by_network = Selector::HashNetwork(Prefixes { v4: 24, v6: 64 });
        let of = |client, seed| {
            let service = address(if address(client).is_ipv4() {
                "198.51.100.1:80"
            } else {
                "[2001:db8::1]:80"
            });
            slot(by_network, address(client), service, 65_536, seed).unwrap()
        };
        assert_eq!(of("192.0.2.9:1", SEED), of("192.0.2.200:2", SEED));
        assert_ne!(of("192.0.2.9:1", SEED), of("192.0.3.9:1", SEED));
        assert_eq!(of("[fd00::1]:1", SEED), of("[fd00::2]:1", SEED));
        assert_ne!(of("[fd00::1]:1", SEED), of("[fd00:0:0:1::1]:1", SEED));
        assert_ne!(of("192.0.2.9:1", SEED), of("192.0.2.9:1", SEED + 1));
    }
}
