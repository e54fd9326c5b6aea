//! VRRP: virtual routers as one pure machine.
//!
//! [`router::Router`] holds every instance and sync group. The driver hands it what it receives and what it is told about
//! interfaces and tracked things ([`Input`]), calls it when its time has come, and carries out what it wants ([`Output`]).

#[cfg(test)]
mod tests;

mod announce;
mod instance;
mod mismatch;
pub mod packet;
mod receive;
pub mod router;
pub mod timing;
mod tracking;

use std::net::IpAddr;
use std::time::Duration;

use crate::model::Tracked;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// An IP packet of protocol 112 came in on an interface.
    Received {
        /// The name of the interface.
        interface: &'a str,
        /// The IP header's source.
        source: IpAddr,
        /// The IP header's destination.
        destination: IpAddr,
        /// The IP header's TTL or hop limit.
        ttl: u8,
        /// The VRRP message.
        payload: &'a [u8],
    },
    /// How an interface is, now and whenever it changes. Interfaces that were not heard of are down.
    Interface {
        /// Its name.
        name: &'a str,
        /// Whether it is up and has a carrier.
        up: bool,
        /// The address that IPv4 adverts are sent from: its first one that is not a virtual address.
        ipv4: Option<IpAddr>,
        /// The address that IPv6 adverts are sent from: its link-local one.
        ipv6: Option<IpAddr>,
    },
    /// How something tracked is, now and whenever it changes. Until it was heard of, it counts as failed. Not for interfaces.
    Tracked {
        /// What.
        what: &'a Tracked,
        /// How it is.
        reading: Reading,
    },
    /// The data plane holds what is configured. Until then no instance becomes master.
    Ready,
    /// The addresses of an instance are on this machine already: another daemon before this one was master. Comes once after the
    /// start, before [`Input::Ready`].
    Found {
        /// The instance.
        instance: &'a str,
    },
    /// What [`Output::Hold`] asked for is done: the addresses are on their interfaces and can be announced.
    Held {
        /// The instance.
        instance: &'a str,
    },
    /// An operator's word.
    Command {
        /// The instance; `None`: all.
        instance: Option<&'a str>,
        /// What to do.
        command: Command,
    },
    /// The daemon is to end: masters hand over, and [`router::Router::stopped`] says when that is done.
    Stop,
}

/// How something tracked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Well.
    Up,
    /// Failed.
    Down,
    /// The number in a file.
    Number(i32),
}

/// What an operator may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Hand over to another router, if there is one, and leave it alone until [`Command::Resume`]; this router takes over
    /// again only if there is no master.
    Resign,
    /// Take part in the election as configured again.
    Resume,
}

/// Something to be done. In the order in which they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send an advert, to the instance's peers or multicast group.
    Send {
        /// The instance.
        instance: String,
        /// The source address, which the checksum may cover.
        source: IpAddr,
        /// The VRRP message, with where it goes to: the checksum may cover that, too.
        messages: Vec<(IpAddr, Vec<u8>)>,
    },
    /// Put the instance's addresses, routes and rules in place; then [`Input::Held`].
    Hold {
        /// The instance.
        instance: String,
    },
    /// Take them away.
    Release {
        /// The instance.
        instance: String,
    },
    /// Send gratuitous ARP and unsolicited neighbour advertisements for all of the instance's addresses. Not before they are
    /// held.
    Announce {
        /// The instance.
        instance: String,
        /// How often, all addresses each time.
        rounds: u32,
    },
    /// The state of an instance or a sync group changed: run its notify scripts.
    Notify {
        /// Whether `name` is a sync group's.
        group: bool,
        /// The name.
        name: String,
        /// The state now.
        state: Notified,
        /// The priority now; of a group that of its first member.
        priority: u8,
    },
    /// Something for the log.
    Event(Event),
}

/// A state as notify scripts are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notified {
    /// Master.
    Master,
    /// Backup.
    Backup,
    /// In fault.
    Fault,
    /// The daemon ends.
    Stop,
}

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The instance.
    pub instance: String,
    /// Whether it needs someone's attention.
    pub warning: bool,
    /// What happened, in words, with what an operator can do about it.
    pub text: String,
}

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
