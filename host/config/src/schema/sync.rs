//! The table of connection synchronisation.

use super::declare::table;
use crate::address::Group;
use crate::reader::Presence;
use crate::value::{Interface, Name, Whole};

/// The most bytes of UDP's payload in an IPv4 packet: 65535 without both headers.
const LONGEST: u32 = 65_535 - 20 - 8;

table! {
    /// IPVS copies its connections to the other director, so that established connections survive a failover: the
    /// master of a VRRP instance sends, a backup takes in. On IPVS only. The other director has the same table, and the
    /// network between them is trusted: the messages are neither signed nor encrypted.
    ConnectionSyncTable in "[connection_sync]" {
        /// The `[[vrrp]]` whose role is followed. Its name.
        #[keepalived = "lvs_sync_daemon"]
        vrrp: Name = Presence::Required;
        /// The interface on which the directors see each other.
        #[keepalived = "lvs_sync_daemon"]
        interface: Interface = Presence::Required;
        /// Tells several pairs of directors on one network apart.
        #[keepalived = "id"]
        id: Whole<1, 255> = Presence::Optional("the instance's `router_id`");
        /// The multicast group that the messages go to, IPv4 or IPv6.
        #[keepalived = "group"]
        group: Group = Presence::Optional("224.0.0.81");
        /// The UDP port that the messages go to.
        #[keepalived = "port"]
        port: Whole<1, 65_535> = Presence::Optional("8848");
        /// How many routers the messages may pass, and one more.
        #[keepalived = "ttl"]
        ttl: Whole<1, 255> = Presence::Optional("1");
        /// The most bytes of a message.
        #[keepalived = "maxlen"]
        max_len: Whole<1, LONGEST> = Presence::Optional("what the interface takes in one packet");
    }
}
