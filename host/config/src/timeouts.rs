//! `[ipvs_timeouts]`.

use super::plugin::Single;
use super::schema::File;
use evenkeel_core::model::IpvsTimeouts;

/// When IPVS is to forget connections.
pub(super) fn ipvs_timeouts(file: &File) -> IpvsTimeouts {
    let Some(Single(table)) = file.ipvs_timeouts.get() else {
        return IpvsTimeouts::default();
    };
    IpvsTimeouts {
        tcp: table.tcp.get().map(|time| time.0),
        tcp_fin: table.tcp_fin.get().map(|time| time.0),
        udp: table.udp.get().map(|time| time.0),
        // The services say that.
        expire_quiescent: None,
    }
}
