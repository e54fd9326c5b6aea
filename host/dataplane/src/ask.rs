//! Asking the daemon about new connections: how its answer and the news that it is alive reach the kernel's rules (by packet marks), and
//! how the kernel can be told to ask.

use std::sync::OnceLock;
use std::time::Duration;

/// How long after a heartbeat the daemon is believed to be alive.
pub const LIFE: Duration = Duration::from_millis(150);

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
