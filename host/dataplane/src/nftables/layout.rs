//! Our picture of what the kernel holds: the state, and where in our table each part of it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) use evenkeel_core::mark::{backend, of_backend as mark};
use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_core::state::{BackendId, ServiceState, Spread, State};
use ipnet::IpNet;

use super::element::{Chain, Element, Part};
use super::entry::{Extras, Question};
use super::rule::{Choice, Rule};
use super::slots::{Range, Slots};

/// One service in the kernel.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) state: ServiceState,
    /// Number of its chain.
    pub(super) chain: u32,
    /// Its slots; none if it refuses.
    pub(super) range: Option<Range>,
}

impl Held {
    /// The mark of connections to a backend of the service.
    pub(super) fn mark(&self, id: BackendId) -> u32 {
        mark(id, self.state.snat)
    }

    /// The service's rule.
    pub(super) fn rule(&self) -> Rule {
        let choice = match (&self.state.spread, self.range) {
            (Spread::Slots { selector, slots }, Some(range)) => Choice::Slot {
                selector: *selector,
                // At most MAX_SLOTS.
                count: u32::try_from(slots.len()).unwrap_or(u32::MAX),
                base: range.base,
            },
            (Spread::Refuse, _) | (_, None) => Choice::Refuse,
        };
        Rule {
            choice,
            snat: self.state.snat,
        }
    }

    /// What is done besides choosing a slot.
    pub(super) fn extras(&self) -> Extras {
        Extras {
            persistence: self.state.persistence,
            asks: self.state.ask.is_some(),
        }
    }

    /// How the daemon is asked.
    pub(super) fn question(&self) -> Option<Question> {
        self.state.ask.map(|queue| Question {
            persistence: self.state.persistence,
            queue,
        })
    }

    /// The element by which connections get to the service.
    pub(super) fn service(&self, key: ServiceKey) -> Element {
        let part = if self.extras().any() {
            Part::Entry
        } else {
            Part::Choice
        };
        let number = self.chain;
        let chain = Chain { part, number };
        Element::Service { key, chain }
    }

    /// The service's slots: all of its range, over and over as long as the range goes, so that a number from before a change
    /// of the rule finds a backend too.
    pub(super) fn slots(&self) -> impl Iterator<Item = Element> {
        let plan = match &self.state.spread {
            Spread::Slots { slots, .. } => slots.as_slice(),
            Spread::Refuse => &[],
        };
        let numbers = self.range.map(Range::slots).unwrap_or_default();
        numbers
            .zip(plan.iter().cycle())
            .map(|(slot, id)| Element::Slot {
                slot,
                mark: self.mark(*id),
            })
    }

    /// The service's backends. `count`: how many connections each has had already.
    pub(super) fn backends(
        &self,
        mut count: impl FnMut(BackendId) -> u64,
    ) -> impl Iterator<Item = Element> {
        self.state
            .backends
            .iter()
            .map(move |(id, backend)| Element::Backend {
                mark: self.mark(*id),
                to: backend.address,
                chain: self.chain,
                count: count(*id),
            })
    }
}

/// Numbers of chains: the lowest that is free.
#[derive(Debug, Clone, Default)]
pub(super) struct Chains {
    free: BTreeSet<u32>,
    /// All numbers from 1 to this one are taken, or in `free`.
    last: u32,
}

impl Chains {
    /// A number for a chain. There are more than services fit into memory.
    pub(super) fn allocate(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.last += 1;
            self.last
        })
    }

    /// Gives a number back.
    pub(super) fn release(&mut self, chain: u32) {
        self.free.insert(chain);
    }

    /// The numbers that are taken in the kernel.
    pub(super) fn adopt(taken: &BTreeSet<u32>) -> Self {
        let last = taken.last().copied().unwrap_or_default();
        // A stranger's s4000000000 must not make us list four thousand million numbers: above a limit gaps are left alone.
        let listed = last.min(
            u32::try_from(taken.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(4)
                + 1024,
        );
        let free = (1..=listed).filter(|n| !taken.contains(n)).collect();
        Self { free, last }
    }
}

/// What the kernel holds, and where.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) services: BTreeMap<ServiceKey, Held>,
    pub(super) owners: HashMap<BackendId, ServiceKey>,
    pub(super) hairpin: BTreeSet<IpNet>,
    pub(super) slots: Slots,
    pub(super) chains: Chains,
    /// How many services ask the daemon.
    pub(super) asking: usize,
    /// The flowtable's interfaces; `None`: there is no flowtable. Interfaces that disappear leave it by themselves.
    pub(super) short: Option<BTreeSet<String>>,
}

impl Layout {
    /// Lays a state out in an empty table, without persistence, asking and flowtable, which are for later. `None` if there are not enough slots.
    pub(super) fn of(state: State) -> Option<Self> {
        let mut layout = Self {
            hairpin: state.hairpin,
            ..Self::default()
        };
        for (key, mut service) in state.services {
            service.persistence = None;
            service.ask = None;
            let range = match &service.spread {
                Spread::Slots { slots, .. } => {
                    Some(layout.slots.allocate(u32::try_from(slots.len()).ok()?)?)
                }
                Spread::Refuse => None,
            };
            let chain = layout.chains.allocate();
            layout
                .owners
                .extend(service.backends.keys().map(|id| (*id, key)));
            layout.services.insert(
                key,
                Held {
                    state: service,
                    chain,
                    range,
                },
            );
        }
        Some(layout)
    }

    /// The state that it is of.
    pub(super) fn state(&self) -> State {
        State {
            services: self
                .services
                .iter()
                .map(|(key, held)| (*key, held.state.clone()))
                .collect(),
            hairpin: self.hairpin.clone(),
            offload: self.short.clone().unwrap_or_default(),
            timeouts: IpvsTimeouts::default(),
        }
    }
}

/// The elements for a set of hairpin networks.
pub(super) fn hairpin_elements(networks: &BTreeSet<IpNet>) -> Vec<Element> {
    networks
        .iter()
        .map(|net| {
            let inside = networks
                .iter()
                .any(|other| other != net && other.contains(net));
            if inside {
                Element::Inner(*net)
            } else {
                Element::Hairpin(*net)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_numbers_are_reused_lowest_first_and_adopted_ones_are_left_alone() {
        let mut chains = Chains::adopt(&[2, 4].into());
        assert_eq!([(); 4].map(|()| chains.allocate()), [1, 3, 5, 6]);
        chains.release(3);
        assert_eq!(chains.allocate(), 3);
    }

    #[test]
    fn a_chain_with_a_huge_number_costs_nothing() {
        let mut chains = Chains::adopt(&[4_000_000_000].into());
        assert_eq!(chains.allocate(), 1);
    }

    #[test]
    fn a_network_inside_another_is_kept_apart() {
        let networks: BTreeSet<IpNet> = ["10.0.0.0/8", "10.1.0.0/16", "fd00::/64"]
            .map(|n| n.parse().unwrap())
            .into();
        let elements = hairpin_elements(&networks);
        assert!(elements.contains(&Element::Inner("10.1.0.0/16".parse().unwrap())));
        assert!(elements.contains(&Element::Hairpin("10.0.0.0/8".parse().unwrap())));
        assert_eq!(elements.len(), 3);
    }
}
