//! Spreads in groups: a service's clients are led to groups of servers, by their networks and by shares, and each group
//! is spread in a way of its own.
//!
//! A connection begins in the group that its client's network names, or else in the first. A group that is split sends
//! it on to a later one, until it comes to one of servers. So there is no circle, and the kernel finds the server by one
//! pass over the groups.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::mark::BackendId;
use crate::selector::Selector;
use crate::slot_hash;

mod clients;
mod describe;
#[cfg(test)]
mod tests;

pub use self::clients::{Clients, clients};
pub use self::describe::layout;

/// The most groups that a spread may have.
pub const MAX_GROUPS: usize = 64;

/// The slots that stand for groups where there can be only one table: a number that many are divisors of.
const FLAT: f64 = 5_040.0;

/// Where clients are led to, and how each group is spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The groups. The first one is everybody's whom `clients` does not name. Never empty, [`MAX_GROUPS`] at most.
    pub groups: Vec<Group>,
    /// Who begins in another group than the first: in order, none twice, none next to another of the same group.
    pub clients: Vec<Clients>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// TCP is answered with a reset, UDP with ICMP port unreachable.
    Refuse,
    /// By these slots. Never empty.
    Servers {
        /// Which slot a connection takes.
        selector: Selector,
        /// The slots, in order.
        slots: Vec<BackendId>,
    },
    /// On to later groups, each by its number. Never empty.
    Split {
        /// Which slot a connection takes.
        selector: Selector,
        /// The slots, in order.
        slots: Vec<usize>,
    },
}

impl Group {
    /// How many slots it has.
    #[must_use]
    pub fn slots(&self) -> usize {
        match self {
            Self::Refuse => 0,
            Self::Servers { slots, .. } => slots.len(),
            Self::Split { slots, .. } => slots.len(),
        }
    }
}

/// What becomes of a client's next connection, as far as it can be known before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Led {
    /// The groups that it passes, by their numbers. A selector that does not hash leaves open where it goes on.
    pub through: Vec<usize>,
    /// Whose slot it gets, and which of the last group's.
    pub to: Option<(usize, BackendId)>,
}

impl Groups {
    /// The group in which a client's connections begin.
    #[must_use]
    pub fn start(&self, client: IpAddr) -> usize {
        let after = self.clients.partition_point(|it| it.first <= client);
        after
            .checked_sub(1)
            .and_then(|at| self.clients.get(at))
            .filter(|it| it.last >= client && it.first.is_ipv4() == client.is_ipv4())
            .map_or(0, |it| it.group)
    }

    /// Where a client's connection to the service is led. A client's port of 0: it is not known.
    #[must_use]
    pub fn led(&self, client: SocketAddr, service: SocketAddr) -> Led {
        let mut through = vec![self.start(client.ip())];
        while let Some(group) = through.last().and_then(|at| self.groups.get(*at)) {
            let number = through.last().copied().unwrap_or(0);
            let slot = |selector: Selector, slots: usize| {
                let known = client.port() != 0 || selector != Selector::HashFlow;
                let seed = seed(number);
                known
                    .then(|| slot_hash::slot(selector, client, service, slots, seed))
                    .flatten()
            };
            match group {
                Group::Refuse => break,
                Group::Servers { selector, slots } => {
                    let to = slot(*selector, slots.len())
                        .and_then(|at| slots.get(at).map(|id| (at, *id)));
                    return Led { through, to };
                }
                Group::Split { selector, slots } => {
                    match slot(*selector, slots.len()).and_then(|at| slots.get(at)) {
                        // Only to later ones.
                        Some(next) if *next > number => through.push(*next),
                        _ => break,
                    }
                }
            }
        }
        Led { through, to: None }
    }

    /// As the kernel has them for a service of one IP version.
    #[must_use]
    pub fn in_family(mut self, v4: bool) -> Self {
        for group in &mut self.groups {
            match group {
                Group::Refuse => {}
                Group::Servers { selector, .. } | Group::Split { selector, .. } => {
                    *selector = selector.in_family(v4);
                }
            }
        }
        self.clients.retain(|it| it.first.is_ipv4() == v4);
        self
    }

    /// The servers that have a slot.
    #[must_use]
    pub fn servers(&self) -> BTreeSet<BackendId> {
        let slots = self.groups.iter().filter_map(|group| match group {
            Group::Servers { slots, .. } => Some(slots),
            Group::Refuse | Group::Split { .. } => None,
        });
        slots.flatten().copied().collect()
    }

