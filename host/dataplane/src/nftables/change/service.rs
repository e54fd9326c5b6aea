//! What the change of one service takes, apart from its backends. Pure.

use evenkeel_core::model::ServiceKey;

use crate::nftables::chain::{ChainRole, ServiceChain};
use crate::nftables::element::Element;
use crate::nftables::expression::Family;
use crate::nftables::placed_service::PlacedService;
use crate::nftables::queue::{QueueChain, QueueForm};
use crate::nftables::service_chain::ServiceOptions;
use crate::nftables::slot_rules::SlotRules;
use crate::nftables::step::NftOp;

/// What is to be done for a service in each of the batches of a plan.
#[derive(Debug, Default)]
pub(super) struct ServiceOps {
    pub(super) before: Vec<NftOp>,
    pub(super) first: Vec<NftOp>,
    pub(super) then: Vec<NftOp>,
}

impl ServiceOps {
    /// What makes `new` of `old`. `form`: how its new connections are queued, if they are to be.
    pub(super) fn between(
        key: ServiceKey,
        old: Option<&PlacedService>,
        new: Option<&PlacedService>,
        form: QueueForm,
    ) -> Self {
        let mut ops = Self::default();
        let first = &mut ops.first;
        let clients = |service: &PlacedService| service.clients().map(NftOp::Add).collect();
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) => {
                first.push(NftOp::AddChain(ServiceChain::slots(new.chain)));
                first.push(slot_rule(key, new));
                ops.before = clients(new);
                first.extend(new.slots().map(NftOp::Add));
                first.extend(options(key, None, Some(new)));
                first.extend(queue(key, None, Some(new), form));
            }
            (Some(old), None) => {
                first.extend(queue(key, Some(old), None, form));
                first.extend(options(key, Some(old), None));
                first.push(NftOp::DeleteChain(ServiceChain::slots(old.chain)));
                first.extend(old.slots().map(NftOp::Delete));
                first.extend(old.clients().map(NftOp::Delete));
            }
            (Some(old), Some(new)) => {
                if old.range == new.range {
                    let differ = old.slots().zip(new.slots()).filter(|(old, new)| old != new);
                    first.extend(differ.flat_map(|(o, n)| [NftOp::Delete(o), NftOp::Add(n)]));
                } else {
                    first.extend(new.slots().map(NftOp::Add));
                    ops.then.extend(old.slots().map(NftOp::Delete));
                }
                if old.turn != new.turn {
                    ops.before = clients(new);
                    ops.then.extend(old.clients().map(NftOp::Delete));
                }
                if old.rules() != new.rules() {
                    first.push(slot_rule(key, new));
                }
                first.extend(options(key, Some(old), Some(new)));
                first.extend(queue(key, Some(old), Some(new), form));
            }
        }
        ops
    }
}

/// The rules that choose a slot.
fn slot_rule(key: ServiceKey, service: &PlacedService) -> NftOp {
    let family = Family::of(key.addr);
    match service.rules() {
        SlotRules::One(rule) => NftOp::SetSlotRule {
            chain: service.chain,
            family,
            rule,
        },
        SlotRules::Groups(rules) => NftOp::SetRules {
            chain: ServiceChain::slots(service.chain),
            rules: rules.raw(family),
        },
    }
}

/// Where a service's connections go first, and the chain of what is done there but choosing a slot.
fn options(
    key: ServiceKey,
    old: Option<&PlacedService>,
    new: Option<&PlacedService>,
) -> Vec<NftOp> {
    let any = |service: Option<&PlacedService>| {
        let options = service.map(PlacedService::options);
        options.filter(|options| options.any())
    };
    let (before, after) = (any(old), any(new));
    let Some(number) = new.or(old).map(|service| service.chain) else {
        return Vec::new();
    };
    let chain = ServiceChain {
        role: ChainRole::Options,
        number,
    };
    let rules = |options: ServiceOptions| NftOp::SetRules {
        chain,
        rules: options.rules(Family::of(key.addr), number),
    };
    let element = |service: Option<&PlacedService>| service.map(|it| it.entry(key));
    let mut ops = Vec::new();
    match (before, after) {
        (None, Some(after)) => ops.extend([NftOp::AddChain(chain), rules(after)]),
        (Some(before), Some(after)) if before != after => ops.push(rules(after)),
        _ => {}
    }
    if element(old) != element(new) {
        ops.extend(element(old).map(NftOp::Delete));
        ops.extend(element(new).map(NftOp::Add));
    }
    if before.is_some() && after.is_none() {
        ops.push(NftOp::DeleteChain(chain));
    }
    ops
}

/// The chain that queues new connections, and the way to it.
fn queue(
    key: ServiceKey,
    old: Option<&PlacedService>,
    new: Option<&PlacedService>,
    form: QueueForm,
) -> Vec<NftOp> {
    let before = old.and_then(PlacedService::queue_chain);
    let after = new.and_then(PlacedService::queue_chain);
    let (Some(number), false) = (new.or(old).map(|service| service.chain), before == after) else {
        return Vec::new();
    };
    let chain = ServiceChain {
        role: ChainRole::Queue,
        number,
    };
    let rules = |queue: QueueChain| NftOp::SetRules {
        chain,
        rules: queue.rules(Family::of(key.addr), form),
    };
    let element = Element::Queue { key, chain };
    match (before, after) {
        (None, None) => Vec::new(),
        (None, Some(after)) => vec![NftOp::AddChain(chain), rules(after), NftOp::Add(element)],
        (Some(_), Some(after)) => vec![rules(after)],
        (Some(_), None) => vec![NftOp::Delete(element), NftOp::DeleteChain(chain)],
    }
}
