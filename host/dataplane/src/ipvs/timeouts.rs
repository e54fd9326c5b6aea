//! When IPVS forgets connections: seconds to the kernel, durations elsewhere.

use std::time::Duration;

use evenkeel_core::model::IpvsTimeouts;
use evenkeel_ipvs::Timeouts;

/// For the kernel.
pub(super) fn in_seconds(timeouts: &IpvsTimeouts) -> Timeouts {
    // No more than `IpvsTimeouts::MAX`, which was checked.
    let seconds = |time: Option<Duration>| time.and_then(|it| it.as_secs().try_into().ok());
    Timeouts {
        tcp: seconds(timeouts.tcp),
        tcp_fin: seconds(timeouts.tcp_fin),
        udp: seconds(timeouts.udp),
    }
}

/// From the kernel.
pub(super) fn of_seconds(timeouts: Timeouts) -> IpvsTimeouts {
    let time = |seconds: Option<u32>| seconds.map(|it| Duration::from_secs(it.into()));
    IpvsTimeouts {
        tcp: time(timeouts.tcp),
        tcp_fin: time(timeouts.tcp_fin),
        udp: time(timeouts.udp),
    }
}
