//! Stable hashes: the same on every machine, in every version. For schedulers by whose tables both
//! directors of a pair must choose the same server, which [`std::hash`] does not promise.
//!
//! ```
//! use evenkeel_sdk::hash;
//!
//! let server = "192.0.2.10:80".parse().unwrap();
//! assert_eq!(hash::endpoint([1, 2], server), hash::endpoint([1, 2], server));
//! assert_ne!(hash::endpoint([1, 2], server), hash::endpoint([3, 4], server));
//! ```

use std::net::{IpAddr, SocketAddr};

/// SipHash-1-3 of the bytes (Aumasson and Bernstein, 2012, with one round for each word and three at
/// the end). With different keys it makes independent hashes. Well spread, and not for secrets.
#[must_use]
pub fn siphash13(key: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = State([
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ]);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    // The last word: what is left of the bytes, and their number modulo 256 on top.
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len().to_le_bytes()[0];
    state.absorb(u64::from_le_bytes(last));
    state.0[2] ^= 0xff;
    state.round();
    state.round();
    state.round();
    state.0.iter().fold(0, |all, word| all ^ word)
}

/// A hash of a server's address and port.
#[must_use]
pub fn endpoint(key: [u64; 2], endpoint: SocketAddr) -> u64 {
    let mut bytes = [0; 18];
    let ip = match endpoint.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&endpoint.port().to_be_bytes());
    siphash13(key, &bytes)
}

/// An address as one number, as IPVS's hashing schedulers take it: IPv4 as it is read, of IPv6 the four
/// words exclusive-or'ed.
#[must_use]
pub fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(ip) => ip.to_bits(),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits().to_be_bytes();
            let (words, _) = bits.as_chunks::<4>();
            words
                .iter()
                .fold(0, |all, word| all ^ u32::from_be_bytes(*word))
        }
    }
}

/// Knuth's multiplicative hash to that many bits (1 to 32) by the golden ratio, as the kernel has it in
/// `include/linux/hash.h`.
#[must_use]
pub fn golden(value: u32, bits: u32) -> u32 {
    value.wrapping_mul(0x61c8_8647) >> (32 - bits.clamp(1, 32))
}

/// The four words that SipHash works on.
struct State([u64; 4]);

impl State {
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher as _};

    use super::*;

    /// The first of the vectors that the kernel's own test has for a 64-bit machine
    /// (`lib/test_siphash.c`, `hsiphash`), and what the reference code makes of the same input.
    #[test]
    fn the_known_answer_for_no_bytes() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(siphash13(key, &[]), 0xabac_0158_050f_c4dc);
    }

    #[test]
    fn messages_of_all_lengths_hash_as_the_standard_librarys_siphash_1_3() {
        let message: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in 0..message.len() {
            let mut standard = DefaultHasher::new();
            standard.write(&message[..length]);
            assert_eq!(
                siphash13([0, 0], &message[..length]),
                standard.finish(),
                "{length}"
            );
        }
    }

    #[test]
    fn known_answers_of_the_other_hashes() {
        assert_eq!(fold("192.0.2.1".parse().unwrap()), 0xc000_0201);
        assert_eq!(
            fold("2001:db8::1:2:3".parse().unwrap()),
            0x2001_0db8 ^ 0x0001 ^ 0x0002_0003
        );
        assert_eq!(golden(1, 8), 0x61);
        assert_eq!(golden(1, 32), 0x61c8_8647);
        assert_eq!(golden(0xffff_ffff, 8), 0x9e);
    }

    #[test]
    fn a_server_and_its_ipv4_mapped_address_are_the_same() {
        let plain = "192.0.2.1:80".parse().unwrap();
        let mapped = "[::ffff:192.0.2.1]:80".parse().unwrap();
        assert_eq!(endpoint([1, 2], plain), endpoint([1, 2], mapped));
        assert_ne!(
            endpoint([1, 2], plain),
            endpoint([1, 2], "192.0.2.1:81".parse().unwrap())
        );
    }
}
