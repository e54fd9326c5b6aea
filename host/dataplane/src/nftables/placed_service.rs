//! One service in the kernel: its state, and where in our table it is.

pub(super) use evenkeel_core::mark::{backend, of_backend as mark};
use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::{BackendId, ServiceState, Spread};

use super::chain::{ChainRole, ServiceChain};
use super::element::Element;
use super::queue::QueueChain;
use super::service_chain::ServiceOptions;
use super::slot_rule::{SlotChoice, SlotRule};
use super::slots::Range;

/// One service in the kernel.
#[derive(Debug, Clone)]
pub(super) struct PlacedService {
    pub(super) state: ServiceState,
    /// Number of its chain.
    pub(super) chain: u32,
    /// Its slots; none if it refuses.
    pub(super) range: Option<Range>,
}

impl PlacedService {
    /// The mark of connections to a backend of the service.
    pub(super) fn mark(&self, id: BackendId) -> u32 {
        mark(id, self.state.snat)
    }

    /// The service's rule.
    pub(super) fn rule(&self) -> SlotRule {
        let choice = match (&self.state.spread, self.range) {
            (Spread::Slots { selector, slots }, Some(range)) => SlotChoice::Slot {
                selector: *selector,
                // At most MAX_SLOTS.
                count: u32::try_from(slots.len()).unwrap_or(u32::MAX),
                base: range.base,
            },
            (Spread::Refuse, _) | (_, None) => SlotChoice::Refuse,
        };
        SlotRule {
            choice,
            snat: self.state.snat,
        }
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
