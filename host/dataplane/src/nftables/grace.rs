//! Waiting for packets that are on their way.

use rustix::thread::{MembarrierCommand, membarrier};

/// Waits until the packets that the kernel is at work on have passed: some ten milliseconds. Each goes through its hooks
/// in one read-side section of RCU (`nf_hook` in `include/linux/netfilter.h`), and this waits for all that have begun
/// (`MEMBARRIER_CMD_GLOBAL` of membarrier(2)). On a busy machine one may be held up between two lookups for longer than
/// two batches take. Where the call is forbidden (a container's seccomp) nothing is waited for.
pub(super) fn packets_have_passed() {
    if let Err(error) = membarrier(MembarrierCommand::Global) {
        tracing::debug!(%error, "cannot wait for packets that are on their way");
    }
}
