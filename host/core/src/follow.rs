//! What a data plane makes of a service that it is told to hold: as near to it as that kind of data plane comes.
//!
//! nftables holds every slot of a plan, and nothing of weights. IPVS holds weights and a scheduler of its own, and nothing of slots. So what is
//! wanted is brought into the form that the data plane can hold, [`nearest`], before it is compared with what it does hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;

use crate::model::{DataPlaneKind, IpvsTimeouts};
use crate::plan::MAX_SLOTS;
use crate::state::{Backend, BackendId, Selector, ServiceState, Spread};

/// Slots of a hash table that is followed by `sh`: as many as the kernel's has (`ip_vs_sh.c`, `IP_VS_SH_TAB_SIZE`).
const SH_SLOTS: usize = 256;

/// What this kind of data plane holds when it is told to hold `wanted`. Idempotent.
#[must_use]
pub fn nearest(kind: DataPlaneKind, wanted: &ServiceState) -> ServiceState {
    match kind {
        DataPlaneKind::Nftables => by_slots(wanted),
        DataPlaneKind::Ipvs => by_weights(wanted),
    }
}

/// The networks on which a data plane lets clients meet servers, of those on which both are (hairpin). `tracked`: whether some service needs
/// conntrack anyway. With IPVS it takes conntrack for every packet, a sixth of the throughput (`cargo xtask bench ipvs`): so much is paid only
/// where it is paid already.
#[must_use]
pub fn meeting(kind: DataPlaneKind, networks: &BTreeSet<IpNet>, tracked: bool) -> BTreeSet<IpNet> {
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

/// The scheduler of the kernel by which IPVS follows a spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelScheduler {
    /// Each server once in a round, whatever its weight: a sequence in which each has one slot.
    Rr,
    /// By weight, in turn: any other sequence, and random slots, for which IPVS has nothing. With equal weights it is [`Self::Rr`], and what
    /// stands for it are the same slots.
    Wrr,
    /// A hash table of 256 slots.
    Sh {
        /// The client's port counts, too (`ipvsadm -b sh-port`).
        port: bool,
    },
    /// Any other hash table: Maglev's way of filling one (`ip_vs_mh.c`).
    Mh {
        /// The client's port counts, too (`ipvsadm -b mh-port`).
        port: bool,
    },
}

impl KernelScheduler {
    /// Its name in the kernel.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Sh { .. } => "sh",
            Self::Mh { .. } => "mh",
        }
    }

    /// The scheduler for a spread; `None`: it refuses, which any scheduler does that has no server with a weight.
    #[must_use]
    pub fn of(spread: &Spread) -> Option<Self> {
        let Spread::Slots { selector, slots } = spread else {
            return None;
        };
        let table = |port| match slots.len() {
            SH_SLOTS => Self::Sh { port },
            _ => Self::Mh { port },
        };
        Some(match selector {
            Selector::Sequence | Selector::Random if once_each(slots) => Self::Rr,
            Selector::Sequence | Selector::Random => Self::Wrr,
            Selector::HashSource => table(false),
            Selector::HashFlow => table(true),
        })
    }

    /// The slots that stand for these weights: those of [`nearest`]. Servers of weight 0 have none; without any other, it refuses.
    #[must_use]
    pub fn spread(self, weights: &BTreeMap<BackendId, u32>) -> Spread {
        let taking = || {
            weights
                .iter()
                .filter(|(_, weight)| **weight > 0)
                .map(|(id, weight)| (*id, *weight))
        };
        let servers = taking().count();
        if servers == 0 {
            return Spread::Refuse;
        }
        let (selector, widths): (_, Vec<(BackendId, u32)>) = match self {
            Self::Rr => (
                Selector::Sequence,
                taking().map(|(id, _)| (id, 1)).collect(),
            ),
            Self::Wrr => (
                Selector::Sequence,
                reduced(&taking().collect::<Vec<_>>(), MAX_SLOTS),
            ),
            Self::Sh { port } => (hash(port), exactly(&taking().collect::<Vec<_>>(), SH_SLOTS)),
            Self::Mh { port } => {
                let mut widths = reduced(&taking().collect::<Vec<_>>(), MAX_SLOTS);
                if widths
                    .iter()
                    .map(|(_, width)| *width as usize)
                    .sum::<usize>()
                    == SH_SLOTS
                {
                    // Not to be taken for Sh's.
                    widths.iter_mut().for_each(|(_, width)| *width *= 2);
                }
                (hash(port), widths)
            }
        };
        Spread::Slots {
            selector,
            slots: widths
                .into_iter()
                .flat_map(|(id, width)| (0..width).map(move |_| id))
                .collect(),
        }
    }
}

