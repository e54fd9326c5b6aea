//! How the daemon's answer about a new connection, and the news that it is alive, reach the kernel's rules: by packet marks.

use std::time::Duration;

use evenkeel_core::state::BackendId;

/// The daemon has decided: the rest of the mark, without this bit, is to be the connection's mark.
pub(crate) const DECIDED: u32 = 0x1000_0000;
/// The connection's mark of a connection that is refused.
const REFUSED: u32 = 0x2000_0000;
/// Bit of a connection's mark that says full NAT.
const SNAT: u32 = 0x8000_0000;

/// Packet mark of the heartbeat.
pub const HEARTBEAT: u32 = 0x4576_6b6c;
/// How long after a heartbeat the daemon is believed to be alive.
pub const LIFE: Duration = Duration::from_millis(150);

/// The packet mark of an answer: a backend of a service (`snat`: full NAT), or none, which refuses the connection.
#[must_use]
pub fn mark(pick: Option<BackendId>, snat: bool) -> u32 {
    match pick {
        Some(id) => DECIDED | id.get() | if snat { SNAT } else { 0 },
        None => DECIDED | REFUSED,
    }
}
