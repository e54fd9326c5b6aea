//! The power of two choices: the lesser loaded of two different servers drawn by weight.
use evenkeel_sdk::{
    Backend, BackendId, Backends, Decision, Facts, Flow, Plan, Ratio, Scheduler, draw,
    draw_another, random, register_scheduler, two_choices,
};

struct PowerOfTwoChoices;

/// Open connections for the weight, the new one included.
fn load(backend: &Backend) -> Ratio {
    Ratio::new(u64::from(backend.counts.active) + 1, backend.weight)
}

/// The decision for two random numbers: the second server, if it is less loaded than the first.
fn choose(backends: &Backends, first: u64, second: u64) -> Option<BackendId> {
    let first = draw(backends, first)?;
    let second = draw_another(backends, first.id, second);
    let better = second.filter(|second| load(second) < load(first));
    Some(better.unwrap_or(first).id)
}

impl Scheduler for PowerOfTwoChoices {
    type Settings = ();
    const DECISIONS: &'static [Decision] = &[Decision::Plan, Decision::PerConnection];
    const FACTS: Facts = Facts::CONNECTIONS;

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        two_choices(backends, load)
    }

    fn pick(&mut self, _: &Flow, backends: &Backends) -> Option<BackendId> {
        choose(backends, random(), random())
    }
}

register_scheduler!(
    PowerOfTwoChoices,
    "p2c",
    "the lesser loaded of two different servers drawn by weight"
);

#[cfg(test)]
mod tests;
