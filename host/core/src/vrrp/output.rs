//! What the machine wants of the driver.

use std::net::IpAddr;

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
    /// Put the instance's addresses, routes and rules in place; then [`Input::Held`](super::Input::Held).
    Hold {
        /// The instance.
        instance: String,
    },
    /// Take them away.
    Release {
        /// The instance.
        instance: String,
    },
    /// Send gratuitous ARP and unsolicited neighbour advertisements for all of the instance's addresses. Not before
    /// they are held.
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

/// A state as notify scripts get it.
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
