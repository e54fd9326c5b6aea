//! Our picture of what the kernel holds: the state, and where in our table each part of it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use evenkeel_core::model::{IpvsTimeouts, ServiceKey};
use evenkeel_core::state::{BackendId, Spread, State};
use ipnet::IpNet;

use super::chain_numbers::ChainNumbers;
use super::element::Element;
use super::placed_service::PlacedService;
use super::slots::Slots;

/// What the kernel holds, and where.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) services: BTreeMap<ServiceKey, PlacedService>,
    pub(super) owners: HashMap<BackendId, ServiceKey>,
    pub(super) hairpin: BTreeSet<IpNet>,
    pub(super) slots: Slots,
    pub(super) chains: ChainNumbers,
    /// How many services are queued.
    pub(super) queued: usize,
    /// The flowtable's interfaces; `None`: there is no flowtable. Interfaces that disappear leave it by themselves.
    pub(super) offload: Option<BTreeSet<String>>,
    /// Whether the chains are there that answer for servers that are gone.
    pub(super) gone: bool,
    /// Clients of no service's groups: a change that came to no end has left them.
    pub(super) strays: Vec<Element>,
}

impl Layout {
    /// Lays a state out in an empty table, without persistence, queues and flowtable, which are for later. `None` if
    /// there are not enough slots.
    pub(super) fn of(state: State) -> Option<Self> {
        let mut layout = Self {
            hairpin: state.hairpin,
            ..Self::default()
        };
        for (key, mut service) in state.services {
            service.persistence = None;
            service.queue = None;
            let range = match PlacedService::needed(&service.spread) {
                Some(slots) => Some(layout.slots.allocate(slots)?),
                None => None,
            };
            let chain = layout.chains.allocate();
            layout
                .owners
                .extend(service.backends.keys().map(|id| (*id, key)));
            layout.services.insert(
                key,
                PlacedService {
                    state: service,
                    chain,
                    range,
                    turn: false,
                },
            );
        }
        Some(layout)
    }

    /// Whether an empty table has slots for services that are spread so.
    pub(super) fn has_room<'a>(spreads: impl IntoIterator<Item = &'a Spread>) -> bool {
        let mut slots = Slots::default();
        let mut needed = spreads.into_iter().filter_map(PlacedService::needed);
        needed.all(|count| slots.allocate(count).is_some())
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
            offload: self.offload.clone().unwrap_or_default(),
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
