//! What `status` shows of instances and sync groups.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// The state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Another router is master, or is awaited (RFC 9568 section 6.4.2).
    Backup,
    /// This router is master (RFC 9568 section 6.4.3).
    Master,
    /// This router cannot be master: an interface is down, or something tracked has failed.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// What `status` shows of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// For how long.
    pub since: Duration,
    /// Whether its addresses are, or are being put, on this machine. Not the same as being master while handing over.
    pub holding: bool,
    /// Whether it stays backup because an operator wants so.
    pub resigned: bool,
    /// The priority now.
    pub priority: u8,
    /// The master's address and priority, when it is another router and was heard.
    pub master: Option<(IpAddr, u8)>,
    /// Why it is in fault, or why its priority is not the configured one.
    pub reasons: Vec<String>,
    /// What does not fit between this router and others, as long as it is heard.
    pub problems: Vec<String>,
    /// What it has seen.
    pub counters: Counters,
}

/// Counts since the start of the daemon (RFC 6527 `vrrpv3StatisticsTable` has most of them).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Times it became master.
    pub became_master: u64,
    /// Adverts sent.
    pub sent: u64,
    /// Good adverts received.
    pub received: u64,
    /// Adverts of priority 0 sent.
    pub priority_zero_sent: u64,
    /// Adverts of priority 0 received.
    pub priority_zero_received: u64,
    /// Dropped: too short, of another type, with an address count that does not fit.
    pub malformed: u64,
    /// Dropped: wrong checksum.
    pub checksum_errors: u64,
    /// Dropped: TTL or hop limit not 255, on a multicast instance.
    pub ttl_errors: u64,
    /// Dropped: another version.
    pub version_errors: u64,
    /// Dropped: another authentication type or password.
    pub authentication_errors: u64,
    /// Dropped in version 2, taken in version 3: another interval.
    pub interval_mismatches: u64,
    /// Taken: another list of addresses.
    pub address_mismatches: u64,
    /// Dropped: from a router that is no configured peer.
    pub unknown_peers: u64,
}

/// A sync group as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Its members.
    pub members: Vec<String>,
}