    /// How many slots all groups have together.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.groups.iter().map(Group::slots).sum()
    }

    /// Whether a later spread has a slot of the same meaning wherever this one has one: what the slots lead to, and how
    /// clients come to a group, may differ.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let shape = |group: &Group| match group {
            Group::Refuse => (0, 0),
            Group::Servers { slots, .. } => (1, slots.len()),
            Group::Split { slots, .. } => (2, slots.len()),
        };
        let shapes = |it: &Self| it.groups.iter().map(shape).collect::<Vec<_>>();
        shapes(self) == shapes(other)
    }

    /// Without servers that take no connections any more (`taking`: those that do). In a hash table the others of their
    /// group take their slots in turn. A group that none is left of refuses, and those who are split get the others
    /// instead; which other group is to take over is for the scheduler to say. `None`: no server is left in any.
    #[must_use]
    pub fn without_failed(&self, taking: &BTreeSet<BackendId>) -> Option<Self> {
        let mut dead = BTreeSet::new();
        let mut groups = self.groups.clone();
        // Splits lead to later groups.
        for (number, group) in groups.iter_mut().enumerate().rev() {
            let left = match group {
                Group::Refuse => continue,
                Group::Servers { selector, slots } => {
                    heirs(slots, *selector, |id| taking.contains(id)).map(|slots| Group::Servers {
                        selector: *selector,
                        slots,
                    })
                }
                Group::Split { selector, slots } => heirs(slots, Selector::HashSource, |to| {
                    !dead.contains(to)
                })
                .map(|slots| Group::Split {
                    selector: *selector,
                    slots,
                }),
            };
            *group = left.unwrap_or_else(|| {
                dead.insert(number);
                Group::Refuse
            });
        }
        let clients = self.clients.clone();
        let left = Self { groups, clients };
        (!left.servers().is_empty()).then_some(left)
    }

    /// One table that gives each server the share that it has of clients whose network names no group. In turn, unless
    /// all of them are hashed alike. What is refused has no share. `None`: nobody has one.
    #[must_use]
    pub fn flat(&self) -> Option<(Selector, Vec<BackendId>)> {
        let mut shares: BTreeMap<BackendId, f64> = BTreeMap::new();
        let mut selectors: BTreeSet<&'static str> = BTreeSet::new();
        let mut selector = Selector::Sequence;
        let mut of_group = vec![0.0; self.groups.len()];
        if let Some(first) = of_group.first_mut() {
            *first = 1.0;
        }
        for (number, group) in self.groups.iter().enumerate() {
            let share = of_group.get(number).copied().unwrap_or(0.0);
            if share <= 0.0 {
                continue;
            }
            let each = share / group.slots().max(1) as f64;
            match group {
                Group::Refuse => {}
                Group::Servers {
                    selector: own,
                    slots,
                } => {
                    for id in slots {
                        *shares.entry(*id).or_default() += each;
                    }
                    selectors.insert(word(*own));
                    selector = *own;
                }
                Group::Split {
                    selector: own,
                    slots,
                } => {
                    for to in slots {
                        if let Some(sum) = of_group.get_mut(*to) {
                            *sum += each;
                        }
                    }
                    selectors.insert(word(*own));
                }
            }
        }
        let all: f64 = shares.values().sum();
        if all <= 0.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least one, and as many as there are at most"
        )]
        let whole = |share: f64| (share / all * FLAT).round().max(1.0) as usize;
        let widths: Vec<(BackendId, usize)> = shares
            .into_iter()
            .map(|(id, share)| (id, whole(share)))
            .collect();
        let divisor = widths.iter().fold(0, |sum, (_, width)| gcd(sum, *width));
        let slots = widths
            .into_iter()
            .flat_map(|(id, width)| vec![id; width / divisor.max(1)])
            .collect();
        let alike = selectors.len() == 1 && selector.is_hash();
        let selector = if alike { selector } else { Selector::Sequence };
        Some((selector, slots))
    }
}

/// The slots of those that are left. Of a hash table each other slot goes to one of them, in turn, so that nobody else
/// gets another; otherwise there are fewer slots. `None`: none is left.
pub(crate) fn heirs<T: Copy>(
    slots: &[T],
    selector: Selector,
    stays: impl Fn(&T) -> bool,
) -> Option<Vec<T>> {
    let left: Vec<T> = slots.iter().copied().filter(|it| stays(it)).collect();
    if left.is_empty() {
        return None;
    }
    if !selector.is_hash() || left.len() == slots.len() {
        return Some(left);
    }
    let mut others = left.iter().copied().cycle();
    let heir = |it: &T| if stays(it) { Some(*it) } else { others.next() };
    Some(slots.iter().filter_map(heir).collect())
}

/// Seed of the hash of a group. Each has one of its own: clients that a hash has led to a group are not alike for the
/// hash of that group. The first has that of a spread without groups.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "there are few groups")]
pub const fn seed(group: usize) -> u32 {
    // The golden ratio, in 32 bits.
    slot_hash::SEED.wrapping_add((group as u32).wrapping_mul(0x9e37_79b9))
}

fn word(selector: Selector) -> &'static str {
    match selector {
        Selector::Sequence | Selector::Random => "turn",
        Selector::HashSource => "source",
        Selector::HashFlow => "flow",
        Selector::HashNetwork(_) => "network",
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