fn hash(port: bool) -> Selector {
    if port {
        Selector::HashFlow
    } else {
        Selector::HashSource
    }
}

fn once_each(slots: &[BackendId]) -> bool {
    let mut seen = slots.to_vec();
    seen.sort_unstable();
    seen.windows(2).all(|pair| pair[0] != pair[1])
}

/// How near what is held comes to what was wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearness {
    /// By how much the shares of one server differ at the most: 0 to 1 of all connections.
    pub share: f64,
    /// Whether what is to be in turn is in turn, what is to be random is random, and what is to be hashed is hashed.
    pub same_selector: bool,
    /// Whether it is a sequence, in which the order may be another one.
    pub sequence: bool,
}

impl fmt::Display for Nearness {
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
            (false, _) => ", in turn, since IPVS has nothing random",
        })
    }
}

/// How near the slots in force come to those that were wanted.
#[must_use]
pub fn nearness(wanted: &Spread, held: &Spread) -> Nearness {
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
        Spread::Refuse => None,
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
    Nearness {
        // What is a rounding of fractions is none of the shares.
        share: if share < 1e-9 { 0.0 } else { share },
        same_selector: selector(wanted) == selector(held),
        sequence: selector(held) == Some(Selector::Sequence),
    }
}

/// IPVS: the plan's shares as weights, in the servers' own weights where these say the same.
fn by_weights(wanted: &ServiceState) -> ServiceState {
    let mut state = wanted.clone();
    let (weights, spread) = match (&wanted.spread, KernelScheduler::of(&wanted.spread)) {
        (Spread::Slots { slots, .. }, Some(scheduler)) => weighted(wanted, slots, scheduler),
        _ => (BTreeMap::new(), Spread::Refuse),
    };
    state.spread = spread;
    for (id, backend) in &mut state.backends {
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

fn counts(slots: &[BackendId]) -> BTreeMap<BackendId, u32> {
    let mut counts = BTreeMap::new();
    for id in slots {
        *counts.entry(*id).or_insert(0) += 1;
    }
    counts
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

/// Counts without their common divisor.
fn divided(counts: &BTreeMap<BackendId, u32>) -> BTreeMap<BackendId, u32> {
    let divisor = counts.values().copied().fold(0, gcd).max(1);
    counts.iter().map(|(id, n)| (*id, n / divisor)).collect()
}

/// Widths that are to each other as the weights are, `most` in all at the most, and none of them 0.
fn reduced(weights: &[(BackendId, u32)], most: usize) -> Vec<(BackendId, u32)> {
    let mut divisor = weights
        .iter()
        .map(|(_, weight)| *weight)
        .fold(0, gcd)
        .max(1);
    loop {
        let widths: Vec<(BackendId, u32)> = weights
            .iter()
            .map(|(id, weight)| (*id, (weight / divisor).max(1)))
            .collect();
        let sum: u64 = widths.iter().map(|(_, width)| u64::from(*width)).sum();
        if sum <= most as u64 || widths.iter().all(|(_, width)| *width == 1) {
            return widths;
        }
        divisor = divisor.saturating_mul(2);
    }
}

/// Widths that are to each other as near as can be as the weights are, `total` in all and none of them 0; there are no more weights than
/// that.
fn exactly(weights: &[(BackendId, u32)], total: usize) -> Vec<(BackendId, u32)> {
    let all: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let total = total as u64;
    let mut widths: Vec<(BackendId, u64)> = weights
        .iter()
        .map(|(id, weight)| (*id, (u64::from(*weight) * total / all.max(1)).max(1)))
        .collect();
    let mut sum: u64 = widths.iter().map(|(_, width)| *width).sum();
    let short = |at: usize, width: u64| {
        let ideal = u64::from(weights[at].1) * total;
        i128::from(ideal) - i128::from(width * all)
    };
    while sum != total {
        let places = 0..widths.len();
        let at = if sum < total {
            places.max_by_key(|at| (short(*at, widths[*at].1), std::cmp::Reverse(*at)))
        } else {
            places
                .filter(|at| widths[*at].1 > 1)
                .min_by_key(|at| (short(*at, widths[*at].1), *at))
        };
        let Some(at) = at else { break };
        if sum < total {
            widths[at].1 += 1;
            sum += 1;
        } else {
            widths[at].1 -= 1;
            sum -= 1;
        }
    }
    widths
        .into_iter()
        .map(|(id, width)| (id, u32::try_from(width).unwrap_or(u32::MAX)))
        .collect()
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}

#[cfg(test)]
mod tests;
