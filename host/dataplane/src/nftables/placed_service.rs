//! One service in the kernel: its state, and where in our table it is.

use evenkeel_core::groups::{Clients, Group};
pub(super) use evenkeel_core::mark::{backend, of_backend as mark};
use evenkeel_core::mark::{clients_key, group_mark};
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::{BackendId, ServiceState, Spread};

use super::chain::{ChainRole, ServiceChain};
use super::element::Element;
use super::group_rules::GroupRules;
use super::queue::QueueChain;
use super::service_chain::ServiceOptions;
use super::slot_rule::{SlotChoice, SlotRule};
use super::slot_rules::SlotRules;
use super::slots::Range;

/// Clients that begin in another group than the first.
fn led(spread: &Spread) -> &[Clients] {
    match spread {
        Spread::Groups(groups) => &groups.clients,
        Spread::Slots { .. } | Spread::Refuse => &[],
    }
}

/// One service in the kernel.
#[derive(Debug, Clone)]
pub(super) struct PlacedService {
    pub(super) state: ServiceState,
    /// Number of its chain.
    pub(super) chain: u32,
    /// Its slots; none if it refuses.
    pub(super) range: Option<Range>,
    /// Which of its two keys its clients' networks have.
    pub(super) turn: bool,
}

impl PlacedService {
    /// The mark of connections to a backend of the service.
    pub(super) fn mark(&self, id: BackendId) -> u32 {
        mark(id, self.state.snat)
    }

    /// The rules of its chain of slots.
    pub(super) fn rules(&self) -> SlotRules {
        let snat = self.state.snat;
        let choice = match (&self.state.spread, self.range) {
            (Spread::Slots { selector, slots }, Some(range)) => SlotChoice::Slot {
                selector: *selector,
                // At most MAX_SLOTS.
                count: u32::try_from(slots.len()).unwrap_or(u32::MAX),
                base: range.base,
            },
            (Spread::Groups(groups), Some(range)) => {
                return SlotRules::Groups(GroupRules::of(
                    groups,
                    range.base,
                    self.clients_key(),
                    snat,
                ));
            }
            (Spread::Refuse, _) | (_, None) => SlotChoice::Refuse,
        };
        SlotRules::One(SlotRule { choice, snat })
    }

    /// How many slots a service needs; none if it refuses.
    pub(super) fn needed(spread: &Spread) -> Option<u32> {
        u32::try_from(spread.len()).ok().filter(|slots| *slots > 0)
    }

    /// Whether another spread can have its range: a packet that has chosen a slot by the old rules finds in the new
    /// slots what it looks for.
    pub(super) fn can_stay(&self, spread: &Spread) -> bool {
        match (&self.state.spread, spread) {
            (Spread::Groups(old), Spread::Groups(new)) => old.is_like(new),
            (Spread::Groups(_), _) | (_, Spread::Groups(_)) => false,
            _ => true,
        }
    }

    /// The clients that begin in another group than the first.
    pub(super) fn clients(&self) -> impl Iterator<Item = Element> {
        let key = self.clients_key();
        led(&self.state.spread)
            .iter()
            .map(move |clients| Element::Clients {
                key,
                clients: *clients,
            })
    }

    /// The key of its clients' networks.
    fn clients_key(&self) -> u32 {
        clients_key(self.chain, self.turn)
    }

    /// Which key the clients' networks of another spread have: they are not changed in place.
    pub(super) fn turn_for(&self, spread: &Spread) -> bool {
        self.turn != (led(&self.state.spread) != led(spread))
    }

    /// What is done besides choosing a slot.
    pub(super) fn options(&self) -> ServiceOptions {
        ServiceOptions {
            persistence: self.state.persistence,
            queued: self.state.queue.is_some(),
        }
    }

    /// The chain by which its new connections are queued, if they are.
    pub(super) fn queue_chain(&self) -> Option<QueueChain> {
        self.state.queue.map(|queue| QueueChain {
            persistence: self.state.persistence,
            queue,
        })
    }

    /// The element by which connections get to the service.
    pub(super) fn entry(&self, key: ServiceKey) -> Element {
        let role = if self.options().any() {
            ChainRole::Options
        } else {
            ChainRole::Slots
        };
        let number = self.chain;
        let chain = ServiceChain { role, number };
        Element::Service { key, chain }
    }

    /// The service's slots: all of its range, over and over as long as the range goes, so that a number from before a
    /// change of the rule finds a backend too.
    pub(super) fn slots(&self) -> impl Iterator<Item = Element> {
        let marks: Vec<u32> = match &self.state.spread {
            Spread::Slots { slots, .. } => slots.iter().map(|id| self.mark(*id)).collect(),
            Spread::Groups(groups) => {
                let groups = groups.groups.iter();
                groups.flat_map(|group| self.marks_of(group)).collect()
            }
            Spread::Refuse => Vec::new(),
        };
        let numbers = self.range.map(Range::slots).unwrap_or_default();
        (0..marks.len())
            .cycle()
            .zip(numbers)
            .map(move |(at, slot)| Element::Slot {
                slot,
                mark: marks.get(at).copied().unwrap_or_default(),
            })
    }

    /// What the slots of a group lead to.
    fn marks_of(&self, group: &Group) -> Vec<u32> {
        match group {
            Group::Refuse => Vec::new(),
            Group::Servers { slots, .. } => slots.iter().map(|id| self.mark(*id)).collect(),
            Group::Split { slots, .. } => slots.iter().map(|to| group_mark(*to)).collect(),
        }
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
