//! Skew and master-down times.

use std::time::Duration;

use crate::model::VrrpVersion;

/// How much later a router of this priority takes over than one of priority 256 would (RFC 3768 section 6.1: (256 -
/// priority) / 256 seconds; RFC 9568 section 6.1: the same share of the master's interval).
#[must_use]
pub fn skew(version: VrrpVersion, priority: u8, interval: Duration) -> Duration {
    let unit = match version {
        VrrpVersion::V2 => Duration::from_secs(1),
        VrrpVersion::V3 => interval,
    };
    unit * (256 - u32::from(priority)) / 256
}

/// Without an advert for so long, the master is gone (RFC 3768 and RFC 9568, section 6.1: `Master_Down_Interval`,
/// `Active_Down_Interval`).
#[must_use]
pub fn master_down(version: VrrpVersion, priority: u8, interval: Duration) -> Duration {
    interval * 3 + skew(version, priority, interval)
}
