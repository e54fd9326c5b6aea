//! Numbers that look random and are the same everywhere, so that both directors of a pair agree.

use std::net::{IpAddr, SocketAddr};

/// A number for a server. Made of its address, since its place and number may differ between directors.
pub fn of(endpoint: SocketAddr) -> u64 {
    let ip = match endpoint.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let words = ip.segments().into_iter().chain([endpoint.port()]);
    words.fold(0, |hash, word| mix(hash ^ u64::from(word)))
}

/// A number above 0 and below 1 for a server and a slot.
pub fn draw(seed: u64, slot: u32) -> f64 {
    // The upper 52 bits as the fraction of a number from 1 to 2, half a step further and less 1.
    let bits = mix(seed ^ mix(slot.into())) >> 12;
    f64::from_bits(1.0_f64.to_bits() | bits) - 1.0 + f64::EPSILON / 2.0
}

/// Every bit of the result depends on every bit of `x`: the finalizer of `SplitMix64` (Steele, Lea and
/// Flood, 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
