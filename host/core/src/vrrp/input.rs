//! What the driver hands to the machine.

use std::net::IpAddr;

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
    /// An interface has another MAC address than before: what is on it is announced again. Not for one that is new.
    MacChanged {
        /// The name of the interface.
        interface: &'a str,
    },
    /// Whether this machine has an address that an instance's `source` names, on any interface; now and whenever that
    /// changes. Until it was heard of, nothing can be sent from it.
    Source {
        /// The address.
        addr: IpAddr,
        /// Whether it is there and can be used.
        present: bool,
    },
    /// Whether an instance's adverts can be received, now and whenever that changes. Until it was heard of, they
    /// cannot. A router that is deaf would be master beside a healthy one.
    Hearing {
        /// The instance.
        instance: &'a str,
        /// Whether they can.
        hearing: Hearing<'a>,
    },
    /// How something tracked is, now and whenever it changes. Until it was heard of, it counts as failed, except for
    /// an instance that is backup or master already: of that it changes nothing for a while. Not for interfaces.
    Tracked {
        /// What.
        what: &'a Tracked,
        /// How it is.
        reading: Reading,
    },
    /// The data plane holds what is configured. Until then no instance becomes master.
    Ready,
    /// The daemon's main loop moves: at least once a second while it does. From the first one on, a router that gets
    /// none for ten seconds hands over, and leaves the addresses to any other router until the next one.
    Alive,
    /// The addresses of an instance are on this machine already: another daemon before this one was master. Comes once
    /// after the start, before [`Input::Ready`].
    Found {
        /// The instance.
        instance: &'a str,
    },
    /// What [`Output::Hold`](super::Output::Hold) wanted is done: the addresses are on their interfaces and can be
    /// announced.
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
    /// The daemon is to end: masters hand over, and [`Router::stopped`](super::router::Router::stopped) says when that
    /// is done.
    Stop,
}

/// Whether adverts can be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing<'a> {
    /// The socket is being opened.
    Awaited,
    /// The socket is open.
    Works,
    /// The socket cannot be opened, and why, with what to do.
    Fails(&'a str),
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
    /// Hand over to another router, if there is one, and leave it alone until [`Command::Resume`]; this router takes
    /// over again only if there is no master.
    Resign,
    /// Take part in the election as configured again.
    Resume,
}
