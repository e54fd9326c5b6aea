//! Who is least loaded, as IPVS's locality schedulers see it.

use evenkeel_sdk::{Backend, BackendId, Backends, Plan};

/// An open connection counts as 256 closing ones.
pub(crate) fn overhead(backend: &Backend) -> u64 {
    (u64::from(backend.counts.active) << 8) + u64::from(backend.counts.inactive)
}

/// The least overhead for its weight, of equals the first. Draining servers are left out.
pub(crate) fn least<'a>(servers: impl Iterator<Item = &'a Backend>) -> Option<&'a Backend> {
    servers
        .filter(|backend| backend.weight > 0)
        .reduce(|least, other| {
            let mine = overhead(least) * u64::from(other.weight);
            if mine > overhead(other) * u64::from(least.weight) {
                other
            } else {
                least
            }
        })
}

/// Whether the server has more open connections than its weight says, while another has less than half
/// of that.
pub(crate) fn is_overloaded(backend: &Backend, all: &Backends) -> bool {
    backend.counts.active > backend.weight
        && all
            .iter()
            .any(|other| u64::from(other.counts.active) * 2 < u64::from(other.weight))
}

/// What the kernel does while nobody can be asked: a client keeps its server, by weight.
pub(crate) fn fallback(backends: &Backends) -> Plan {
    const SLOTS: u64 = 1024;
    let total = backends.total_weight().max(1);
    let width = |weight: u32| (u64::from(weight) * SLOTS / total).max(1);
    Plan::hash_source(backends.taking().map(|backend| -> (BackendId, u32) {
        let width = u32::try_from(width(backend.weight)).unwrap_or(1);
        (backend.id, width)
    }))
}
