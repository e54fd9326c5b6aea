//! How many connections a real server has.

/// The connections of one real server, as IPVS counts them (`ActiveConn`, `InActConn`).
///
/// The kernel's conntrack decides when a connection that nobody closes is forgotten: its timeouts differ from those
/// of IPVS (UDP 30 or 120 s, not 300; a TCP connection that was never answered 120 s, not 60).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open: from the first packet until one side closes (`ip_vs_proto_tcp.c`, `tcp_state_active_table`).
    pub active: u32,
    /// Closing or closed, and still known to the kernel; all UDP, as with IPVS: see [`super::Phase`].
    pub inactive: u32,
    /// New connections since counting began. Those that there were before do not count, nor those of a
    /// [`super::Table::clear`]'s pause.
    pub total: u64,
    /// Those of TCP that ended without having been established: refused, or never answered. Likewise. Not for IPVS,
    /// which tells nothing of them.
    pub failed: u64,
    /// What was sent; `None`: the kernel does not count it. As of the last time that all connections were read.
    pub traffic: Option<Traffic>,
}

/// Bytes, headers of IP included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From clients to the server.
    pub to_backend: u64,
    /// From the server to clients; 0 where answers do not come by the director.
    pub to_clients: u64,
}

impl Traffic {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            to_backend: self.to_backend.saturating_add(other.to_backend),
            to_clients: self.to_clients.saturating_add(other.to_clients),
        }
    }
}

impl Counts {
    /// What thresholds are compared with (`ip_vs.h`, `ip_vs_dest_totalconns`).
    #[must_use]
    pub fn all(&self) -> u32 {
        self.active.saturating_add(self.inactive)
    }
}
