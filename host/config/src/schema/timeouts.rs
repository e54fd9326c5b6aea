//! The table of IPVS's times.

use super::declare::{DAY, table};
use crate::reader::Presence;
use crate::units::Seconds;

table! {
    /// After how long without a packet IPVS forgets a connection: one setting for all virtual services of the network
    /// namespace, others' too, as `ipvsadm --set` makes it. A time that is not here, or is taken away, stays as it is
    /// in the kernel. Whole seconds. On nftables, where connections are conntrack's, it means nothing: there are
    /// `net.netfilter.nf_conntrack_tcp_timeout_established` and the like.
    IpvsTimeoutsTable in "[ipvs_timeouts]" {
        /// An established TCP connection.
        #[keepalived = "lvs_timeouts"]
        tcp: Seconds<1_000, { 24 * DAY }> = Presence::Optional("as in the kernel, at first 15 min");
        /// A TCP connection of which one side has closed.
        #[keepalived = "tcpfin"]
        tcp_fin: Seconds<1_000, { 24 * DAY }> = Presence::Optional("as in the kernel, at first 2 min");
        /// A flow of UDP.
        #[keepalived = "udp"]
        udp: Seconds<1_000, { 24 * DAY }> = Presence::Optional("as in the kernel, at first 5 min");
    }
}
