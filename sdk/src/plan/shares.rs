//! From weights to numbers of slots.

/// How many slots of a plan each server gets for its weight, so that a plan is as short as its weights allow. A plan of
/// the weights themselves may be too long: two servers of weight 65,535 need two slots, and have 131,070.
///
/// ```
/// use evenkeel_sdk::Shares;
/// assert_eq!(Shares::of(&[65_535, 65_535], 4096).slots, [1, 1]);
/// assert_eq!(Shares::of(&[300, 100], 4096).slots, [3, 1]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// In the order of the weights.
    pub slots: Vec<u32>,
    /// Whether they are in exactly the weights' proportion.
    pub exact: bool,
}

impl Shares {
    /// The least numbers in the proportion of the weights, of which none may be 0; if their sum is above `max`, the
    /// nearest ones with the sum `max` (largest remainder), but at least one slot for each.
    #[must_use]
    pub fn of(weights: &[u32], max: u32) -> Self {
        let divisor = weights.iter().copied().fold(0, gcd).max(1);
        let slots: Vec<u32> = weights.iter().map(|weight| weight / divisor).collect();
        let total: u64 = slots.iter().copied().map(u64::from).sum();
        if total <= u64::from(max) {
            return Self { slots, exact: true };
        }
        Self {
            slots: largest_remainder(&slots, total, max),
            exact: false,
        }
    }
}

/// Divides `max` slots in the proportion of `parts`, whose sum `total` is greater. More servers than
/// slots get one each all the same: a server that is never used would be worse than a longer round.
fn largest_remainder(parts: &[u32], total: u64, max: u32) -> Vec<u32> {
    let quota = |part: u32| u64::from(part) * u64::from(max);
    let mut slots: Vec<u32> = parts
        .iter()
        .map(|&part| narrow(quota(part) / total).max(1))
        .collect();
    let used: u64 = slots.iter().copied().map(u64::from).sum();
    if let Some(left) = u64::from(max).checked_sub(used) {
        // Fewer are left than there are servers, each of which lost less than one slot.
        let mut order: Vec<usize> = (0..parts.len())
            .filter(|&i| quota(parts[i]) >= total)
            .collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(quota(parts[i]) % total), i));
        for i in order
            .into_iter()
            .take(usize::try_from(left).unwrap_or(usize::MAX))
        {
            slots[i] += 1;
        }
    } else {
        take_back(&mut slots, used - u64::from(max));
    }
    slots
}

/// Takes the slots that were given to the least servers from the greatest ones.
fn take_back(slots: &mut [u32], mut excess: u64) {
    while excess > 0 {
        match slots.iter_mut().max() {
            Some(greatest) if *greatest > 1 => *greatest -= 1,
            _ => return,
        }
        excess -= 1;
    }
}

/// A quota is at most `max`, a `u32`.
fn narrow(quota: u64) -> u32 {
    u32::try_from(quota).unwrap_or(u32::MAX)
}

/// Euclid's.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
