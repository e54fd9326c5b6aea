//! The daemon's verdicts on queued connections, and its heartbeat: the packet marks by which both reach the kernel's
//! rules.

use std::time::Duration;

use evenkeel_core::state::BackendId;

/// The packet's mark holds a verdict: the rest of the mark, without this bit, is to be the connection's mark.
pub(crate) const VERDICT_MARK: u32 = 0x1000_0000;
/// The connection's mark of a connection that is refused.
const REFUSED: u32 = 0x2000_0000;
/// Bit of a connection's mark that says full NAT.
const SNAT: u32 = 0x8000_0000;

/// Packet mark of the heartbeat.
pub const HEARTBEAT: u32 = 0x4576_6b6c;
/// How long after a heartbeat the daemon counts as alive.
pub const HEARTBEAT_LIFETIME: Duration = Duration::from_millis(150);

/// The packet mark of a verdict: a backend of a service (`snat`: full NAT), or none, which refuses the connection.
#[must_use]
pub fn mark(pick: Option<BackendId>, snat: bool) -> u32 {
    match pick {
        Some(id) => VERDICT_MARK | id.get() | if snat { SNAT } else { 0 },
        None => VERDICT_MARK | REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_s_mark_is_the_connection_s_mark_and_a_bit() {
        let id = BackendId::new(7).unwrap();
        assert_eq!(mark(Some(id), false), 0x1000_0007);
        assert_eq!(mark(Some(id), true), 0x9000_0007);
        assert_eq!(mark(None, true), 0x3000_0000);
        assert_eq!(HEARTBEAT & VERDICT_MARK, 0);
    }
}
