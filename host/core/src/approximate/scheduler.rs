//! IPVS's schedulers, and the slots that stand for weights under each of them.

use std::collections::BTreeMap;

use super::widths::{exactly, reduced};
use crate::plan::MAX_SLOTS;
use crate::state::{BackendId, Selector, Spread};

/// Slots of a hash table that `sh` approximates: as many as the kernel's has (`ip_vs_sh.c`, `IP_VS_SH_TAB_SIZE`).
pub(super) const SH_SLOTS: usize = 256;

/// The scheduler of the kernel by which IPVS approximates a spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelScheduler {
    /// Each server once in a round, whatever its weight: a sequence in which each has one slot.
    Rr,
    /// By weight, in turn: any other sequence, and random slots, for which IPVS has nothing. With equal weights it is
    /// [`Self::Rr`], and what stands for it are the same slots.
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
            Selector::HashSource | Selector::HashNetwork(_) => table(false),
            Selector::HashFlow => table(true),
        })
    }

    /// The slots that stand for these weights: those of [`super::approximate`]. Servers of weight 0 have none; without
    /// any other, it refuses.
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
