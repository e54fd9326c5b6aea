//! How many clients of a hashing plan get another server by the next one. Pure.

use std::collections::BTreeMap;

use crate::groups::Group;
use crate::model::Share;
use crate::state::{BackendId, Selector, Spread};

/// The weight of each server that a plan was made for.
pub type Weights = BTreeMap<BackendId, u32>;

/// The shares of all clients that get another server by a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// Those whom a change of the servers explains: the server that they leave has less weight than before, or the one
    /// that they get has more.
    pub explained: Share,
    /// All others.
    pub unexplained: Share,
}

/// The share of all clients that get another server although no change of the servers explains it. `None`: as
/// [`moves`].
#[must_use]
pub fn moved(before: (&Spread, &Weights), after: (&Spread, &Weights)) -> Option<Share> {
    moves(before, after).map(|moves| moves.unexplained)
}

/// The shares of all clients that get another server. `None`: not both plans hash the same thing.
///
/// The kernel has a hash choose a place between the first slot and the last, so that plans of different length can be
/// compared, too. Of plans in groups each group is compared with that of the same number, as far as both hash the same
/// thing, and the one counts that moves the greatest share of its own clients: nobody knows how many clients come to a
/// group.
#[must_use]
pub fn moves(before: (&Spread, &Weights), after: (&Spread, &Weights)) -> Option<Moves> {
    let weight = |of: &Weights, id| of.get(&id).copied().unwrap_or(0);
    let explained = |from: BackendId, to: BackendId| {
        weight(after.1, from) < weight(before.1, from) || weight(after.1, to) > weight(before.1, to)
    };
    match (before.0, after.0) {
        (
            Spread::Slots { selector, slots },
            Spread::Slots {
                selector: same,
                slots: then,
            },
        ) => moves_of_table((*selector, slots), (*same, then), explained),
        (Spread::Groups(was), Spread::Groups(is)) => {
            let both = was.groups.iter().zip(&is.groups);
            let moves = both.filter_map(|(was, is)| moves_of_group(was, is, explained));
            moves.max_by_key(|it| it.unexplained.hundredths())
        }
        _ => None,
    }
}

fn moves_of_group(
    was: &Group,
    is: &Group,
    explained: impl Fn(BackendId, BackendId) -> bool,
) -> Option<Moves> {
    match (was, is) {
        (
            Group::Servers { selector, slots },
            Group::Servers {
                selector: same,
                slots: then,
            },
        ) => moves_of_table((*selector, slots), (*same, then), explained),
        (
            Group::Split { selector, slots },
            Group::Split {
                selector: same,
                slots: then,
            },
        ) => moves_of_table((*selector, slots), (*same, then), |_, _| false),
        _ => None,
    }
}

fn moves_of_table<T: Copy + PartialEq>(
    (selector, was): (Selector, &[T]),
    (same, is): (Selector, &[T]),
    explained: impl Fn(T, T) -> bool,
) -> Option<Moves> {
    if selector != same || !selector.is_hash() || was.is_empty() || is.is_empty() {
        return None;
    }
    // Of both plans a slot is as wide as the other plan has slots.
    let (width_was, width_is) = (wide(is.len()), wide(was.len()));
    let (mut unexplained, mut with_reason, mut at) = (0, 0, 0);
    let (mut old, mut new) = (was.iter().zip(1_u64..), is.iter().zip(1_u64..));
    let (mut from, mut to) = (old.next(), new.next());
    while let (Some((a, nth)), Some((b, mth))) = (from, to) {
        let (end_a, end_b) = (nth * width_was, mth * width_is);
        let end = end_a.min(end_b);
        if a != b {
            let moved = if explained(*a, *b) {
                &mut with_reason
            } else {
                &mut unexplained
            };
            *moved += end - at;
        }
        at = end;
        if end_a == end {
            from = old.next();
        }
        if end_b == end {
            to = new.next();
        }
    }
    let share = |part: u64| {
        let hundredths = (part * u64::from(Share::ALL.hundredths())).div_ceil(at.max(1));
        u16::try_from(hundredths).ok().and_then(Share::new)
    };
    Some(Moves {
        explained: share(with_reason)?,
        unexplained: share(unexplained)?,
    })
}

