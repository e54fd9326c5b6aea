//! Counts connections: conntrack's events and dumps over netlink, as counts of each real server.
//!
//! ```text
//! kernel: conntrack --events--> filter (BPF) --> events::Events --+
//!                   --dump----------------------> dump::each -----+--> core::connections::Table --> counts that changed
//!                                                                 |
//!                                            a thread of its own: worker
//! ```
//!
//! What a connection's mark is, is the data plane's to say: the number of a backend in its low 24 bits, and bit 31 if its
//! service is full NAT. Marks with any other bit are not connections to a server.

mod counter;
mod dump;
mod events;
mod filter;
mod message;
mod worker;

#[cfg(test)]
mod tests;

pub use counter::{Counter, Options, Report};
pub use dump::count_once;
pub use worker::REPORT_INTERVAL;

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
