//! When IPVS forgets connections: seconds to the kernel, durations elsewhere; and clients, which is a setting.

use std::time::Duration;

use evenkeel_core::model::IpvsTimeouts;
use evenkeel_ipvs::{Client, Timeouts};

use super::error::error;
use super::sysctl;
use crate::Error;

/// All of them, whoever has set them.
pub(super) fn read(client: &mut Client) -> Result<IpvsTimeouts, evenkeel_ipvs::Error> {
    Ok(IpvsTimeouts {
        expire_quiescent: sysctl::is_on(sysctl::EXPIRE_QUIESCENT),
        ..of_seconds(client.timeouts()?)
    })
}

/// Sets those that are said.
pub(super) fn write(client: &mut Client, timeouts: &IpvsTimeouts) -> Result<(), Error> {
    if let Some(on) = timeouts.expire_quiescent {
        let why = "on_drain says whether clients stay with a server whose weight is 0";
        sysctl::switch(sysctl::EXPIRE_QUIESCENT, on, why)?;
    }
    let seconds = in_seconds(timeouts);
    if seconds == Timeouts::default() {
        return Ok(());
    }
    client.set_timeouts(&seconds).map_err(error)
}

/// For the kernel.
fn in_seconds(timeouts: &IpvsTimeouts) -> Timeouts {
    // No more than `IpvsTimeouts::MAX`, which was checked.
    let seconds = |time: Option<Duration>| time.and_then(|it| it.as_secs().try_into().ok());
    Timeouts {
        tcp: seconds(timeouts.tcp),
        tcp_fin: seconds(timeouts.tcp_fin),
        udp: seconds(timeouts.udp),
    }
}

/// From the kernel.
fn of_seconds(timeouts: Timeouts) -> IpvsTimeouts {
    let time = |seconds: Option<u32>| seconds.map(|it| Duration::from_secs(it.into()));
    IpvsTimeouts {
        tcp: time(timeouts.tcp),
        tcp_fin: time(timeouts.tcp_fin),
        udp: time(timeouts.udp),
        expire_quiescent: None,
    }
}
