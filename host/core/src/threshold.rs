//! Connection thresholds of a real server.

/// Whether a server that has `all` connections, active and inactive, takes no new ones. `was`: whether it took none
/// until now.
///
/// As IPVS has it (`ip_vs_conn.c`, `ip_vs_bind_dest` and `ip_vs_unbind_dest`): from the upper threshold on it takes
/// none; it takes new ones again below the lower threshold or, where there is none, below three quarters of the upper
/// one.
#[must_use]
pub fn full(was: bool, all: u32, upper: Option<u32>, lower: Option<u32>) -> bool {
    let Some(upper) = upper.filter(|upper| *upper > 0) else {
        return false;
    };
    if all >= upper {
        return true;
    }
    was && match lower.filter(|lower| *lower > 0) {
        Some(lower) => all >= lower,
        None => u64::from(all) * 4 >= u64::from(upper) * 3,
    }
}

#[cfg(test)]
mod tests {
    use super::full;

    #[test]
    fn a_server_is_full_from_its_upper_threshold_until_it_is_below_its_lower_one() {
        let seen: Vec<bool> = [9, 10, 11, 9, 5, 4, 9, 10]
            .into_iter()
            .scan(false, |was, all| {
                *was = full(*was, all, Some(10), Some(5));
                Some(*was)
            })
            .collect();
        assert_eq!(seen, [false, true, true, true, true, false, false, true]);
    }

    #[test]
    fn without_a_lower_threshold_it_is_three_quarters_of_the_upper_one() {
        assert!(full(true, 8, Some(10), None));
        assert!(!full(true, 7, Some(10), None));
        assert!(full(true, u32::MAX, Some(u32::MAX), None));
    }

    #[test]
    fn without_an_upper_threshold_no_server_is_full() {
        assert!(!full(true, u32::MAX, None, Some(1)));
        assert!(!full(true, u32::MAX, Some(0), None));
    }
}
