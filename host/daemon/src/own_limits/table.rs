//! The kernel's connection table (conntrack) as `/proc` shows it.

use std::fmt;
use std::path::Path;

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Connections in this network namespace.
    pub(super) count: u64,
    /// The most that there may be.
    pub(super) max: u64,
    /// Packets dropped since the kernel's start, for this or another reason; where the kernel says so
    /// (`CONFIG_NF_CONNTRACK_PROCFS`).
    pub(super) drops: Option<u64>,
}

impl Reading {
    /// `None`: nobody tracks connections here.
    pub(super) fn of(proc: &Path) -> Option<Self> {
        let number = |name: &str| -> Option<u64> {
            let file = proc.join("sys/net/netfilter").join(name);
            std::fs::read_to_string(file).ok()?.trim().parse().ok()
        };
        let statistics = std::fs::read_to_string(proc.join("net/stat/nf_conntrack"));
        Some(Self {
            count: number("nf_conntrack_count")?,
            max: number("nf_conntrack_max")?,
            drops: statistics.ok().and_then(|text| drops(&text)),
        })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the kernel's connection table is full ({} of {}, net.netfilter.nf_conntrack_max): it drops new connections",
            self.count, self.max
        )
    }
}

/// The sum over all processors of the column `drop`: hexadecimal numbers below a line of names.
fn drops(statistics: &str) -> Option<u64> {
    let mut lines = statistics.lines();
    let column = lines
        .next()?
        .split_whitespace()
        .position(|name| name == "drop")?;
    lines
        .map(|line| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok())
        .sum()
}

/// Whether new connections are dropped. Just below its limit the table is full now and then, which shows by what was
/// dropped since `before`.
pub(super) fn is_full(now: Reading, before: Option<u64>) -> bool {
    // 0: no limit.
    if now.max == 0 {
        return false;
    }
    let dropped = matches!((now.drops, before), (Some(now), Some(before)) if now > before);
    now.count >= now.max || dropped && now.count >= now.max - now.max / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.12 prints it.
    const STATISTICS: &str = "\
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000a00  00000000 00000000 00000000 00000003 00000000 00000000 00000000 00000000 00000000 0000001f 00000000 00000000  00000000 00000000 00000000 00000000
00000a00  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000  00000000 00000000 00000000 00000000
";

    #[test]
    fn the_drops_of_all_processors_are_added_up() {
        assert_eq!(drops(STATISTICS), Some(0x20));
        assert_eq!(drops(""), None);
        assert_eq!(drops("entries found\n00000000 00000000\n"), None);
    }

    #[test]
    fn a_table_is_full_at_its_limit_or_where_it_drops_just_below() {
        for (count, drops, before, full) in [
            (100, None, None, true),
            (99, None, None, false),
            (99, Some(5), Some(4), true),
            (99, Some(5), Some(5), false),
            (99, Some(5), None, false),
            // Something else was dropped.
            (50, Some(5), Some(4), false),
        ] {
            let max = 100;
            let now = Reading { count, max, drops };
            assert_eq!(is_full(now, before), full, "{now:?} after {before:?}");
        }
        let unlimited = Reading {
            count: 7,
            max: 0,
            drops: None,
        };
        assert!(!is_full(unlimited, None));
    }
}
