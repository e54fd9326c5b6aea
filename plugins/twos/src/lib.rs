//! The lesser loaded of two servers drawn by weight, as IPVS draws them.
use evenkeel_sdk::{
    Backend, BackendId, Backends, ByLoad, Plan, Ratio, random, register_scheduler, two_choices,
};

#[derive(Default)]
struct TwoChoices;

impl ByLoad for TwoChoices {
    type Load = Ratio;

    fn load(backend: &Backend) -> Ratio {
        Ratio::new(backend.counts.overhead(), backend.weight)
    }

    fn spread(&mut self, backends: &Backends) -> Plan {
        two_choices(backends, Self::load)
    }

    fn choose(&mut self, backends: &Backends) -> Option<BackendId> {
        choose(backends, random(), random())
    }
}

/// The server at a point of the sum of the weights. IPVS draws the point from 0 to the sum, both
/// included, and a server owns the point where it ends: the first one owns point 0 as well.
fn at(backends: &Backends, point: u64) -> Option<&Backend> {
    let mut end = 0;
    backends.taking().find(|backend| {
        end += u64::from(backend.weight);
        point <= end
    })
}

/// The decision for two random numbers: the second server, if it is less loaded than the first.
fn choose(backends: &Backends, first: u64, second: u64) -> Option<BackendId> {
    let points = u128::from(backends.total_weight()) + 1;
    let point = |random: u64| u64::try_from((u128::from(random) * points) >> 64).unwrap_or(0);
    let (first, second) = (at(backends, point(first))?, at(backends, point(second))?);
    let better = TwoChoices::load(second) < TwoChoices::load(first);
    Some(if better { second.id } else { first.id })
}

register_scheduler!(
    TwoChoices,
    "twos",
    "the lesser loaded of two servers drawn by weight, as IPVS has it"
);

#[cfg(test)]
mod tests;
