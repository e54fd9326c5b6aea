//! How far two plans for the same servers differ, and how even a plan is against the servers' weights. Pure.

use std::collections::BTreeMap;

use crate::model::Share;
use crate::movement::{self, Weights};
use crate::state::{BackendId, Spread};

/// How much of what is new one plan would send elsewhere than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The share that would go elsewhere.
    pub share: Share,
    /// The share of what.
    pub of: Compared,
}

/// What two plans are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// By clients: both plans hash the same thing, so each client has its server in both ([`movement::moves`]).
    Clients,
    /// By connections: nobody can tell which one takes which slot, so only the servers' shares of all slots count. This
    /// share of the connections goes elsewhere at least.
    Connections,
}

/// How uneven a plan is against the servers' weights: how far the server that is farthest from its weighted share of the
/// slots is from that, in percent of all slots. `None`: there are no slots, or no weights.
#[must_use]
pub fn uneven(plan: &Spread, weights: &Weights) -> Option<Share> {
    let plan = plan.flat();
    let slots = slots(&plan)?;
    let all_slots = number(slots.len());
    let all_weights: u128 = weights.values().map(|weight| u128::from(*weight)).sum();
    if all_weights == 0 {
        return None;
    }
    let mut counts = counts(slots);
    for id in weights.keys() {
        counts.entry(*id).or_default();
    }
    let deviation = |(id, count): (&BackendId, &u128)| {
        let weight = weights.get(id).copied().map_or(0, u128::from);
        (count * all_weights).abs_diff(weight * all_slots)
    };
    let most = counts.iter().map(deviation).max().unwrap_or(0);
    Some(Share::of(most, all_slots * all_weights))
}

/// How much the second plan would send elsewhere than the first. Both are for the same servers. A plan that refuses
/// connections sends all of them elsewhere than one that does not.
#[must_use]
pub fn difference(first: &Spread, second: &Spread) -> Difference {
    let none = Weights::new();
    // Of the same servers nothing is explained by them.
    if let Some(share) = movement::moved((first, &none), (second, &none)) {
        let of = Compared::Clients;
        return Difference { share, of };
    }
    let (first, second) = (first.flat(), second.flat());
    let share = match (slots(&first), slots(&second)) {
        (None, None) => Share::NONE,
        (Some(first), Some(second)) => apart(first, second),
        (Some(_), None) | (None, Some(_)) => Share::ALL,
    };
    Difference {
        share,
        of: Compared::Connections,
    }
}

/// What servers of the first plan lose in the second.
fn apart(first: &[BackendId], second: &[BackendId]) -> Share {
    let (all_first, all_second) = (number(first.len()), number(second.len()));
    let second = counts(second);
    let lost = counts(first).into_iter().map(|(id, count)| {
        let then = second.get(&id).copied().unwrap_or(0);
        (count * all_second).saturating_sub(then * all_first)
    });
    Share::of(lost.sum(), all_first * all_second)
}

fn slots(plan: &Spread) -> Option<&[BackendId]> {
    match plan {
        Spread::Slots { slots, .. } if !slots.is_empty() => Some(slots),
        Spread::Slots { .. } | Spread::Refuse | Spread::Groups(_) => None,
    }
}

fn counts(slots: &[BackendId]) -> BTreeMap<BackendId, u128> {
    let mut counts = BTreeMap::new();
    for id in slots {
        *counts.entry(*id).or_default() += 1;
    }
    counts
}

fn number(count: usize) -> u128 {
    u128::try_from(count).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Selector;

    fn id(n: u32) -> BackendId {
        BackendId::new(n).unwrap()
    }

    fn plan(selector: Selector, slots: &[u32]) -> Spread {
        Spread::Slots {
            selector,
            slots: slots.iter().map(|n| id(*n)).collect(),
        }
    }

    #[test]
    fn plans_differ_by_the_clients_or_by_the_least_share_of_connections_that_goes_elsewhere() {
        use Compared::{Clients, Connections};
        use Selector::{HashFlow, HashSource, Random, Sequence};
        let cases: [(_, &[u32], _, &[u32], _, u16); 12] = [
            (Sequence, &[1, 2], Sequence, &[1, 2], Connections, 0),
            // Where the turn begins means nothing, nor how long a plan is.
            (Sequence, &[1, 2], Sequence, &[2, 1], Connections, 0),
            (Sequence, &[1, 2], Random, &[1, 1, 2, 2], Connections, 0),
            (Sequence, &[1, 2], Sequence, &[1], Connections, 5_000),
            (Sequence, &[1, 2, 3], Random, &[1, 1, 2], Connections, 3_334),
            (Random, &[1, 2], Random, &[3, 4], Connections, 10_000),
            (HashSource, &[1, 2], HashSource, &[1, 2], Clients, 0),
            // Each client has another server, although the shares are the same.
            (HashSource, &[1, 2], HashSource, &[2, 1], Clients, 10_000),
            (HashFlow, &[1, 2, 1, 2], HashFlow, &[1, 2], Clients, 5_000),
            (HashFlow, &[1, 2], HashSource, &[2, 1], Connections, 0),
            (HashFlow, &[1, 2], Random, &[1, 1, 1, 2], Connections, 2_500),
            (Random, &[1, 1, 1, 2], HashFlow, &[1, 2], Connections, 2_500),
        ];
        for (one, first, other, second, of, share) in cases {
            let (first, second) = (plan(one, first), plan(other, second));
            let expected = Difference {
                share: Share::new(share).unwrap(),
                of,
            };
            assert_eq!(
                difference(&first, &second),
                expected,
                "{first:?} {second:?}"
            );
        }
    }

    #[test]
    fn a_plan_that_refuses_differs_in_everything_from_one_that_does_not() {
        let some = plan(Selector::Random, &[1]);
        let share = |a, b| difference(a, b).share;
        assert_eq!(share(&Spread::Refuse, &Spread::Refuse), Share::NONE);
        assert_eq!(share(&some, &Spread::Refuse), Share::ALL);
        assert_eq!(share(&Spread::Refuse, &some), Share::ALL);
    }

    #[test]
    fn a_plan_is_as_uneven_as_the_server_that_is_farthest_from_its_weighted_share() {
        type Case<'a> = (&'a [u32], &'a [(u32, u32)], Option<u16>);
        let cases: [Case<'_>; 8] = [
            (&[1, 2, 3], &[(1, 1), (2, 1), (3, 1)], Some(0)),
            (&[1, 1, 2], &[(1, 2), (2, 1)], Some(0)),
            (&[1, 2], &[(1, 3), (2, 1)], Some(2_500)),
            // All to one of three.
            (&[1], &[(1, 1), (2, 1), (3, 1)], Some(6_667)),
            // A server without a slot, one without a weight.
            (&[1, 1, 2, 2], &[(1, 1), (2, 1), (3, 2)], Some(5_000)),
            (&[1, 2], &[(1, 1), (2, 0)], Some(5_000)),
            (&[1, 2], &[(1, 0), (2, 0)], None),
            (&[], &[(1, 1)], None),
        ];
        for (slots, weights, expected) in cases {
            let weights = weights.iter().map(|(n, it)| (id(*n), *it)).collect();
            let plan = plan(Selector::HashSource, slots);
            let expected = expected.and_then(Share::new);
            assert_eq!(uneven(&plan, &weights), expected, "{plan:?} {weights:?}");
        }
        assert_eq!(uneven(&Spread::Refuse, &[(id(1), 1)].into()), None);
    }
}
