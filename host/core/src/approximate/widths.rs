//! Numbers of slots: counted, reduced, and made as proportional to weights as whole numbers can be.

use std::collections::BTreeMap;

use crate::state::BackendId;

/// How many of the slots each server has.
pub(super) fn counts(slots: &[BackendId]) -> BTreeMap<BackendId, u32> {
    let mut counts = BTreeMap::new();
    for id in slots {
        *counts.entry(*id).or_insert(0) += 1;
    }
    counts
}

/// Counts without their common divisor.
pub(super) fn divided(counts: &BTreeMap<BackendId, u32>) -> BTreeMap<BackendId, u32> {
    let divisor = counts.values().copied().fold(0, gcd).max(1);
    counts.iter().map(|(id, n)| (*id, n / divisor)).collect()
}

/// Widths that are to each other as the weights are, `most` in all at the most, and none of them 0.
pub(super) fn reduced(weights: &[(BackendId, u32)], most: usize) -> Vec<(BackendId, u32)> {
    let mut divisor = weights
        .iter()
        .map(|(_, weight)| *weight)
        .fold(0, gcd)
        .max(1);
    loop {
        let widths: Vec<(BackendId, u32)> = weights
            .iter()
            .map(|(id, weight)| (*id, (weight / divisor).max(1)))
            .collect();
        let sum: u64 = widths.iter().map(|(_, width)| u64::from(*width)).sum();
        if sum <= most as u64 || widths.iter().all(|(_, width)| *width == 1) {
            return widths;
        }
        divisor = divisor.saturating_mul(2);
    }
}

/// Widths that are to each other as near as can be as the weights are, `total` in all and none of them 0; there are no
/// more weights than that.
pub(super) fn exactly(weights: &[(BackendId, u32)], total: usize) -> Vec<(BackendId, u32)> {
    let all: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let total = total as u64;
    let mut widths: Vec<(BackendId, u64)> = weights
        .iter()
        .map(|(id, weight)| (*id, (u64::from(*weight) * total / all.max(1)).max(1)))
        .collect();
    let mut sum: u64 = widths.iter().map(|(_, width)| *width).sum();
    let short = |at: usize, width: u64| {
        let ideal = u64::from(weights[at].1) * total;
        i128::from(ideal) - i128::from(width * all)
    };
    while sum != total {
        let places = 0..widths.len();
        let at = if sum < total {
            places.max_by_key(|at| (short(*at, widths[*at].1), std::cmp::Reverse(*at)))
        } else {
            places
                .filter(|at| widths[*at].1 > 1)
                .min_by_key(|at| (short(*at, widths[*at].1), *at))
        };
        let Some(at) = at else { break };
        if sum < total {
            widths[at].1 += 1;
            sum += 1;
        } else {
            widths[at].1 -= 1;
            sum -= 1;
        }
    }
    widths
        .into_iter()
        .map(|(id, width)| (id, u32::try_from(width).unwrap_or(u32::MAX)))
        .collect()
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}
