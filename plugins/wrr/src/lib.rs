//! Weighted round robin, exact: over one round every real server gets its share of the connections to
//! the last one, spread out over the round or in IPVS's order.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Plan, Scheduler, Shares, choice, info, register_scheduler,
    settings,
};

mod ipvs;
mod smooth;

choice! {
    /// In which order servers take their turns within a round.
    pub enum Order {
        /// A server's turns are spread out.
        Smooth = "smooth",
        /// As IPVS: the heaviest servers alone first, all of them last.
        Ipvs = "ipvs",
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// The most slots that a round has. With weights that need more, shares are rounded to it.
        #[range(1..=65_536)]
        max_slots: u32 = 4096,
        /// The order within a round: a server's turns spread out, or as IPVS has it.
        order: Order = Order::Smooth,
    }
}

/// The scheduler.
pub struct WeightedRoundRobin {
    max_slots: u32,
    order: Order,
}

impl Scheduler for WeightedRoundRobin {
    type Settings = Settings;
    const DETERMINISTIC: bool = true;
    const STATELESS: bool = true;

    fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            max_slots: settings.max_slots,
            order: settings.order,
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let taking: Vec<&Backend> = backends.taking().collect();
        let weights: Vec<u32> = taking.iter().map(|backend| backend.weight).collect();
        let shares = Shares::of(&weights, self.max_slots);
        if !shares.exact {
            info!(
                "weights need more than max-slots = {} slots: shares are rounded",
                self.max_slots
            );
        }
        let ids: Vec<BackendId> = taking.iter().map(|backend| backend.id).collect();
        let round = match self.order {
            Order::Smooth => smooth::interleave(&shares.slots),
            Order::Ipvs => ipvs::passes(&shares.slots),
        };
        Plan::sequence(round.into_iter().map(|server| ids[server]))
    }
}

register_scheduler!(
    WeightedRoundRobin,
    "wrr",
    "in turn by weight, smooth and exact"
);

#[cfg(test)]
mod tests;
