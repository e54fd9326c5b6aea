//! At random, by weight.
use evenkeel_sdk::{Backends, Plan, Scheduler, register_scheduler};

/// The most slots of a table whose weights need more.
const MOST: u64 = 8192;

struct Random;

/// How many slots each weight gets: exactly in proportion, if `MOST` slots can do that, otherwise
/// rounded, but at least one.
fn widths(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    let exact = total / u64::from(divisor) <= MOST;
    let width = |weight: &u32| {
        if exact {
            return weight / divisor;
        }
        let width = (u64::from(*weight) * MOST + total / 2) / total;
        u32::try_from(width).unwrap_or(u32::MAX).max(1)
    };
    weights.iter().map(width).collect()
}

/// Euclid's.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Scheduler for Random {
    type Settings = ();

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let weights: Vec<u32> = backends.taking().map(|backend| backend.weight).collect();
        let ids = backends.taking().map(|backend| backend.id);
        Plan::random(ids.zip(widths(&weights)))
    }
}

register_scheduler!(Random, "random", "at random, by weight");

#[cfg(test)]
mod tests;
