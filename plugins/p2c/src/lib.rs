//! The power of two choices: the lesser loaded of two different servers drawn by weight.
use evenkeel_sdk::{
    Backend, BackendId, Backends, ByLoad, Plan, Ratio, draw, draw_another, random,
    register_scheduler, two_choices,
};

#[derive(Default)]
struct PowerOfTwoChoices;

impl ByLoad for PowerOfTwoChoices {
    type Load = Ratio;

    /// Open connections for the weight, the new one included.
    fn load(backend: &Backend) -> Ratio {
        Ratio::new(u64::from(backend.counts.active) + 1, backend.weight)
    }

    fn spread(&mut self, backends: &Backends) -> Plan {
        two_choices(backends, Self::load)
    }

    fn choose(&mut self, backends: &Backends) -> Option<BackendId> {
        choose(backends, random(), random())
    }
}

/// The decision for two random numbers: the second server, if it is less loaded than the first.
fn choose(backends: &Backends, first: u64, second: u64) -> Option<BackendId> {
    let first = draw(backends, first)?;
    let load = PowerOfTwoChoices::load;
    let second = draw_another(backends, first.id, second);
    let better = second.filter(|second| load(second) < load(first));
    Some(better.unwrap_or(first).id)
}

register_scheduler!(
    PowerOfTwoChoices,
    "p2c",
    "the lesser loaded of two different servers drawn by weight"
);

#[cfg(test)]
mod tests;