fn wide(slots: usize) -> u64 {
    u64::try_from(slots).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::Groups;

    fn id(n: u32) -> BackendId {
        BackendId::new(n).unwrap()
    }

    fn plan(selector: Selector, slots: &[u32]) -> Spread {
        Spread::Slots {
            selector,
            slots: slots.iter().map(|n| id(*n)).collect(),
        }
    }

    fn weights(of: &[(u32, u32)]) -> Weights {
        of.iter().map(|(n, weight)| (id(*n), *weight)).collect()
    }

    #[test]
    fn clients_count_that_move_between_servers_that_are_as_they_were() {
        let even = &[(1, 1), (2, 1), (3, 1)][..];
        let one_failed = &[(1, 0), (2, 1), (3, 1)][..];
        let one_drains = &[(1, 10), (2, 1), (3, 1)][..];
        // Slots and weights before, slots and weights after, what has moved.
        let cases: [(&[u32], _, &[u32], _, u16); 9] = [
            (&[1, 2, 3, 1], even, &[1, 2, 3, 1], even, 0),
            (&[1, 2, 3, 1], even, &[1, 2, 3, 2], even, 2_500),
            (&[1, 2, 3, 1], even, &[2, 3, 1, 2], even, 10_000),
            // A failed server's own, and those of one that is back.
            (&[1, 2, 3, 1], even, &[2, 2, 3, 3], one_failed, 0),
            (&[2, 2, 3, 3], one_failed, &[1, 2, 3, 1], even, 0),
            (&[1, 2, 3, 1], even, &[2, 3, 2, 3], one_failed, 5_000),
            // Less weight.
            (&[1, 1, 2, 3], one_drains, &[2, 3, 2, 3], even, 0),
            // Twice as many slots, and three for two.
            (&[1, 2], even, &[1, 1, 2, 2], even, 0),
            (&[1, 2], even, &[1, 2, 2], even, 1_667),
        ];
        for (was, before, is, after, expected) in cases {
            let (a, b) = (
                plan(Selector::HashSource, was),
                plan(Selector::HashSource, is),
            );
            let moved = moved((&a, &weights(before)), (&b, &weights(after)));
            assert_eq!(moved, Share::new(expected), "{was:?} -> {is:?}");
        }
    }

    #[test]
    fn clients_of_a_server_that_has_failed_move_for_a_reason() {
        let plan = |slots| plan(Selector::HashSource, slots);
        let (before, after) = (
            weights(&[(1, 1), (2, 1), (3, 1)]),
            weights(&[(2, 1), (3, 1)]),
        );
        let moves = moves(
            (&plan(&[1, 2, 3, 1]), &before),
            (&plan(&[2, 2, 2, 3]), &after),
        );
        let shares = moves.map(|it| [it.explained, it.unexplained].map(|it| it.to_string()));
        assert_eq!(shares.unwrap(), ["50%", "25%"]);
    }

    #[test]
    fn plans_that_do_not_hash_the_same_are_not_compared() {
        let none = Weights::new();
        let hashed = plan(Selector::HashSource, &[1, 2]);
        for other in [
            plan(Selector::HashFlow, &[1, 2]),
            plan(Selector::Sequence, &[1, 2]),
            Spread::Refuse,
        ] {
            assert_eq!(moved((&hashed, &none), (&other, &none)), None);
            assert_eq!(moved((&other, &none), (&hashed, &none)), None);
        }
    }

    #[test]
    fn of_plans_in_groups_the_group_counts_that_moves_most_of_its_own_clients() {
        let hashed = |ids: &[u32]| Group::Servers {
            selector: Selector::HashSource,
            slots: ids.iter().map(|n| id(*n)).collect(),
        };
        let split = |slots: &[usize]| Group::Split {
            selector: Selector::HashSource,
            slots: slots.to_vec(),
        };
        let groups = |groups: &[Group]| {
            Spread::Groups(Groups {
                groups: groups.to_vec(),
                clients: Vec::new(),
            })
        };
        let all = weights(&[(1, 1), (2, 1), (3, 1)]);
        let less = weights(&[(1, 1), (2, 1)]);
        let was = groups(&[split(&[1, 2]), hashed(&[1, 2]), hashed(&[2, 3, 2, 3])]);
        let cases = [
            (was.clone(), &all, 0),
            // Of the third group's clients a quarter.
            (
                groups(&[split(&[1, 2]), hashed(&[1, 2]), hashed(&[2, 3, 3, 3])]),
                &all,
                2_500,
            ),
            (
                groups(&[split(&[1, 2]), hashed(&[1, 2]), hashed(&[2, 2, 2, 2])]),
                &less,
                0,
            ),
            // From one group to another.
            (
                groups(&[split(&[1, 1]), hashed(&[1, 2]), hashed(&[2, 3, 2, 3])]),
                &all,
                5_000,
            ),
        ];
        for (is, after, expected) in cases {
            let moved = moved((&was, &all), (&is, after));
            assert_eq!(moved, Share::new(expected), "{is:?}");
        }
        let flat = plan(Selector::HashSource, &[1, 2]);
        assert_eq!(moved((&was, &all), (&flat, &all)), None);
    }

    #[test]
    fn shares_are_shown_in_percent() {
        let shown = |hundredths| Share::new(hundredths).unwrap().to_string();
        assert_eq!(
            [0, 500, 1_667, 1_650, 5, 10_000].map(shown),
            ["0%", "5%", "16.67%", "16.5%", "0.05%", "100%"]
        );
        assert_eq!(Share::new(10_001), None);
    }
}
