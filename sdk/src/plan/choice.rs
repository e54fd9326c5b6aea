//! One server for one connection: the least loaded, or drawn by weight; and the odds of the better of
//! two drawn ones as a plan.

use crate::backends::{Backend, BackendId, Backends};
use crate::plan::Plan;

/// How many slots [`two_choices`] divides at least.
const LEAST_SLOTS: u128 = 128;
/// How many at most: with all rounding it stays below what the host takes.
const MOST_SLOTS: u128 = 32_768;

/// The server that takes connections with the least cost; of equals the first in the configuration.
///
/// ```
/// use evenkeel_sdk::{BackendId, Backends, Ratio, least};
///
/// fn pick(backends: &Backends) -> Option<BackendId> {
///     least(backends, |backend| Ratio::new(backend.counts.active.into(), backend.weight))
/// }
/// # assert_eq!(pick(&Backends::default()), None);
/// ```
pub fn least<C: Ord>(backends: &Backends, cost: impl Fn(&Backend) -> C) -> Option<BackendId> {
    // Not `min_by_key`: it hands each pair on through memory, written in pieces and read as a whole, for which
    // processors have to wait. With a `Ratio` that takes four times as long.
    let mut taking = backends.taking();
    let first = taking.next()?;
    let (mut least, mut id) = (cost(first), first.id);
    for backend in taking {
        let cost = cost(backend);
        if cost < least {
            (least, id) = (cost, backend.id);
        }
    }
    Some(id)
}

/// A server drawn by weight: `random` (all 64 bits of which count, as [`random`](crate::random) gives
/// them) chooses the place in the sum of the weights. `None` if no server takes connections.
pub fn draw(backends: &Backends, random: u64) -> Option<&Backend> {
    draw_from(backends.taking(), backends.total_weight(), random)
}

/// Like [`draw`], but never the one with that number. `None` if there is no other.
pub fn draw_another(backends: &Backends, drawn: BackendId, random: u64) -> Option<&Backend> {
    let weight = backends.get(drawn).map_or(0, |b| u64::from(b.weight));
    let total = backends.total_weight().saturating_sub(weight);
    draw_from(backends.taking().filter(|b| b.id != drawn), total, random)
}

fn draw_from<'a>(
    mut from: impl Iterator<Item = &'a Backend>,
    total: u64,
    random: u64,
) -> Option<&'a Backend> {
    let mut place = scale(random, total);
    from.find(|backend| {
        let weight = u64::from(backend.weight);
        let here = place < weight;
        place = place.saturating_sub(weight);
        here
    })
}

/// A number below `limit` from one of 64 bits: the upper half of the product (Lemire, "Fast Random
/// Integer Generation in an Interval", 2019, without the rejection: the bias is below 2^-16 for sums of
/// weights).
pub(crate) fn scale(random: u64, limit: u64) -> u64 {
    let product = u128::from(random) * u128::from(limit);
    u64::try_from(product >> 64).unwrap_or(0)
}

/// The odds of "draw two servers by weight, take the one with the lesser cost", as a plan that is
/// drawn from at random: what a decision about each connection would come to as long as costs stay as
/// they are. If the same server is drawn twice, it is taken; of equal costs, each is as likely. Every
/// server that takes connections has a slot.
///
/// As it goes by the order of costs and not by their differences, no server is flooded while the
/// counts are old, and the plan changes only when servers overtake each other (Mitzenmacher, "How
/// Useful Is Old Information?", 2000).
pub fn two_choices<C: Ord>(backends: &Backends, cost: impl Fn(&Backend) -> C) -> Plan {
    let taking: Vec<&Backend> = backends.taking().collect();
    let costs: Vec<C> = taking.iter().map(|backend| cost(backend)).collect();
    let mut order: Vec<usize> = (0..taking.len()).collect();
    order.sort_by_key(|&place| &costs[place]);

    let weight = |place: usize| u128::from(taking[place].weight);
    let total: u128 = order.iter().map(|&place| weight(place)).sum();
    let slots = LEAST_SLOTS.max(8 * taking.len() as u128).min(MOST_SLOTS);
    let mut widths = vec![0; taking.len()];
    let mut worse = total;
    for equals in order.chunk_by(|&a, &b| costs[a] == costs[b]) {
        let same: u128 = equals.iter().map(|&place| weight(place)).sum();
        worse -= same;
        for &place in equals {
            // Of the total^2 ways to draw two: with a worse one first or second, or with an equal one
            // (itself among them) first.
            let ways = weight(place) * (2 * worse + same);
            let width = (2 * ways * slots + total * total) / (2 * total * total);
            widths[place] = u32::try_from(width).unwrap_or(u32::MAX).max(1);
        }
    }
    let ids = taking.iter().map(|backend| backend.id);
    Plan::random(ids.zip(widths))
}

#[cfg(test)]
mod tests;
