//! Asking the daemon about new connections: how its answer and the news that it is alive reach the kernel's rules (by packet marks), and
//! how the kernel can be told to ask.

use std::sync::OnceLock;
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

/// The expression by which a rule hands a packet to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// nf_tables' own `queue` (the kernel's `CONFIG_NFT_QUEUE`).
    Nft,
    /// iptables' target `NFQUEUE`, in a rule of nf_tables (`CONFIG_NFT_COMPAT` and `CONFIG_NETFILTER_XT_TARGET_NFQUEUE`).
    Compat,
}

/// Whether a kept answer may be reused: the kernel does not change while the process lives.
static SUPPORT: OnceLock<Result<Form, String>> = OnceLock::new();

/// The form that this kernel has; nf_tables' own, if it has both. Tried at the first call, with nothing changed.
///
/// # Errors
/// Why it has none, for an operator.
pub fn support() -> Result<Form, String> {
    SUPPORT.get_or_init(crate::nftables::trial).clone()
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
        assert_eq!(HEARTBEAT & DECIDED, 0);
    }
}
