//! Connections of real servers, counted.

mod table;

pub use table::{Event, Key, Phase, Table};

/// The connections of one real server, as IPVS counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open: from the first packet until one side closes (`ip_vs_proto_tcp.c`, `tcp_state_active_table`).
    pub active: u32,
    /// Closing or closed, and still known to the kernel; for UDP see [`Phase`].
    pub inactive: u32,
    /// New connections since counting began.
    pub total: u64,
}

impl Counts {
    /// What thresholds are compared with (`ip_vs.h`, `ip_vs_dest_totalconns`).
    #[must_use]
    pub fn all(&self) -> u32 {
        self.active.saturating_add(self.inactive)
    }
}
