//! A thread of usual priority that carries events from the driver to the daemon: waking a task of another runtime may have to
//! wait for a lock, and the driver does not wait.

use tokio::sync::{mpsc, oneshot};

use crate::handle::VrrpEvent;
use crate::mailbox::{Receiver, Sender, mailbox};

/// What is carried.
pub(crate) enum Parcel {
    /// Something for the daemon.
    Event(VrrpEvent),
    /// The driver has stopped, and all events before this have been delivered.
    Stopped(oneshot::Sender<()>),
}

/// Starts the thread. It ends when the mailbox is closed and empty.
///
/// # Errors
/// When the system gives no thread or file descriptors.
pub(crate) fn start(events: mpsc::UnboundedSender<VrrpEvent>) -> std::io::Result<Sender<Parcel>> {
    let (sender, receiver) = mailbox()?;
    std::thread::Builder::new()
        .name("vrrp-events".into())
        .spawn(move || carry(receiver, &events))?;
    Ok(sender)
}

fn carry(mut parcels: Receiver<Parcel>, events: &mpsc::UnboundedSender<VrrpEvent>) {
    while let Some(parcels) = parcels.wait() {
        for parcel in parcels {
            // Who does not listen any more does not want to know.
            match parcel {
                Parcel::Event(event) => drop(events.send(event)),
                Parcel::Stopped(done) => drop(done.send(())),
            }
        }
    }
}
