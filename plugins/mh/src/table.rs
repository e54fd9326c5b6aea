//! The lookup table: every server has a preference list of slots (a permutation given by an offset and
//! a step), and servers in turn take the next slot of their list that is free.

use evenkeel_sdk::{Backend, hash};

/// Slots: a prime, what the kernel has by default (`CONFIG_IP_VS_MH_TAB_INDEX=12`).
pub(crate) const SIZE: u32 = 4093;

/// The highest number of slots that a server takes at once has that many bits.
const TURN_BITS: u32 = 6;

/// Keys of the hashes for offsets (and clients) and for steps.
const OFFSET: [u64; 2] = [2_654_435_761; 2];
const STEP: [u64; 2] = [2_654_446_892; 2];

/// The slot number of an address and port for a try.
pub(crate) fn slot(folded: u32, port: u16, shift: u32) -> u32 {
    hashed(OFFSET, folded, port, shift) % SIZE
}

/// The kernel's `hsiphash` of one number on a 64-bit machine: the lower half of SipHash-1-3.
fn hashed(key: [u64; 2], folded: u32, port: u16, shift: u32) -> u32 {
    let word = folded.wrapping_add(port.into()).wrapping_add(shift);
    let bytes = hash::siphash13(key, &word.to_le_bytes()).to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A server on its way through its preference list.
struct Taker {
    /// Its place among the servers.
    server: usize,
    next: u32,
    step: u32,
    /// Slots that it takes at once.
    turns: u32,
}

/// For every slot the place of its server in `servers`, which are given with the weight that counts.
/// Empty if no weight is above 0.
pub(crate) fn fill(servers: &[(&Backend, u32)]) -> Vec<usize> {
    let mut takers = takers(servers);
    let mut table = vec![None; SIZE as usize];
    let mut free = table.len();
    while free > 0 && !takers.is_empty() {
        for taker in &mut takers {
            for _ in 0..taker.turns.min(u32::try_from(free).unwrap_or(u32::MAX)) {
                while table[taker.next as usize].is_some() {
                    taker.next = (taker.next + taker.step) % SIZE;
                }
                table[taker.next as usize] = Some(taker.server);
                free -= 1;
            }
        }
    }
    table.into_iter().flatten().collect()
}

/// Those that take slots, in the order of the servers.
fn takers(servers: &[(&Backend, u32)]) -> Vec<Taker> {
    let divisor = servers
        .iter()
        .map(|(_, weight)| *weight)
        .fold(0, gcd)
        .max(1);
    let greatest = servers.iter().map(|(_, weight)| *weight).max().unwrap_or(0) / divisor;
    let bits = u32::BITS - greatest.leading_zeros();
    let shift = bits.saturating_sub(TURN_BITS);
    servers
        .iter()
        .enumerate()
        .filter(|(_, (_, weight))| *weight > 0)
        .map(|(server, (backend, weight))| {
            let (address, port) = (hash::fold(backend.endpoint.ip()), backend.endpoint.port());
            Taker {
                server,
                next: slot(address, port, 0),
                step: hashed(STEP, address, port, 0) % (SIZE - 1) + 1,
                turns: ((weight / divisor) >> shift).max(1),
            }
        })
        .collect()
}

/// Euclid's.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
