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
    /// The servers, the next one first. Those that were chosen in the present turn stand behind those
    /// that were not.
    turn: VecDeque<usize>,
    /// How many of the turn are left.
    left: usize,
}

impl Group {
    /// What orders the groups: the most credit, then the first server.
    fn claim(&self) -> (i64, std::cmp::Reverse<usize>) {
        (
            self.credit,
            std::cmp::Reverse(self.turn.front().copied().unwrap_or(usize::MAX)),
        )
    }

    /// Chooses the next server. Each has paid once when the turn is over, which is when the credit of
    /// the next one is less.
    fn choose(&mut self, total: i64) -> Option<usize> {
        let chosen = self.turn.pop_front()?;
        self.turn.push_back(chosen);
        self.left -= 1;
        if self.left == 0 {
            self.left = self.turn.len();
            self.credit -= total;
        }
        Some(chosen)
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
        .map(|(share, turn)| Group {
            share: share.into(),
            credit: 0,
            left: turn.len(),
            turn,
        })
        .collect();
    let total: i64 = shares.iter().copied().map(i64::from).sum();
    let mut round = Vec::new();
    for _ in 0..total {
        for group in &mut groups {
            group.credit += group.share;
        }
        let first = groups.iter_mut().max_by_key(|group| group.claim());
        round.extend(first.and_then(|group| group.choose(total)));
    }
    round
}
