//! The kernel's setting for events.

use std::io;

/// Whether new connections get what they need to send events.
const EVENTS: &str = "/proc/sys/net/netfilter/nf_conntrack_events";

/// `net.netfilter.nf_conntrack_events` of this process's network namespace.
///
/// 0: no connection sends events. 1: all do. 2, the default: those that were made while somebody listened, so that of
/// older ones only dumps tell. A director that counts connections should have 1.
///
/// # Errors
/// If it cannot be read, as where conntrack is not loaded.
pub fn events_setting() -> io::Result<u8> {
    let text = std::fs::read_to_string(EVENTS)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::other(format!("{EVENTS} says {:?}", text.trim())))
}
