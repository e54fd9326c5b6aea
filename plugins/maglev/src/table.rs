//! The lookup table: every server has a preference list of slots (a permutation given by an offset and a
//! step), and takes the next slot of its list that is free whenever it is its turn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_sdk::{Backend, hash};

/// Keys of the hashes for offsets, for steps and for who is first among equals.
const OFFSET: [u64; 2] = [0x6576_656e_6b65_656c, 1];
const STEP: [u64; 2] = [0x6576_656e_6b65_656c, 2];
const ORDER: [u64; 2] = [0x6576_656e_6b65_656c, 3];
const CLIENT: [u64; 2] = [0x6576_656e_6b65_656c, 4];

/// When it is a server's turn: in the order of the fraction `due / weight`, then of a hash of the
/// server, which is the same on every director.
#[derive(PartialEq, Eq)]
struct Turn {
    /// Twice the slots that it has taken, and 1; but 0 before the first, so that every server has one.
    due: u64,
    weight: u64,
    order: u64,
    /// Its place among the servers.
    server: usize,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let mine = self.due * other.weight;
        mine.cmp(&(other.due * self.weight))
            .then(self.order.cmp(&other.order))
            .then(self.server.cmp(&other.server))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// For each of `size` slots (a prime number) the place of its server in `servers`, all of which have a
/// weight above 0.
pub(crate) fn fill(servers: &[&Backend], size: u32) -> Vec<usize> {
    let mut ways: Vec<(u32, u32)> = servers
        .iter()
        .map(|backend| {
            let offset = reduce(hash::endpoint(OFFSET, backend.endpoint), size);
            let step = reduce(hash::endpoint(STEP, backend.endpoint), size - 1) + 1;
            (offset, step)
        })
        .collect();
    let mut turns: BinaryHeap<Reverse<Turn>> = servers
        .iter()
        .enumerate()
        .map(|(server, backend)| {
            Reverse(Turn {
                due: 0,
                weight: backend.weight.into(),
                order: hash::endpoint(ORDER, backend.endpoint),
                server,
            })
        })
        .collect();
    let mut table = vec![None; size as usize];
    for taken in 0.. {
        let Some(mut first) = turns.peek_mut().filter(|_| taken < size) else {
            break;
        };
        let turn = &mut first.0;
        let (next, step) = &mut ways[turn.server];
        while table[*next as usize].is_some() {
            *next += *step;
            *next -= if *next >= size { size } else { 0 };
        }
        table[*next as usize] = Some(turn.server);
        turn.due += if turn.due == 0 { 3 } else { 2 };
    }
    table.into_iter().flatten().collect()
}

/// The slot number of a client.
pub(crate) fn slot(client: std::net::SocketAddr, size: u32) -> u32 {
    reduce(hash::endpoint(CLIENT, client), size)
}

/// A hash modulo `size`.
fn reduce(hash: u64, size: u32) -> u32 {
    u32::try_from(hash % u64::from(size)).unwrap_or(0)
}

/// Whether a preference list with any step visits all slots.
pub(crate) fn is_prime(size: u32) -> bool {
    size >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= size)
            .all(|divisor| !size.is_multiple_of(divisor))
}
