//! Smooth weighted round robin, as nginx's upstream module has it since 1.3.1: in each step every
//! server gains its share as credit, and the one with the most credit (of equals the first) is chosen
//! and pays the sum of all shares.
//!
//! Servers with equal shares take turns in order, so only the next one of them need be looked at: a
//! step costs the number of different shares, which is small whatever the number of servers.

use std::collections::{BTreeMap, VecDeque};

/// Servers with the same share.
struct Group {
    share: i64,
    /// Credit of the next server.
    credit: i64,
    /// The next server.
    next: usize,
    /// The servers, the next one first: those that were not chosen in the present turn before those
    /// that were.
    turn: VecDeque<usize>,
    /// How many of the turn are left.
    left: usize,
}

impl Group {
    fn new(share: u32, turn: VecDeque<usize>) -> Self {
        let next = turn.front().copied().unwrap_or(0);
        Self {
            share: share.into(),
            credit: 0,
            next,
            left: turn.len(),
            turn,
        }
    }

    /// Whether this group's next server is chosen before the other's: the most credit, then the first.
    fn precedes(&self, other: &Self) -> bool {
        self.credit > other.credit || (self.credit == other.credit && self.next < other.next)
    }

    /// Chooses the next server. Each has paid once when the turn is over, which is when the credit of
    /// the next one is less.
    fn choose(&mut self, total: i64) -> usize {
        let chosen = self.next;
        self.turn.rotate_left(1);
        self.next = self.turn.front().copied().unwrap_or(chosen);
        self.left -= 1;
        if self.left == 0 {
            self.left = self.turn.len();
            self.credit -= total;
        }
        chosen
    }
}

/// One round: the servers by their place in `shares`, each as often as its share says.
pub(crate) fn interleave(shares: &[u32]) -> Vec<usize> {
    let mut same: BTreeMap<u32, VecDeque<usize>> = BTreeMap::new();
    for (server, share) in shares.iter().enumerate() {
        same.entry(*share).or_default().push_back(server);
    }
    let mut groups: Vec<Group> = same
        .into_iter()
        .map(|(share, turn)| Group::new(share, turn))
        .collect();
    let total: i64 = shares.iter().copied().map(i64::from).sum();
    let mut round = Vec::new();
    for _ in 0..total {
        let mut first: Option<&mut Group> = None;
        for group in &mut groups {
            group.credit += group.share;
            if first.as_ref().is_none_or(|first| group.precedes(first)) {
                first = Some(group);
            }
        }
        round.extend(first.map(|first| first.choose(total)));
    }
    round
}
