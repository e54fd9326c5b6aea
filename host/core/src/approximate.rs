//! What a data plane holds when it is told to hold a service: the closest that its kind can do.
//!
//! nftables holds every slot of a plan, and no weights. IPVS holds weights and a scheduler of its own, and no slots. So
//! what is wanted is brought into the form that the data plane can hold, [`approximate()`], before it is compared with
//! what it does hold.

mod fidelity;
mod scheduler;
mod widths;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

pub use self::fidelity::{Fidelity, fidelity};
pub use self::scheduler::KernelScheduler;

use self::scheduler::SH_SLOTS;
use self::widths::{counts, divided};
use crate::model::{DataPlaneKind, IpvsTimeouts};
use crate::state::{Backend, BackendId, ServiceState, Spread};

/// What this kind of data plane holds when it is told to hold `wanted`. Idempotent.
#[must_use]
pub fn approximate(kind: DataPlaneKind, wanted: &ServiceState) -> ServiceState {
    match kind {
        DataPlaneKind::Nftables => by_slots(wanted),
        DataPlaneKind::Ipvs => by_weights(wanted),
    }
}

/// The networks on which a data plane lets clients meet servers, of those on which both are (hairpin). `tracked`:
/// whether some service needs conntrack anyway. With IPVS it takes conntrack for every packet, a sixth of the
/// throughput (`cargo xtask bench ipvs`): so much is paid only where it is paid already.
#[must_use]
pub fn hairpin(kind: DataPlaneKind, networks: &BTreeSet<IpNet>, tracked: bool) -> BTreeSet<IpNet> {
    match kind {
        DataPlaneKind::Ipvs if !tracked => BTreeSet::new(),
        DataPlaneKind::Nftables | DataPlaneKind::Ipvs => networks.clone(),
    }
}

/// When a data plane is to forget connections: with nftables they are conntrack's.
#[must_use]
pub fn timeouts(kind: DataPlaneKind, wanted: IpvsTimeouts) -> IpvsTimeouts {
    match kind {
        DataPlaneKind::Nftables => IpvsTimeouts::default(),
        DataPlaneKind::Ipvs => wanted,
    }
}

/// nftables knows of a backend how it is reached, and no more.
fn by_slots(wanted: &ServiceState) -> ServiceState {
    let plain = |backend: &Backend| Backend {
        forward: backend.forward,
        ..backend.address.into()
    };
    let backends = wanted.backends.iter();
    ServiceState {
        backends: backends.map(|(id, it)| (*id, plain(it))).collect(),
        ..wanted.clone()
    }
}

/// IPVS: the plan's shares as weights, in the servers' own weights where these say the same.
fn by_weights(wanted: &ServiceState) -> ServiceState {
    let mut state = wanted.clone();
    let flat = wanted.spread.flat();
    let (weights, spread) = match (&*flat, KernelScheduler::of(&flat)) {
        (Spread::Slots { slots, .. }, Some(scheduler)) => weighted(wanted, slots, scheduler),
        _ => (BTreeMap::new(), Spread::Refuse),
    };
    state.spread = spread;
    for (id, backend) in state.backends.iter_mut() {
        backend.weight = weights.get(id).copied().unwrap_or(0);
    }
    state
}

fn weighted(
    wanted: &ServiceState,
    slots: &[BackendId],
    scheduler: KernelScheduler,
) -> (BTreeMap<BackendId, u32>, Spread) {
    let counts = counts(slots);
    let own = own_weights(wanted, &counts);
    let scheduler = match scheduler {
        // The kernel's table has room for no more servers.
        KernelScheduler::Sh { port } if counts.len() > SH_SLOTS => KernelScheduler::Mh { port },
        other => other,
    };
    if scheduler == KernelScheduler::Rr {
        let spread = scheduler.spread(&own);
        return (own, spread);
    }
    let weights = if proportional(&own, &counts) {
        own
    } else {
        divided(&counts)
    };
    let spread = scheduler.spread(&weights);
    let Spread::Slots { slots, .. } = &spread else {
        return (weights, spread);
    };
    // Weights of very different size do not fit the slots: then what the slots say counts.
    let laid_out = self::counts(slots);
    if proportional(&weights, &laid_out) {
        return (weights, spread);
    }
    let weights = divided(&laid_out);
    let spread = scheduler.spread(&weights);
    (weights, spread)
}

/// The servers' own weights, of those that have a slot; 1 for one without a weight.
fn own_weights(
    wanted: &ServiceState,
    counts: &BTreeMap<BackendId, u32>,
) -> BTreeMap<BackendId, u32> {
    let weight = |id| wanted.backends.get(id).map_or(0, |it: &Backend| it.weight);
    counts.keys().map(|id| (*id, weight(id).max(1))).collect()
}

/// Whether the counts are the weights' shares, up to one slot and one in a hundred.
fn proportional(weights: &BTreeMap<BackendId, u32>, counts: &BTreeMap<BackendId, u32>) -> bool {
    let sum = |of: &BTreeMap<BackendId, u32>| of.values().map(|n| u64::from(*n)).sum::<u64>();
    let (all, slots) = (sum(weights), sum(counts));
    let exact = slots <= u64::try_from(SH_SLOTS).unwrap_or(u64::MAX) / 2;
    counts.iter().all(|(id, count)| {
        let weight = weights.get(id).copied().map_or(0, u64::from);
        let (is, should) = (u64::from(*count) * all, weight * slots);
        let off = is.abs_diff(should);
        // A short sequence is meant to the letter; tables are rounded.
        if exact {
            off == 0
        } else {
            off <= all.max(should / 100)
        }
    })
}

#[cfg(test)]
mod tests;
