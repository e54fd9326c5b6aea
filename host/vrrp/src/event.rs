//! What the driver tells the daemon, by the event forwarder: a thread of usual priority. Waking a task of another
//! runtime may have to wait for a lock, and the driver does not wait.

use std::collections::BTreeSet;
use std::net::IpAddr;

use evenkeel_addresses::channel::{Sender, forwarder};
use evenkeel_core::vrrp::{Event, Notified};
use tokio::sync::{mpsc, oneshot};

/// What the driver tells, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VrrpEvent {
    /// The state of an instance or a sync group has changed: for its notify scripts.
    Notify {
        /// Whether it is a sync group.
        group: bool,
        /// Its name.
        name: String,
        /// The state now.
        state: Notified,
        /// The priority now.
        priority: u8,
    },
    /// All virtual addresses that are on this machine, at the start and whenever that has changed.
    Here(BTreeSet<IpAddr>),
    /// For the log. The driver does not write it itself: whoever writes may have to wait, and adverts do not.
    Log(Event),
}

/// What is forwarded.
#[derive(Debug)]
pub(crate) enum Forwarded {
    /// Something for the daemon.
    Event(VrrpEvent),
    /// The driver has stopped, and all events before this have been delivered.
    Stopped(oneshot::Sender<()>),
}

/// Starts the event forwarder. It ends when its sender is gone and everything is delivered.
///
/// # Errors
/// When the system gives no thread or file descriptors.
pub(crate) fn start_forwarder(
    events: mpsc::UnboundedSender<VrrpEvent>,
) -> std::io::Result<Sender<Forwarded>> {
    // Who does not listen any more does not want to know.
    forwarder("vrrp-events", move |forwarded| match forwarded {
        Forwarded::Event(event) => drop(events.send(event)),
        Forwarded::Stopped(done) => drop(done.send(())),
    })
}
