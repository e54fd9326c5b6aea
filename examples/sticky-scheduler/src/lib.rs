//! Session affinity: a client keeps its server, and when a server goes only its own clients move.
use evenkeel_sdk::{Backend, Backends, Plan, Scheduler, register_scheduler, settings};

mod hash;

settings! {
    /// What can be configured.
    pub struct Settings {
        /// Slots that clients are spread over. More slots follow the weights more closely, and a plan
        /// takes longer (slots times servers).
        #[range(1..=65_536)]
        slots: u32 = 1024,
    }
}

/// The scheduler.
pub struct Sticky {
    slots: u32,
}

impl Scheduler for Sticky {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            slots: settings.slots,
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let bidders: Vec<(&Backend, u64)> = backends
            .taking()
            .map(|backend| (backend, hash::of(backend.endpoint)))
            .collect();
        Plan::hash_source((0..self.slots).filter_map(|slot| winner(slot, &bidders)))
    }
}

/// Weighted rendezvous hashing: for each slot every server draws its own number, which depends on the
/// two alone; the best draw for its weight wins. A server that goes leaves the slots of others as they
/// are, one that comes takes its share evenly from all.
fn winner<'a>(slot: u32, bidders: &[(&'a Backend, u64)]) -> Option<&'a Backend> {
    // With draws in (0, 1), the least of -ln(draw) / weight is each server's as often as its weight
    // says (Efraimidis and Spirakis, 2006).
    let bids = bidders.iter().map(|(backend, seed)| {
        let cost = -hash::draw(*seed, slot).ln() / f64::from(backend.weight);
        (cost, *backend)
    });
    bids.min_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, backend)| backend)
}

register_scheduler!(
    Sticky,
    "sticky",
    "clients keep their server, by a weighted hash of the source"
);

#[cfg(test)]
mod tests;
