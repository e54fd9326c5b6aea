//! How close the shares in the kernel come to those of the scheduler's plan.

use std::collections::BTreeMap;
use std::fmt;

use super::widths::counts;
use crate::state::{BackendId, Selector, Spread};

/// How close what is held comes to what was wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fidelity {
    /// By how much the shares of one server differ at the most: 0 to 1 of all connections.
    pub share: f64,
    /// Whether what is to be in turn is in turn, what is to be random is random, and what is to be hashed is hashed.
    pub same_selector: bool,
    /// Whether it is a sequence, in which the order may be another one.
    pub sequence: bool,
    /// What was wanted leads clients to groups, which IPVS cannot: only the servers' shares are held.
    pub groups_lost: bool,
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.share == 0.0 {
            f.write_str("shares exact")?;
        } else {
            write!(
                f,
                "shares within {:.1} %",
                (self.share * 1000.0).ceil() / 10.0
            )?;
        }
        f.write_str(match (self.same_selector, self.sequence) {
            (true, true) => ", in IPVS's order",
            (true, false) => ", by IPVS's hash",
            (false, true) => ", in turn, since IPVS has nothing random",
            (false, false) => ", by IPVS's hash of the whole address",
        })?;
        if self.groups_lost {
            f.write_str("; not by groups, which IPVS does not have")?;
        }
        Ok(())
    }
}

/// How close the slots in force come to those that were wanted.
#[must_use]
pub fn fidelity(wanted: &Spread, held: &Spread) -> Fidelity {
    let groups_lost = matches!(wanted, Spread::Groups(_)) && !matches!(held, Spread::Groups(_));
    let (wanted, held) = (&*wanted.flat(), &*held.flat());
    let shares = |spread: &Spread| -> BTreeMap<BackendId, f64> {
        let Spread::Slots { slots, .. } = spread else {
            return BTreeMap::new();
        };
        let all = slots.len() as f64;
        let counts = counts(slots).into_iter();
        counts
            .map(|(id, count)| (id, f64::from(count) / all))
            .collect()
    };
    let selector = |spread: &Spread| match spread {
        Spread::Slots { selector, .. } => Some(*selector),
        Spread::Refuse | Spread::Groups(_) => None,
    };
    let (wanted_shares, held_shares) = (shares(wanted), shares(held));
    let share = wanted_shares
        .keys()
        .chain(held_shares.keys())
        .map(|id| {
            let of = |shares: &BTreeMap<BackendId, f64>| shares.get(id).copied().unwrap_or(0.0);
            (of(&wanted_shares) - of(&held_shares)).abs()
        })
        .fold(0.0, f64::max);
    Fidelity {
        // What is a rounding of fractions is none of the shares.
        share: if share < 1e-9 { 0.0 } else { share },
        same_selector: selector(wanted) == selector(held),
        sequence: selector(held) == Some(Selector::Sequence),
        groups_lost,
    }
}
