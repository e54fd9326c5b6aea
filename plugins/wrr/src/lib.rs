//! Weighted round robin, smooth and exact: over one round every real server gets its share of the
//! connections to the last one, spread out over the round.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Plan, Scheduler, info, register_scheduler, settings,
};

mod shares;
mod smooth;

settings! {
    /// What can be configured.
    pub struct Settings {
        /// The most slots that a round has. With weights that need more, shares are rounded to it.
        #[range(1..=65_536)]
        max_slots: u32 = 4096,
    }
}

/// The scheduler.
pub struct WeightedRoundRobin {
    max_slots: u32,
    /// Weights that were last said to be rounded, so that it is said once.
    rounded: Vec<u32>,
}

impl Scheduler for WeightedRoundRobin {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            max_slots: settings.max_slots,
            rounded: Vec::new(),
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let taking: Vec<&Backend> = backends.taking().collect();
        let weights: Vec<u32> = taking.iter().map(|backend| backend.weight).collect();
        let shares = shares::of(&weights, self.max_slots);
        if shares.exact {
            self.rounded.clear();
        } else if self.rounded != weights {
            info!(
                "weights need more than max-slots = {} slots: shares are rounded",
                self.max_slots
            );
            self.rounded = weights;
        }
        let ids: Vec<BackendId> = taking.iter().map(|backend| backend.id).collect();
        Plan::sequence(
            smooth::interleave(&shares.slots)
                .into_iter()
                .map(|server| ids[server]),
        )
    }
}

register_scheduler!(
    WeightedRoundRobin,
    "wrr",
    "in turn by weight, smooth and exact"
);

#[cfg(test)]
mod tests;
